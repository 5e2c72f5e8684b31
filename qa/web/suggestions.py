"""Questions to ask first or next: made from the archive, and offered only when it answers them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from qa.answering import examples
from qa.archive import Archive
from qa.errors import ArticleNotFound
from qa.types import Article, Text

_TRIED = 3
"""Questions tried for each that is wanted."""
_PATIENCE = 3.0
"""Seconds after which the questions found so far will do."""
_ARTICLES = 5
"""Articles cited that questions are made of."""
_REMEMBERED = 10_000
"""Questions of which it is remembered whether the archive answers them."""


class NextRequest(BaseModel):
    """What the page sends to learn what can be asked next: the articles just cited, the questions so far."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cited: Annotated[tuple[Text, ...], Field(max_length=50)] = ()
    asked: Annotated[tuple[Text, ...], Field(max_length=400)] = ()


class Suggestions:
    """The questions an archive's page offers, remembered for as long as the archive does not change."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._answered: dict[str, bool] = {}
        self._first: list[str] = []
        self._generation = -1

    def first(self, n: int) -> list[str]:
        """Return up to ``n`` questions to begin with."""
        if self._generation != self._archive.generation or not self._first:
            self._first = self._answerable(self._archive.examples(_TRIED * n), n)
        return self._first

    def known(self) -> list[str]:
        """Return what :meth:`first` last found; nothing where it has not been asked yet."""
        return self._first

    def next(self, cited: Sequence[str], asked: Iterable[str], n: int) -> list[str]:
        """Return up to ``n`` questions about the articles just cited that have not been asked."""
        articles: list[Article] = []
        for article_id in cited[:_ARTICLES]:
            with contextlib.suppress(ArticleNotFound):
                articles.append(self._archive.get(article_id))
        known = {question.strip().casefold() for question in asked}
        made = examples.questions(articles, _TRIED * n)
        return self._answerable([question for question in made if question.casefold() not in known], n)

    def _answerable(self, questions: Iterable[str], n: int) -> list[str]:
        if self._generation != (generation := self._archive.generation):
            self._answered, self._generation = {}, generation
        found: list[str] = []
        until = time.monotonic() + _PATIENCE
        for question in questions:
            if len(found) == n or (found and time.monotonic() > until):
                break
            if self._answers(question):
                found.append(question)
        return found

    def _answers(self, question: str) -> bool:
        if question not in self._answered:
            if len(self._answered) >= _REMEMBERED:
                self._answered.clear()
            self._answered[question] = not self._archive.ask(question).abstained
        return self._answered[question]
