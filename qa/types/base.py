"""What the types share: frozen models, well-formed text, days."""

from __future__ import annotations

import calendar
import re
from datetime import date, datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict

from qa.text.characters import without_surrogates


def _well_formed(value: Any) -> Any:
    """Replace lone surrogates, which no file or database can store, by U+FFFD (one for one)."""
    return without_surrogates(value) if isinstance(value, str) else value


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
PeriodStart = Annotated[date | None, BeforeValidator(_period_start)]
PeriodEnd = Annotated[date | None, BeforeValidator(_period_end)]


class Frozen(BaseModel):
    """Base of every value type: immutable, and a wrong field name is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")
