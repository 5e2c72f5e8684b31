"""What is answered: hits, citations, answers, every mention of a term."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from qa.types.articles import Copy, Coverage, Filters, Passage
from qa.types.base import Frozen
from qa.types.queries import Query


class Hit(Frozen):
    """A passage found for a query. ``rank`` starts at 1; ``score`` is of the kind named.

    ``also`` names the other articles that tell the same story, the earliest first.
    """

    passage: Passage
    score: float
    score_kind: str
    rank: Annotated[int, Field(ge=1)]
    also: tuple[Copy, ...] = ()

    @property
    def article_id(self) -> str:
        """The id of the article the passage is cut from."""
        return self.passage.article_id

    @property
    def text(self) -> str:
        """The passage's text."""
        return self.passage.text


class Citation(Frozen):
    """A verbatim quote and where it stands: ``article.text[start:end] == quote``.

    ``answer_start``/``answer_end`` mark the short answer in the article's text, inside the quote,
    where one was found. ``kind`` is ``"metadata"`` when the answer is a field of the article (its
    date, author or source, named in ``field``); the quote is then the article's opening words. ``also`` names
    the other articles that tell the same story, the earliest first.
    """

    n: Annotated[int, Field(ge=1)]
    article_id: str
    title: str
    source: str | None = None
    author: str | None = None
    published: date | None = None
    section: str | None = None
    url: str | None = None
    quote: str
    start: int
    end: int
    text_sha256: str
    answer_start: int | None = None
    answer_end: int | None = None
    kind: Literal["text", "metadata"] = "text"
    field: str | None = None
    also: tuple[Copy, ...] = ()

    @property
    def first_told(self) -> Copy | None:
        """The article that told the story before this one, where one is known to have done so."""
        first = self.also[0] if self.also else None
        earlier = first and first.published and (not self.published or first.published < self.published)
        return first if earlier else None

    @property
    def answer(self) -> str | None:
        """The short answer inside the quote, verbatim."""
        if self.answer_start is None or self.answer_end is None:
            return None
        return self.quote[self.answer_start - self.start : self.answer_end - self.start]

    @model_validator(mode="after")
    def _marks_lie_inside(self) -> Self:
        if self.end - self.start != len(self.quote):
            raise ValueError(f"citation {self.n}: [{self.start}:{self.end}] does not span its quote")
        if (self.answer_start is None) != (self.answer_end is None):
            raise ValueError(f"citation {self.n}: half an answer span")
        first, last = self.answer_start, self.answer_end
        if first is not None and last is not None and not self.start <= first < last <= self.end:
            raise ValueError(f"citation {self.n}: the answer span leaves the quote")
        return self


AnswerForm = Literal["quotes", "metadata", "count"]
"""What sort of answer it is: quotes, a field of an article's own data, or a count of mentions with examples."""


class Answer(Frozen):
    """An answer made of quotes, or an abstention. It is data; every view of it is rendered from these parts.

    What it is made of: ``lead`` is said before the quotes (that articles differ, how many mention a term, the
    value of a field), ``short`` is the short answer where one is marked, ``citations`` are the quotes and
    ``unanswered`` are the parts of a question that asks several things which the archive does not answer.
    ``text`` is all of it as plain text, and refers to ``citations`` as ``[1]``, ``[2]``.

    ``confidence`` is in 0..1. When ``abstained``, ``citations`` is empty, ``reason`` says why in one line and
    ``closest`` offers the nearest passage there is. ``differ`` says that the articles cited contradict each
    other; the newest then comes first. ``given_up`` holds the filters that the question's own words asked for,
    where all articles answer better than those within them. ``notices`` tell what was done to the question.
    """

    question: str
    kind: AnswerForm = "quotes"
    text: str
    short: str | None = None
    lead: str = ""
    citations: tuple[Citation, ...] = ()
    confidence: Annotated[float, Field(ge=0, le=1)]
    abstained: bool
    reason: str | None = None
    closest: Citation | None = None
    coverage: Coverage
    hits: tuple[Hit, ...] = ()
    query: Query
    differ: bool = False
    unanswered: tuple[str, ...] = ()
    given_up: Filters | None = None
    notices: tuple[str, ...] = ()

    @property
    def cited(self) -> tuple[Citation, ...]:
        """What it shows of articles: its citations, or the closest match of an abstention."""
        return self.citations or ((self.closest,) if self.closest else ())


class Occurrence(Frozen):
    """One place where a term stands: ``text[start:end] == quote`` in the article's text, or its title."""

    article_id: str
    title: str
    source: str | None = None
    published: date | None = None
    url: str | None = None
    text_sha256: str
    field: Literal["text", "title"] = "text"
    start: int
    end: int
    quote: str
    sentence: str
    """The sentence, or the title, that the term stands in; ``sentence_start`` is where that begins."""
    sentence_start: int


class Occurrences(Frozen):
    """Every place where a term stands in an archive, or the part of it a filter leaves."""

    term: str
    filters: Filters = Filters()
    articles: int
    """How many articles mention the term."""
    occurrences: tuple[Occurrence, ...] = ()
    coverage: Coverage
    """What was looked through."""

    def __len__(self) -> int:
        """Return how many places there are."""
        return len(self.occurrences)
