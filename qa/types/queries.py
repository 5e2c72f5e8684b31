"""What is asked: the conversation so far, and a question as it is searched and read."""

from __future__ import annotations

import calendar
from datetime import date
from enum import Enum
from typing import Literal, NamedTuple, Self

from pydantic import Field, TypeAdapter, ValidationError

from qa.errors import InputError
from qa.types.articles import Filters
from qa.types.base import Frozen, Text


class Turn(Frozen):
    """One earlier message of a conversation."""

    role: Literal["user", "assistant"]
    content: Text

    @classmethod
    def parse(cls, turns: object) -> list[Self]:
        """Read a conversation as JSON has it: ``[{"role": "user", "content": "…"}, …]``.

        Raises:
            InputError: It is none.
        """
        try:
            return TypeAdapter(list[cls]).validate_python(turns)  # type: ignore[valid-type]
        except ValidationError:
            raise InputError(
                'A conversation is a list of turns: [{"role": "user" or "assistant", "content": "…"}, …].'
            ) from None


class AnswerKind(Enum):
    """What the answer to a question is: a person, a day, a number, a list, or anything else."""

    PERSON = "person"
    DATE = "date"
    NUMBER = "number"
    LIST = "list"
    OTHER = "other"


class Intent(NamedTuple):
    """What a question asks for."""

    kind: AnswerKind = AnswerKind.OTHER
    term: str | None = None
    """The term whose mentions are asked for: "list every article that mentions X"."""
    field: str | None = None
    """The field of an article that is asked for: ``published``, ``author``, ``source`` or ``section``."""


class Period(NamedTuple):
    """A time that a question names; its ends are inclusive, ``None`` where it is open."""

    start: date | None
    end: date | None
    how: Literal["on", "in", "after", "before", "between"]
    hard: bool
    """Whether it is said of publication ("published in May 2023"); else it may be about the content."""
    any_year: bool
    """Whether no year was given ("on October 28"): the ends then stand in the latest such year."""
    span: tuple[int, int]
    """Where it stands in the question, its preposition included."""

    def holds(self, day: date) -> bool:
        """Whether a day lies within."""
        start, end = self.start, self.end
        if self.any_year:
            start, end = (edge and in_year(edge, day.year) for edge in (start, end))
            if start and end and start > end:
                return day >= start or day <= end
        return (start is None or start <= day) and (end is None or day <= end)


def in_year(day: date, year: int) -> date:
    """Move a day to another year; 29 February becomes the 28th where there is none."""
    return day.replace(year=year, day=min(day.day, calendar.monthrange(year, day.month)[1]))


class Clause(NamedTuple):
    """A stretch of a question that one article may answer, and what it says about that article."""

    text: str
    sources: tuple[str, ...]
    periods: tuple[Period, ...]


class Scope(NamedTuple):
    """What a question says about the articles it means."""

    sources: tuple[str, ...] = ()
    """Names as the archive spells them; all of them where a name fits several ("The Independent")."""
    periods: tuple[Period, ...] = ()
    clauses: tuple[Clause, ...] = ()
    """Two or more where the question speaks of several articles; else none."""


class Query(Frozen):
    """A question as it is searched and read; :func:`qa.query.understanding.understand` makes one.

    ``question`` is what was asked, cleaned. ``text`` stands alone: it says what a follow-up leaves to the
    conversation. ``context`` holds other texts that are searched too, with their weights; the question itself
    weighs 1. Passages are read for an answer to ``reading``, where that is not the question itself: standing
    alone, or in the archive's own words, where a glossary has them. "Yesterday" and "last month" count from
    ``today``.
    """

    question: Text
    text: Text
    filters: Filters = Filters()
    context: tuple[tuple[Text, float], ...] = ()
    reading: Text | None = None
    today: date = Field(default_factory=date.today)
    intent: Intent = Field(default=Intent(), exclude=True)
    """What it asks for."""
    scope: Scope = Field(default=Scope(), exclude=True)
    """Which articles it means."""
    parts: tuple[Query, ...] = Field(default=(), exclude=True)
    """The questions in it, where it asks several things; else none."""
    notices: tuple[str, ...] = Field(default=(), exclude=True)
    """What was done to the question: that it was cut, or cleaned."""

    @property
    def reading_text(self) -> str:
        """The words in which passages are read for an answer."""
        return self.reading or self.question

    @property
    def stands_alone(self) -> bool:
        """Whether the question names its subject, instead of pointing back to the conversation."""
        return self.text == self.question

    @property
    def searched(self) -> tuple[tuple[str, float], ...]:
        """Each text to search for, with its weight."""
        return ((self.question, 1.0), *self.context)
