"""The articles near a question by month, as a small chart of buttons; each narrows the question to its time."""

from __future__ import annotations

import calendar
from collections import Counter
from datetime import date
from typing import NamedTuple

from qa.retrieval.timeline import Timeline
from qa.types import Filters
from qa.words import PageWords

_MOST_BARS = 24
"""Months shown; more are put together by year."""
_LEVELS = 10
"""Heights a bar can have."""


class Bar(NamedTuple):
    """A time, and how many articles were published in it; an empty one shows nothing else."""

    first: date
    last: date
    articles: int
    level: int = 0
    chosen: bool = False
    label: str = ""


class Chart(NamedTuple):
    """The bars, and what is said about them."""

    caption: str
    summary: str
    bars: list[Bar]
    first: str
    last: str


def chart_of(timeline: Timeline, filters: Filters, words: PageWords) -> Chart | None:
    """Return the chart; none where all articles are of one month, for that says no more than their dates."""
    if len(timeline.months) < 2:
        return None
    bars, caption = _months(timeline), words.by_month
    if len(bars) > _MOST_BARS:
        bars, caption = _years(timeline), words.by_year
    most = max(bar.articles for bar in bars)
    peak = next(bar for bar in bars if bar.articles == most)
    first, last, busiest = (words.period(bar.first, bar.last) for bar in (bars[0], bars[-1], peak))
    summary = words.by_summary.format(
        n=f"{timeline.articles:,}", first=first, last=last, peak=busiest, most=f"{most:,}"
    )
    if timeline.undated:
        summary += f" {words.n_undated.format(n=f'{timeline.undated:,}')}."
    return Chart(caption, summary, [_shown(bar, most, filters, words) for bar in bars], first, last)


def _shown(bar: Bar, most: int, filters: Filters, words: PageWords) -> Bar:
    if not bar.articles:
        return bar
    chosen = bool(filters.after or filters.before) and (
        (filters.after or date.min) <= bar.first and bar.last <= (filters.before or date.max)
    )
    form = words.widen if chosen else words.narrow
    label = form.format(
        period=words.period(bar.first, bar.last), count=words.counted("articles", bar.articles)
    )
    level = max(1, round(_LEVELS * bar.articles / most))
    return bar._replace(level=level, chosen=chosen, label=label)


def _months(timeline: Timeline) -> list[Bar]:
    counts = dict(timeline.months)
    first, last = timeline.months[0][0], timeline.months[-1][0]
    span = (last.year - first.year) * 12 + last.month - first.month
    starts = [
        date(first.year + (first.month - 1 + i) // 12, (first.month - 1 + i) % 12 + 1, 1)
        for i in range(span + 1)
    ]
    return [
        Bar(start, start.replace(day=calendar.monthrange(start.year, start.month)[1]), counts.get(start, 0))
        for start in starts
    ]


def _years(timeline: Timeline) -> list[Bar]:
    counts: Counter[int] = Counter()
    for month, count in timeline.months:
        counts[month.year] += count
    first, last = timeline.months[0][0].year, timeline.months[-1][0].year
    return [Bar(date(year, 1, 1), date(year, 12, 31), counts[year]) for year in range(first, last + 1)]
