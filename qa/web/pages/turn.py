"""A turn of the conversation: what a browser sends, how its dates and sources become filters, what it gets back."""

from __future__ import annotations

import contextlib
import re
from datetime import date
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from qa.archive import Archive
from qa.errors import ArticleNotFound
from qa.query import scope as mentions
from qa.query.intent import asked_term
from qa.query.understanding import leans_on_history, points_back
from qa.text.tokens import terms
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


def reply_to(archive: Archive, asking: Asking, today: date | None = None) -> Reply:
    """Answer a question of a conversation; its dates and sources narrow it as long as that leaves an answer.

    A date said of publication ("articles published in May 2023") is kept even where nothing answers.

    Raises:
        FilterError: A date is not one, or the period is empty.
        QuestionError: The question is empty.
    """
    asked = Asked.read(asking.question, asking.after, asking.before, asking.sources, plain=asking.plain)
    # A question that stands alone is asked alone: what was said before would only find more of the same.
    history = asking.history[-MOST_TURNS:] if leans_on_history(asked.question) else ()
    given, question = asked.filters, asked.question
    named = Named()
    if not asked.plain:
        named = filters_named(question, archive.sources(), today or date.today())
    wanted = given.model_copy(update={"sources": given.sources or named.filters.sources})
    if not (given.after or given.before):
        wanted = named.filters.model_copy(update={"sources": wanted.sources})
        question = named.rest or question
    answer = archive.ask(question, history, wanted)
    if history and not answer.abstained and _changes_subject(archive, answer):
        history = ()
        answer = archive.ask(question, history, wanted)
    if answer.abstained and wanted != given and not named.hard:
        wider = archive.ask(asked.question, history, given)
        if not wider.abstained:
            return Reply(wider, wanted, True)
    if question != asked.question:
        answer = answer.model_copy(update={"question": asked.question})
    return Reply(answer, wanted, False)


def _changes_subject(archive: Archive, answer: Answer) -> bool:
    """Whether what was said before is all that the articles quoted have to do with a question.

    A short question without names may follow another one ("How many guests?") or not ("What is the boiling
    point of tungsten?").
    """
    question = answer.query.question
    own = set(terms(question))
    if points_back(question) or len(own) < 2:
        return False
    articles = _articles(archive, answer)
    cited = {
        article_id: articles[article_id] for c in answer.citations if (article_id := c.article_id) in articles
    }
    return not any(own & set(terms(f"{article.title} {article.text}")) for article in cited.values())


class Named(NamedTuple):
    """The filters that a question names."""

    filters: Filters = Filters()
    hard: bool = False
    """Whether its time is said of publication."""
    rest: str = ""
    """The question without its time, where that still asks something: the filter stands for it."""


def filters_named(question: str, sources: list[str], today: date) -> Named:
    """Return the filters a question names.

    Only what leaves no doubt: one period with a year, one source. A question that compares several
    articles, or names several times, has none.
    """
    found = mentions.find(question, sources, today)
    if found.parts or len(found.periods) > 1:
        return Named()
    period = next((period for period in found.periods if not period.any_year), None)
    if period is None:
        return Named(Filters(sources=found.sources))
    start, end = period.span
    rest = re.sub(r"\s+(?=[?.!,;？。！，；]|$)", "", f"{question[:start].rstrip()} {question[end:].lstrip()}")
    rest = rest.lstrip(" ,;，；")
    stands = not period.hard and len(terms(rest)) > 1
    return Named(
        Filters(after=period.start, before=period.end, sources=found.sources),
        period.hard,
        rest[:1].upper() + rest[1:] if stands else "",
    )


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
