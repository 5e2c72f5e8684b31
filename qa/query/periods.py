"""The times a question names: "24 November 2023", "in September 2022", "between May and July 2021", "last month"."""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Literal, NamedTuple

from qa.types import Period
from qa.types.queries import in_year

How = Literal["on", "in", "after", "before", "between"]

REPORT = (
    r"(?:articles?|reports?|stor(?:y|ies)|pieces?|posts?|coverage|reviews?|columns?|editorials?|interviews?|"
    r"headlines?|editions?|news|reporting|write-?ups?)"
)
"""Words for what a source publishes."""


class DateMatch(NamedTuple):
    """A date or a stretch of time as written, before its preposition is read."""

    start: date
    end: date
    any_year: bool
    bare: bool
    """A year or a month alone: a time only after a preposition ("2022 World Cup", "March")."""
    span: tuple[int, int]


_MONTHS = {
    name.casefold(): n for n in range(1, 13) for name in (calendar.month_name[n], calendar.month_abbr[n])
} | {"sept": 9}
_NUMBERS = {"a": 1, "an": 1, "couple": 2, "few": 3, "several": 4} | {
    word: n
    for n, word in enumerate("one two three four five six seven eight nine ten eleven twelve".split(), 1)
}
_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
_DAY = r"[0-3]?\d(?:st|nd|rd|th)?"
_YEAR = r"(?:19|20)\d\d"
_COUNT = rf"(?P<count>\d{{1,3}}|{'|'.join(_NUMBERS)})(?:\s+of)?\s+(?P<unit>day|week|month|year)s?"
_FORMS = [
    re.compile(rf"(?<![\w./-]){form}(?![\w/%]|-\d|[.:]\d)", re.I)
    for form in (
        rf"(?P<y>{_YEAR})-(?P<m>[01]\d)-(?P<d>[0-3]\d)(?:T[\d:.]+(?:Z|[+-][\d:]+)?)?",
        rf"(?P<y>{_YEAR})-(?P<m>[01]\d)",
        rf"(?P<n>\d?\d)[/.](?P<nn>\d?\d)[/.](?P<y>{_YEAR})",
        rf"(?P<d>{_DAY})\s+(?:of\s+)?(?P<m>{_MONTH})\.?(?:,?\s+(?P<y>{_YEAR}))?",
        rf"(?P<m>{_MONTH})\.?\s+(?:the\s+)?(?P<d>{_DAY})(?:,?\s+(?P<y>{_YEAR}))?",
        rf"(?P<m>{_MONTH})\.?(?:,|\s+of)?\s+(?P<y>{_YEAR})",
        rf"(?P<m>{_MONTH})",
        rf"(?P<y>{_YEAR})",
        r"(?P<word>yesterday|today)",
        rf"(?P<past>the\s+(?:last|past|previous))\s+{_COUNT}",
        r"(?P<which>this|last|past|previous)\s+(?P<unit>week|month|year)",
        rf"{_COUNT}\s+(?P<ago>ago)",
    )
] + [
    re.compile(rf"(?P<y>{_YEAR})\s*年(?:\s*(?P<m>1[0-2]|0?[1-9])\s*月(?:\s*(?P<d>[0-3]?\d)\s*[日号])?)?"),
    re.compile(r"(?P<word>昨天|今天)"),
    re.compile(r"(?P<which>上个?|去|今|这个?|本)(?P<unit>周|月|年)"),
]
_MAY_NAME_A_TIME = re.compile(
    rf"\d|\b(?:{_MONTH}|yesterday|today|this|last|past|previous|ago)\b|[昨今去上这本][天周个月年]", re.I
)
_CHINESE = {"周": "week", "月": "month", "年": "year"}
_WORDS_BEFORE: dict[How, str] = {
    "on": "on|of|dated|from|at",
    "in": "in|during|throughout|within|for|over",
    "after": "since|after|following",
    "before": "before|until|till|by|prior to|up to",
    "between": "between",
}
_PREPOSITIONS: dict[str, How] = {
    word: how for how, words in _WORDS_BEFORE.items() for word in words.split("|")
}
_PREPOSITION = re.compile(
    rf"\b({'|'.join(sorted(_PREPOSITIONS, key=len, reverse=True))})\s+(?:the\s+)?"
    r"(?:(?:early|mid|late|the\s+end\s+of|the\s+start\s+of)[-\s]+)?$",
    re.I,
)
_THROUGH = re.compile(r"\s*(?:and|to|until|till|through|[-–—])\s*", re.I)
_AND_BEFORE = re.compile(r",?\s*(?:and|but)?\s*", re.I)
_EXCEPT = re.compile(r"\b(?:other than|except|not)\s+(?:on\s+|in\s+)?$", re.I)
_PUBLISHED_BEFORE = re.compile(
    r"\b(?:published|posted|reported|dated|written|printed|appeared|appearing)(?:\s+(?:only|back|first|again))?\s*$"
    rf"|\b(?:{REPORT}|one|ones)(?:\s+(?:from|in|by|at|of)\s+[\"'“‘]?\x00+[\"'”’]?)?\s*$|\x00[\"'”’]?\s*$",
    re.I,
)
_PUBLISHED_AFTER = re.compile(
    rf"^(?:['’]s?)?,?\s+(?:\x00+\s+)?{REPORT}\b|^(?:发布|发表|报道|刊登|的(?:文章|报道|新闻))", re.I
)
_CHINESE_AFTER = re.compile(r"(?:(?P<after>以来|以后|之后)|以前|之前)")


def find(question: str, today: date) -> Iterator[Period]:
    """Yield the times a question names, in the order of the text.

    Args:
        question: The question, the names of sources in it overwritten by NUL characters (a date after
            one, as in "TechCrunch on 7 October", tells when that source reported).
        today: What "yesterday" counts from.
    """
    found = _dates(question, today) if _MAY_NAME_A_TIME.search(question) else []
    periods: list[Period] = []
    at = 0
    while at < len(found):
        first = found[at]
        at += 1
        before = question[: first.span[0]]
        preposition = _PREPOSITION.search(before)
        word = preposition[1].casefold() if preposition else ""
        begin = preposition.start() if preposition else first.span[0]
        after = question[first.span[1] :]
        if (first.bare and not (word or _PUBLISHED_AFTER.match(after))) or _EXCEPT.search(before):
            continue
        how = _PREPOSITIONS.get(word, "in")
        if chinese := _CHINESE_AFTER.match(after):
            how, after = ("after" if chinese["after"] else "before"), after[chinese.end() :]
        hard = bool(_PUBLISHED_BEFORE.search(question[:begin]) or _PUBLISHED_AFTER.match(after))
        second = found[at] if at < len(found) else None
        if word in ("between", "from", "since") and second and _joined(question, first, second):
            if first.any_year and not second.any_year:
                first = first._replace(start=in_year(first.start, second.end.year), any_year=False)
            at += 1
            span = (begin, second.span[1])
            periods.append(Period(first.start, second.end, "between", hard, second.any_year, span))
            continue
        period = _period(first, how, word, hard, (begin, first.span[1]))
        last = periods[-1] if periods else None
        if (
            last
            and (last.how, period.how) == ("after", "before")
            and _AND_BEFORE.fullmatch(question[last.span[1] : begin])
        ):
            span = (last.span[0], period.span[1])
            periods[-1] = last._replace(end=period.end, how="between", span=span)
        else:
            periods.append(period)
    yield from periods


def _joined(question: str, first: DateMatch, second: DateMatch) -> bool:
    return first.start <= second.end and bool(_THROUGH.fullmatch(question[first.span[1] : second.span[0]]))


def _period(found: DateMatch, how: How, word: str, hard: bool, span: tuple[int, int]) -> Period:
    """Read a time after its preposition. "After 4 May" keeps that day, as askers mean it; "after 2020" is 2021 on."""
    start: date | None = found.start
    end: date | None = found.end
    one_day = found.start == found.end
    if how == "after":
        end = None
        if word == "after" and not one_day:
            start = found.end + timedelta(days=1)
    elif how == "before":
        start = None
        if word == "before" and not one_day:
            end = found.start - timedelta(days=1)
    else:
        how = "on" if one_day else "in"
    return Period(start, end, how, hard, found.any_year, span)


def _dates(question: str, today: date) -> list[DateMatch]:
    """Return the dates in a text, in its order; where two readings overlap, the fuller."""
    taken: list[DateMatch] = []
    for form in _FORMS:
        for match in form.finditer(question):
            if any(match.start() < end and start < match.end() for *_, (start, end) in taken):
                continue
            fields = match.groupdict()
            relative = "unit" in fields or "word" in fields
            days = _relative(fields, today) if relative else _absolute(fields, today)
            if days is None:
                continue
            alone = fields.get("d") is None and match[0].isalnum() and ("m" in fields) != ("y" in fields)
            if alone and (match[0][0].islower() or re.match(r"\s+[A-Z]", question[match.end() :])):
                continue  # the verbs "may" and "march"; "the 2022 World Cup"
            any_year = "m" in fields and fields.get("y") is None
            taken.append(DateMatch(*days, any_year, alone, match.span()))
    return sorted(taken, key=lambda entry: entry.span)


def _absolute(fields: dict[str, str | None], today: date) -> tuple[date, date] | None:
    year, month, day = fields.get("y"), fields.get("m"), fields.get("d")
    if (n := fields.get("n")) and (nn := fields.get("nn")):
        if (int(n) > 12) == (int(nn) > 12):
            return None  # 4/5/2023 has two readings, and a date is never guessed
        day, month = (n, nn) if int(n) > 12 else (nn, n)
    number = int(re.sub(r"\D", "", day)) if day else None
    which = (int(month) if month.isdigit() else _MONTHS[month.casefold()]) if month else None
    try:
        start = date(int(year) if year else today.year, which or 1, number or 1)
    except ValueError:
        return None
    if year is None and start > today:
        start = in_year(start, today.year - 1)
    if number:
        return start, start
    last = which or 12
    return start, date(start.year, last, calendar.monthrange(start.year, last)[1])


def _relative(fields: dict[str, str | None], today: date) -> tuple[date, date] | None:
    from dateutil.relativedelta import relativedelta  # 10 ms that most questions need not pay

    if word := fields.get("word"):
        day = today - timedelta(days=1) if word.casefold() in ("yesterday", "昨天") else today
        return day, day
    unit = (fields["unit"] or "").casefold()
    unit = _CHINESE.get(unit, unit)
    if count := fields.get("count"):
        number = _NUMBERS.get(count.casefold()) or int(count)
        try:
            start = today - relativedelta(**{f"{unit}s": number})  # type: ignore[arg-type]
        except (ValueError, OverflowError):
            return None
        slack = timedelta(days={"day": 0, "week": 3, "month": 15, "year": 183}[unit])
        return (start, today) if "past" in fields else (start - slack, start + slack)
    back = 0 if (fields["which"] or "").casefold() in ("this", "今", "这", "这个", "本") else 1
    if unit == "week":
        start = today - timedelta(days=today.weekday() + 7 * back)
        return start, start + timedelta(days=6)
    if unit == "month":
        start = today.replace(day=1) - relativedelta(months=back)
        return start, start + relativedelta(months=1, days=-1)
    return date(today.year - back, 1, 1), date(today.year - back, 12, 31)
