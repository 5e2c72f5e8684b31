"""The evidence pack: one HTML file that holds an answer and all it rests on, and asks for nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import NamedTuple

from markupsafe import Markup

from qa.answering.citations import context
from qa.export import EvidencePack
from qa.types import Answer, Article, Citation
from qa.web import ASSETS
from qa.web.pages.cards import title_of
from qa.web.pages.html import Piece, fill, isolate, render, verbatim
from qa.web.pages.links import web_url
from qa.words import PageWords, page_words, words_for

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
"""Content-Security-Policy of the file."""


class CitedArticle(NamedTuple):
    """An article that is cited, in full, with its quotes marked."""

    article: Article
    number: int
    title: str
    url: str | None
    pieces: list[Piece]


class Source(NamedTuple):
    """A quote with the sentences around it and where it stands."""

    citation: Citation
    cited: CitedArticle
    before: str
    pieces: list[Piece]
    after: str
    start: str
    end: str


def evidence_html(pack: EvidencePack, made: datetime | None = None, words: PageWords | None = None) -> str:
    """Render the pack. The same evidence gives the same file, but for the time it was made.

    An article's text stands in its ``<pre>`` as it is, so that the checksum can be computed from the file.
    """
    answer, words = pack.answer, words or page_words()
    articles = [_article(number, a, answer.cited, words) for number, a in enumerate(pack.articles, 1)]
    by_id = {cited.article.id: cited for cited in articles}
    return render(
        "evidence.html",
        pack=pack,
        answer=answer,
        words=words,
        answer_words=words_for(answer.question),
        policy=POLICY,
        # our own stylesheets, which hold no word of an article
        style=Markup("".join((ASSETS / name).read_text("utf-8") for name in ("palette.css", "evidence.css"))),
        only=_only(answer, words),
        articles=articles,
        sources=[_source(citation, by_id[citation.article_id]) for citation in answer.cited],
        made=(made or datetime.now(UTC)).astimezone(UTC),
        generation=f"{pack.generation:,}",
        confidence=f"{answer.confidence:.2f}",
    )


def _only(answer: Answer, words: PageWords) -> list[str]:
    """Return which articles were looked at."""
    filters, said = answer.query.filters, words.evidence
    return [
        *([said.after.format(day=filters.after)] if filters.after else []),
        *([said.before.format(day=filters.before)] if filters.before else []),
        *(fill(said.source, source=isolate(source)) for source in filters.sources),
    ]


def _article(number: int, article: Article, cited: Sequence[Citation], words: PageWords) -> CitedArticle:
    quotes = [(c.start, c.end) for c in cited if c.article_id == article.id and c.kind == "text"]
    title, url = title_of(article.title, words), web_url(article.url)
    return CitedArticle(article, number, title, url, _pieces(article.text, quotes, "quote"))


def _source(citation: Citation, cited: CitedArticle) -> Source:
    text, start, end = cited.article.text, citation.start, citation.end
    low, high = context(text, (start, end))
    answer = []
    if citation.answer_start is not None and citation.answer_end is not None:
        answer.append((citation.answer_start - start, citation.answer_end - start))
    pieces = _pieces(citation.quote, answer, "answer")
    return Source(citation, cited, text[low:start], pieces, text[end:high], f"{start:,}", f"{end:,}")


def _pieces(text: str, spans: Sequence[tuple[int, int]], kind: str) -> list[Piece]:
    """Cut a text where a span of this kind begins or ends; no character of it is lost."""
    edges = sorted({0, len(text), *(edge for span in spans for edge in span)})
    return [
        Piece(
            verbatim(text[low:high]),
            kind if any(start <= low and high <= end for start, end in spans) else "",
        )
        for low, high in pairwise(edges)
    ]
