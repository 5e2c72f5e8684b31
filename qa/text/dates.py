"""A stated date → the day. A date without year, month or day is not accepted."""

from __future__ import annotations

import re
from datetime import date, datetime

from dateutil import parser

_CHINESE = re.compile(r"(\d{4})\s*年\s*(\d{1,2})\s*月\s*(\d{1,2})\s*日")
_DAY_OR_MONTH_FIRST = re.compile(r"\s*\d{1,2}[-/.]\d{1,2}[-/.]\d")
_NUMBER = re.compile(r"\s*\d+(?:\.\d+)?\s*")
"""A number may be a count of seconds; it states a day only if it has eight digits."""
LONGEST = 100
"""Characters that are looked at."""


def parse_day(text: str) -> date | None:
    """Return the day a text states, or ``None`` where year, month or day is missing or unclear."""
    text = _CHINESE.sub(r"\1-\2-\3 ", text.strip()[:LONGEST])
    if _NUMBER.fullmatch(text) and len(text.strip()) != 8:
        return None
    orders = (False, True) if _DAY_OR_MONTH_FIRST.match(text) else (False,)
    days = set()
    # dateutil takes what the text leaves out from the default: then two defaults give two days.
    for default in (datetime(1904, 1, 1), datetime(2011, 12, 28)):
        for day_first in orders:
            try:
                # The time zone never changes the day, and dateutil warns of one that it does not know.
                days.add(parser.parse(text, default=default, dayfirst=day_first, ignoretz=True).date())
            except (ValueError, OverflowError):
                return None
    return days.pop() if len(days) == 1 else None
