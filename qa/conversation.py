"""A question in its conversation: what it follows, which filters it names, and what is asked again without them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from qa.answering.answerer import Answerer
from qa.query.understanding import leans_on_history, points_back
from qa.storage.view import View
from qa.text.tokens import terms
from qa.types import Answer, Filters, Query, Turn

Understand = Callable[[str, Sequence[Turn], Filters], Query]
"""Makes a query of a question, the conversation before it, and the filters given."""
MOST_TURNS = 24
"""Earlier messages that are looked at."""


class NamedFilters(NamedTuple):
    """The filters that a question's own words ask for."""

    filters: Filters = Filters()
    hard: bool = False
    """Whether its time is that of publication ("articles published in May 2023")."""
    rest: str = ""
    """The question without its time, where that still asks something: the filter stands for it."""


class Conversation:
    """Answers the questions of a conversation from one state of an archive."""

    def __init__(self, view: View, answerer: Answerer, understand: Understand) -> None:
        self._view = view
        self._answerer = answerer
        self._understand = understand

    def answer(self, question: str, history: Sequence[Turn], filters: Filters, *, narrow: bool) -> Answer:
        """Answer a question.

        Only a question that leans on the conversation is asked with it; one that turns out to have nothing to do
        with it is asked again alone. With ``narrow``, the date and the sources that it names narrow the articles,
        unless all articles together answer better; a time of publication that it names is always kept.

        Raises:
            QuestionError: The question is empty.
        """
        history = history[-MOST_TURNS:]
        asked = self._understand(question, history, filters)
        if not leans_on_history(asked.question):
            history, asked = (), self._understand(question, (), filters) if history else asked
        named = named_filters(asked) if narrow else NamedFilters()
        narrowed = _narrowed(filters, named.filters)
        query = asked
        if narrowed != filters:
            rest = named.rest if not (filters.after or filters.before) else ""
            query = self._understand(rest or question, history, narrowed)
        answer = self._answerer.answer(query)
        if history and not answer.abstained and self._changes_subject(answer):
            asked = self._understand(question, (), filters)
            answer = self._answerer.answer(self._understand(query.question, (), narrowed))
        if narrowed != filters and not named.hard:
            wider = self._answerer.answer(asked)
            if _is_better(wider, answer):
                return wider.model_copy(update={"given_up": narrowed})
        return answer.model_copy(update={"question": asked.question, "notices": asked.notices})

    def _changes_subject(self, answer: Answer) -> bool:
        """Whether what was said before is all that the articles quoted have to do with a question.

        A short question without names may follow another one ("How many guests?") or not ("What is the boiling
        point of tungsten?").
        """
        own = set(terms(answer.query.question))
        if points_back(answer.query.question) or len(own) < 2:
            return False
        ids = dict.fromkeys(citation.article_id for citation in answer.citations)
        articles = filter(None, map(self._view.article, ids))
        return not any(own & set(terms(f"{article.title} {article.text}")) for article in articles)


def named_filters(query: Query) -> NamedFilters:
    """Return the filters that a question names.

    Only what leaves no doubt: one period with a year, one source. A question that compares several
    articles, or names several times, has none.
    """
    scope, question = query.scope, query.question
    if scope.clauses or len(scope.periods) > 1:
        return NamedFilters()
    period = next((period for period in scope.periods if not period.any_year), None)
    if period is None:
        return NamedFilters(Filters(sources=scope.sources))
    start, end = period.span
    rest = re.sub(r"\s+(?=[?.!,;？。！，；]|$)", "", f"{question[:start].rstrip()} {question[end:].lstrip()}")
    rest = rest.lstrip(" ,;，；")
    stands = not period.hard and len(terms(rest)) > 1
    return NamedFilters(
        Filters(after=period.start, before=period.end, sources=scope.sources),
        period.hard,
        rest[:1].upper() + rest[1:] if stands else "",
    )


def _is_better(wider: Answer, narrow: Answer) -> bool:
    """Whether all articles answer, and surer from another article than those that the question's words leave."""
    if wider.abstained or narrow.abstained:
        return not wider.abstained
    ids = {citation.article_id for citation in narrow.citations}
    return wider.confidence > narrow.confidence and any(c.article_id not in ids for c in wider.citations)


def _narrowed(given: Filters, named: Filters) -> Filters:
    """Return the filters given, and for what they leave open those that the question names."""
    sources = given.sources or named.sources
    dated = given if given.after or given.before else named
    return dated.model_copy(update={"sources": sources})
