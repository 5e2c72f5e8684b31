"""A turn of the conversation: what a browser sends, and what it gets back."""

from __future__ import annotations

import contextlib
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from qa.archive import Archive
from qa.errors import ArticleNotFound
from qa.types import Answer, Article, Filters, Text, Turn
from qa.web.pages.answer import answer_html, plain_text
from qa.web.pages.links import Asked
from qa.words import PageWords


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


def answer_to(archive: Archive, asking: Asking) -> Answer:
    """Answer a question of a conversation.

    Raises:
        FilterError: A date is not one, or the period is empty.
        QuestionError: The question is empty.
    """
    filters = Filters.parse(asking.after, asking.before, asking.sources)
    return archive.ask(asking.question, asking.history, filters, narrow=not asking.plain)


def turn_json(
    archive: Archive, answer: Answer, asking: Asking, words: PageWords, *, feedback: bool = False
) -> dict[str, Any]:
    """Return what the page needs of an answer: its HTML, and words for history, clipboard and address."""
    filters = answer.query.filters
    plain = asking.plain or answer.given_up is not None
    asked = Asked(question=answer.query.text, filters=filters, plain=plain)
    dated = bool(filters.after or filters.before)
    return {
        "html": answer_html(
            answer,
            asked,
            _articles(archive, answer),
            words,
            turn=asking.turn,
            left_out=archive.coverage(Filters(sources=filters.sources)).undated if dated else 0,
            timeline=archive.timeline(answer.query),
            feedback=feedback,
        ),
        "question": answer.query.question,
        "text": answer.text,
        "understood": answer.query.text,
        "filters": filters.model_dump(mode="json"),
        "plain": plain,
        "copy": plain_text(answer, words),
        "url": asked.url,
        "cited": list(dict.fromkeys(c.article_id for c in answer.citations)),
    }


def _articles(archive: Archive, answer: Answer) -> dict[str, Article]:
    """Return the articles of the citations and of the passages found, less any removed in the meantime."""
    articles = {}
    cited, found = (c.article_id for c in answer.cited), (hit.article_id for hit in answer.hits)
    for article_id in dict.fromkeys([*cited, *found]):
        with contextlib.suppress(ArticleNotFound):
            articles[article_id] = archive.get(article_id)
    return articles
