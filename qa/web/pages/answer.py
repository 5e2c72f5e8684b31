"""An answer as a turn of the conversation, and as plain text: what was asked, the quotes, the sources."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import NamedTuple

from qa.retrieval.timeline import Timeline
from qa.types import Answer, Article, Citation
from qa.web.pages.cards import quote_pieces, sources_of, title_of
from qa.web.pages.html import Piece, render
from qa.web.pages.links import Asked, Place, article_url, web_url
from qa.web.pages.occurrences import MentionsView
from qa.web.pages.timeline import chart_of
from qa.words import PageWords, words_for

_LONGEST = 80
"""Characters shown of what a question follows."""


class Chip(NamedTuple):
    """A part of what a question was taken to mean: ``subject``, ``dates`` or ``source``."""

    kind: str
    label: str
    value: str = ""
    note: str = ""


class Link(NamedTuple):
    """A way to another page."""

    url: str
    label: str


class Statement(NamedTuple):
    """A quote in the answer's text, with the link of its number."""

    n: int
    pieces: list[Piece]
    lang: str | None
    published: date | None
    url: str
    label: str


def answer_html(
    answer: Answer,
    asked: Asked,
    articles: Mapping[str, Article],
    words: PageWords,
    *,
    turn: int = 1,
    left_out: int = 0,
    timeline: Timeline | None = None,
    feedback: bool = False,
) -> str:
    """Render a turn of the conversation.

    Args:
        answer: What the archive said.
        asked: The question that stands alone, for the way back from an article.
        articles: By id, those that the citations and ``answer.hits`` come from.
        words: The page's words.
        turn: Which turn it is, so that its ids are its own.
        left_out: Undated articles that the period excludes.
        timeline: When the articles near the question were published.
        feedback: Whether people may say what is right.
    """
    said, filters = words_for(answer.question), answer.query.filters
    given_up = given_up_note(answer, words)
    return render(
        "turn.html",
        answer=answer,
        query=answer.query,
        words=words,
        answer_words=said,
        turn=turn,
        chips=chips_of(answer, left_out, words),
        notices=[*([given_up] if given_up else []), *filter(None, answer.notices)],
        covers=said.coverage(answer.coverage, filtered=filters.active),
        statements=[_statement(c, asked, articles.get(c.article_id), words) for c in answer.citations],
        every=_every(answer, words),
        unanswered=[said.silent_on.format(question=question) for question in answer.unanswered],
        sources=sources_of(answer, asked, articles, words),
        chart=chart_of(timeline, filters, words) if timeline else None,
        feedback=feedback,
    )


def chips_of(answer: Answer, left_out: int, words: PageWords) -> list[Chip]:
    """Return what a question was taken to mean; ``left_out`` counts the undated articles its period excludes."""
    filters, chips = answer.query.filters, []
    if subject := answer.query.text.removesuffix(answer.query.question).strip():
        short = subject if len(subject) <= _LONGEST else subject[:_LONGEST].rstrip() + "…"
        chips.append(Chip("subject", words.follow_up.format(subject=short)))
    if filters.after or filters.before:
        note = words.counted("left_out", left_out) if left_out else ""
        chips.append(Chip("dates", words.period(filters.after, filters.before), note=note))
    return [*chips, *(Chip("source", name, name) for name in filters.sources)]


def given_up_note(answer: Answer, words: PageWords) -> str:
    """Say which of the filters that the question names were given up; nothing where none was."""
    given_up, kept = answer.given_up, answer.query.filters
    if given_up is None:
        return ""
    if (given_up.after, given_up.before) != (kept.after, kept.before):
        return words.not_within.format(period=words.period(given_up.after, given_up.before))
    return words.not_from.format(sources=", ".join(given_up.sources))


def plain_text(answer: Answer, words: PageWords) -> str:
    """Write the question, the answer and one line for each citation, to be pasted anywhere."""
    lines = [_line(answer.query.text), "", answer.text]
    if answer.citations:
        lines += ["", *(_source_line(citation, words) for citation in answer.citations)]
    return "\n".join(lines) + "\n"


def _statement(citation: Citation, asked: Asked, article: Article | None, words: PageWords) -> Statement:
    return Statement(
        citation.n,
        quote_pieces(citation),
        article.lang if article else None,
        citation.published,
        article_url(citation.article_id, Place.of(citation), asked),
        words.source_n.format(n=citation.n, title=title_of(citation.title, words)),
    )


def _every(answer: Answer, words: PageWords) -> Link | None:
    """Return the way to every mention of the term that the answer counts."""
    term = answer.query.intent.term
    if answer.kind != "count" or not term:
        return None
    asked = Asked(question=term, filters=answer.query.filters)
    return Link(MentionsView(asked=asked).url(), words.every_of.format(term=asked.question))


def _source_line(citation: Citation, words: PageWords) -> str:
    day = words.day(citation.published) if citation.published else words.undated
    place = f"{citation.article_id}, {citation.start}–{citation.end}"
    title = title_of(citation.title, words)
    parts = [title, citation.author, citation.source, day, web_url(citation.url), place]
    return f"[{citation.n}] " + ". ".join(_line(part) for part in parts if part)


def _line(text: str) -> str:
    return " ".join(text.split())
