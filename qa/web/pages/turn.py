"""A turn of the conversation: what a browser sends, how its dates and sources become filters, what it gets back."""

from __future__ import annotations

import contextlib
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from qa.archive import Archive
from qa.errors import ArticleNotFound
from qa.query.intent import asked_term
from qa.types import Answer, Article, Filters, Text, Turn
from qa.web.pages.answer import answer_html
from qa.web.pages.links import Asked
from qa.web.pages.occurrences import every_html
from qa.web.pages.plain import plain_text
from qa.web.texts import Texts

MOST_TURNS = 24
"""Earlier messages that are looked at."""


class Asking(BaseModel):
    """What the page sends to have a question answered."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    question: Text
    history: Annotated[tuple[Turn, ...], Field(max_length=400)] = ()
    after: str = ""
    before: str = ""
    sources: Annotated[tuple[str, ...], Field(max_length=100)] = ()
    plain: bool = False
    """Whether the filters are settled: dates and sources named in the question are not made filters."""
    turn: Annotated[int, Field(ge=1)] = 1


class Reply(NamedTuple):
    """An answer, and what was done to get it."""

    answer: Answer
    read: Filters
    """Filters that the question's own words asked for."""
    dropped: bool
    """Whether they were given up, for nothing within them answers."""


def reply_to(archive: Archive, asking: Asking) -> Reply:
    """Answer a question of a conversation.

    Raises:
        FilterError: A date is not one, or the period is empty.
        QuestionError: The question is empty.
    """
    filters = Filters.parse(asking.after, asking.before, asking.sources)
    answer = archive.ask(asking.question, asking.history, filters, narrow=not asking.plain)
    return Reply(answer, answer.given_up or answer.query.filters, answer.given_up is not None)


def turn_json(
    archive: Archive, reply: Reply, asking: Asking, texts: Texts, *, feedback: bool = False
) -> dict[str, Any]:
    """Return what the page needs of an answer: its HTML, and words for history, clipboard and address."""
    answer = reply.answer
    filters = answer.query.filters
    asked = Asked(question=answer.query.text, filters=filters, plain=asking.plain or reply.dropped)
    dated = bool(filters.after or filters.before)
    articles = _articles(archive, answer)
    return {
        "html": answer_html(
            answer,
            asked,
            articles,
            texts,
            turn=asking.turn,
            left_out=archive.coverage(Filters(sources=filters.sources)).undated if dated else 0,
            timeline=archive.timeline(answer.query),
            note=_note(reply, texts),
            every=_every(answer, texts),
            feedback=feedback,
        ),
        "question": answer.query.question,
        "text": answer.text,
        "understood": answer.query.text,
        "filters": filters.model_dump(mode="json"),
        "plain": asked.plain,
        "copy": plain_text(answer, texts),
        "url": asked.url,
        "cited": list(dict.fromkeys(c.article_id for c in answer.citations)),
    }


def _note(reply: Reply, texts: Texts) -> str:
    if not reply.dropped:
        return ""
    read, kept = reply.read, reply.answer.query.filters
    if (read.after, read.before) != (kept.after, kept.before):
        return texts.not_within.format(period=texts.period(read.after, read.before))
    return texts.not_from.format(sources=", ".join(read.sources))


def _every(answer: Answer, texts: Texts) -> str:
    """The way to every mention of a term, where the answer counts them."""
    term = asked_term(answer.query.question)
    return every_html(Asked(question=term, filters=answer.query.filters), texts) if term else ""


def _articles(archive: Archive, answer: Answer) -> dict[str, Article]:
    """The articles of the citations and of the passages found, less any removed in the meantime."""
    cited = [*answer.citations, *([answer.closest] if answer.closest else [])]
    found = [citation.article_id for citation in cited] + [hit.article_id for hit in answer.hits]
    articles = {}
    for article_id in dict.fromkeys(found):
        with contextlib.suppress(ArticleNotFound):
            articles[article_id] = archive.get(article_id)
    return articles
