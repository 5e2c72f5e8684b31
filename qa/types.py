"""The types that flow through the system: frozen, checked, with derived values as properties.

Offsets count Python code points and are half-open: ``text[start:end]``.
"""

from __future__ import annotations

import calendar
import hashlib
import re
from datetime import date, datetime
from functools import cached_property
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

_SURROGATE = re.compile(r"[\ud800-\udfff]")


def _well_formed(value: Any) -> Any:
    """Replace lone surrogates, which no file or database can store, by U+FFFD (one for one)."""
    return _SURROGATE.sub("\ufffd", value) if isinstance(value, str) else value


def _blank_is_none(value: Any) -> Any:
    value = _well_formed(value)
    return (value.strip() or None) if isinstance(value, str) else value


def _day(value: Any) -> Any:
    """Accept a date, a datetime or ISO text with or without a time of day."""
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, str):
        value = value.strip()
        return value[:10] if re.match(r"\d{4}-\d\d-\d\d[T ]", value) else (value or None)
    return value


def _period_start(value: Any) -> Any:
    """``2023`` and ``2023-09`` mean the first day of that period."""
    if isinstance(value, str) and (match := re.fullmatch(r"(\d{4})(?:-(\d\d))?", value.strip())):
        return f"{match[1]}-{match[2] or '01'}-01"
    return _day(value)


def _period_end(value: Any) -> Any:
    """``2023`` and ``2023-09`` mean the last day of that period."""
    if isinstance(value, str) and (match := re.fullmatch(r"(\d{4})(?:-(\d\d))?", value.strip())):
        year, month = int(match[1]), int(match[2] or 12)
        if year >= 1 and 1 <= month <= 12:
            return date(year, month, calendar.monthrange(year, month)[1])
    return _day(value)


Text = Annotated[str, BeforeValidator(_well_formed)]
OptionalText = Annotated[str | None, BeforeValidator(_blank_is_none)]
Day = Annotated[date | None, BeforeValidator(_day)]


class Frozen(BaseModel):
    """Base of every value type: immutable, and a wrong field name is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Article(Frozen):
    """One article as its reader understood it. ``text`` is what quotes are cut from.

    ``id`` is opaque: it may hold slashes, spaces or any script. ``published`` is ``None`` when the
    source does not say; a date is never guessed.
    """

    id: Annotated[Text, Field(min_length=1)]
    title: Text = ""
    text: Text
    url: OptionalText = None
    published: Day = None
    source: OptionalText = None
    author: OptionalText = None
    section: OptionalText = None
    lang: OptionalText = None
    extra: dict[str, Any] = {}

    @cached_property
    def text_sha256(self) -> str:
        """SHA-256 of the UTF-8 text, in hex: names the exact revision a citation was cut from."""
        return hashlib.sha256(self.text.encode()).hexdigest()


class Passage(Frozen):
    """A slice of an article: ``article.text[start:end] == passage.text``."""

    id: int
    article_id: str
    start: Annotated[int, Field(ge=0)]
    end: Annotated[int, Field(ge=0)]
    text: str

    @model_validator(mode="after")
    def _spans_its_text(self) -> Self:
        if self.end - self.start != len(self.text):
            raise ValueError(f"passage {self.id}: [{self.start}:{self.end}] does not span its text")
        return self


class Filters(Frozen):
    """What an article must satisfy to be searched at all.

    ``after`` and ``before`` are inclusive days; ``"2023"`` and ``"2023-09"`` stand for the first
    (``after``) or last (``before``) day of that period. An article without a date matches no date
    filter. ``sources`` matches the source's name without regard to case.
    """

    after: Annotated[date | None, BeforeValidator(_period_start)] = None
    before: Annotated[date | None, BeforeValidator(_period_end)] = None
    sources: tuple[str, ...] = ()

    @property
    def active(self) -> bool:
        """Whether anything is filtered."""
        return bool(self.after or self.before or self.sources)

    @model_validator(mode="after")
    def _is_a_period(self) -> Self:
        if self.after and self.before and self.after > self.before:
            raise ValueError(f"the period is empty: after {self.after} and before {self.before}")
        return self


class Turn(Frozen):
    """One earlier message of a conversation."""

    role: Literal["user", "assistant"]
    content: Text


class Query(Frozen):
    """A question as it is searched and read.

    ``question`` is what was asked, cleaned. ``text`` stands alone: it says what a follow-up leaves to the
    conversation. ``context`` holds texts of the conversation that are searched too, with their weights;
    the question itself weighs 1. Passages are read for an answer to ``reading``, where that is not the question
    itself: standing alone, or in the archive's own words, where a glossary has them.
    "Yesterday" and "last month" count from ``today``.
    """

    question: Text
    text: Text
    filters: Filters = Filters()
    context: tuple[tuple[Text, float], ...] = ()
    reading: Text | None = None
    today: date = Field(default_factory=date.today)

    @property
    def read(self) -> str:
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


class Copy(Frozen):
    """Another article that tells the same story, in the same words or nearly the same."""

    article_id: str
    title: str = ""
    source: str | None = None
    published: date | None = None
    url: str | None = None


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


class Coverage(Frozen):
    """What an archive, or the part of it a filter leaves, covers."""

    articles: int
    undated: int = 0
    first: date | None = None
    last: date | None = None


class Answer(Frozen):
    """An answer made of quotes, or an abstention.

    ``text`` refers to ``citations`` as ``[1]``, ``[2]``. ``confidence`` is in 0..1. When
    ``abstained``, ``citations`` is empty, ``reason`` says why in one line and ``closest`` offers the
    nearest passage there is. ``differ`` says that the articles cited contradict each other; the newest then
    comes first. ``unanswered`` lists the parts of a question that asks several things which
    the archive does not answer. ``notices`` tell what was done to the question (cut, cleaned).
    """

    question: str
    text: str
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
    notices: tuple[str, ...] = ()

    @property
    def lead(self) -> str:
        """What ``text`` says before its first quote: that articles differ, how many mention a term."""
        first = f"“{self.citations[0].quote}” [1]" if self.citations else ""
        before, quoted, _ = self.text.partition(first or "\0")
        return before.strip() if quoted else ""


class Skipped(NamedTuple):
    """An input that could not be read: where it was and why."""

    where: str
    why: str


class IngestReport(Frozen):
    """What :meth:`qa.Archive.add` did.

    Each article read counts once: it was added, updated, or left alone as unchanged, or it is new but a
    duplicate: its text was there already under another id. Both ids then name it, and the text is stored once.
    What could not be read is skipped, with its reason. ``removed`` names the articles that are not where they
    were read any more.
    """

    added: int = 0
    updated: int = 0
    unchanged: int = 0
    duplicates: int = 0
    removed: list[str] = []
    skipped: list[Skipped] = []


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


class Progress(Frozen):
    """How far :meth:`qa.Archive.add` has come.

    Reading, encoding and writing run side by side while the ``stage`` is ``"reading"``; then the search
    indexes are built (``"publishing"``).
    """

    stage: Literal["reading", "publishing"] = "reading"
    read: int = 0
    """What was read so far: articles, and inputs that are skipped."""
    skipped: int = 0
    unchanged: int = 0
    """Articles that are there already as they are."""
    stored: int = 0
    """Articles stored: they are kept whatever happens."""
    passages: int = 0
    """Passages of the articles stored."""
    seconds: float = 0.0
    """Since the beginning."""
    fraction: float | None = None
    """Share of the input that is done with, 0 to 1; ``None`` where nobody knows how much there is."""

    @property
    def rate(self) -> float:
        """Passages stored per second."""
        return self.passages / self.seconds if self.seconds else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Seconds the rest of the input will take at the same speed, where its size is known."""
        return self.seconds * (1 - self.fraction) / self.fraction if self.fraction else None


def header(article: Article) -> str:
    """Return the line that is embedded and searched with each of the article's passages."""
    day = f"{article.published:%d %B %Y}".lstrip("0") if article.published else None
    return " | ".join(part for part in (article.title.strip(), article.source, day) if part)


def embedded_text(article_header: str, passage: str) -> str:
    """Return what is embedded for a passage."""
    return f"{article_header}\n{passage}" if article_header else passage
