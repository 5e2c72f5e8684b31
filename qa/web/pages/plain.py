"""An answer as plain text with its citations, to be pasted anywhere."""

from __future__ import annotations

from qa.types import Answer, Citation
from qa.web.pages.links import web_url
from qa.web.texts import Texts


def plain_text(answer: Answer, texts: Texts) -> str:
    """Write the question, the answer and one line for each citation."""
    lines = [_line(answer.query.text), "", answer.text]
    if answer.citations:
        lines += ["", *(_source(citation, texts) for citation in answer.citations)]
    return "\n".join(lines) + "\n"


def _source(citation: Citation, texts: Texts) -> str:
    day = texts.day(citation.published) if citation.published else texts.undated
    url = web_url(citation.url)
    place = f"{citation.article_id}, {citation.start}–{citation.end}"
    parts = [citation.title.strip() or texts.untitled, citation.author, citation.source, day, url, place]
    return f"[{citation.n}] " + ". ".join(_line(part) for part in parts if part)


def _line(text: str) -> str:
    return " ".join(text.split())
