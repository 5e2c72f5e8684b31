"""What an archive holds: articles, their passages, and what of them is looked at."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import date
from functools import cached_property
from typing import Annotated, Any, Self

from pydantic import BaseModel, Field, ValidationError, model_validator

from qa.errors import FilterError
from qa.types.base import Day, Frozen, OptionalText, PeriodEnd, PeriodStart, Text

_ORIGIN = ("title", "source", "author", "published", "section", "url", "lang", "text_sha256")


class Article(Frozen):
    """One article as its loader understood it. ``text`` is what quotes are cut from.

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

    def origin(self, kind: type[BaseModel]) -> dict[str, Any]:
        """Return what a type of things cut from articles records of the article: its id, title, source and so on."""
        recorded = {name: getattr(self, name) for name in _ORIGIN if name in kind.model_fields}
        return {"article_id": self.id, **recorded}


def header(article: Article) -> str:
    """Return the line that is embedded and searched with each of the article's passages."""
    day = f"{article.published:%d %B %Y}".lstrip("0") if article.published else None
    return " | ".join(part for part in (article.title.strip(), article.source, day) if part)


def embedded_text(article_header: str, passage: str) -> str:
    """Return what is embedded for a passage."""
    return f"{article_header}\n{passage}" if article_header else passage


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

    after: PeriodStart = None
    before: PeriodEnd = None
    sources: tuple[str, ...] = ()

    @classmethod
    def parse(cls, after: str | None, before: str | None, sources: Iterable[str] | None) -> Self:
        """Read filters as a person types them; an empty date is none.

        Raises:
            FilterError: A date is not one, or the period is empty.
        """
        given = {"after": (after or "").strip() or None, "before": (before or "").strip() or None}
        try:
            return cls.model_validate({**given, "sources": tuple(sources or ())})
        except ValidationError as error:
            where = error.errors()[0]["loc"]
            if where and where[0] in given:
                name = str(where[0])
                raise FilterError(
                    f"“{given[name]}” under “{name}” is not a date. Write 2023, 2023-09 or 2023-09-11."
                ) from None
            raise FilterError(
                f"No day is both after {given['after']} and before {given['before']}. Swap or clear them."
            ) from None

    @property
    def active(self) -> bool:
        """Whether anything is filtered."""
        return bool(self.after or self.before or self.sources)

    @model_validator(mode="after")
    def _is_a_period(self) -> Self:
        if self.after and self.before and self.after > self.before:
            raise ValueError(f"the period is empty: after {self.after} and before {self.before}")
        return self


class Coverage(Frozen):
    """What an archive, or the part of it a filter leaves, covers."""

    articles: int
    undated: int = 0
    first: date | None = None
    last: date | None = None


class Copy(Frozen):
    """Another article that tells the same story, in the same words or nearly the same."""

    article_id: str
    title: str = ""
    source: str | None = None
    published: date | None = None
    url: str | None = None
