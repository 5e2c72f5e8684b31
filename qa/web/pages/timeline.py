"""The articles near a question by month, as a small chart of buttons; each narrows the question to its time."""

from __future__ import annotations

import calendar
from collections import Counter
from datetime import date
from typing import NamedTuple

from qa.retrieval.timeline import Timeline
from qa.types import Filters
from qa.web.pages.html import escape
from qa.web.texts import Texts

_MOST_BARS = 24
_LEVELS = 10


class _Bar(NamedTuple):
    first: date
    last: date
    articles: int


def bars_html(timeline: Timeline, filters: Filters, texts: Texts) -> str:
    """Render the chart; nothing where all articles are of one month, for that says no more than their dates."""
    if len(timeline.months) < 2:
        return ""
    bars, caption = _months(timeline), texts.by_month
    if len(bars) > _MOST_BARS:
        bars, caption = _years(timeline), texts.by_year
    most = max(bar.articles for bar in bars)
    peak = next(bar for bar in bars if bar.articles == most)
    summary = texts.by_summary.format(
        n=f"{timeline.articles:,}",
        first=texts.period(bars[0].first, bars[0].last),
        last=texts.period(bars[-1].first, bars[-1].last),
        peak=texts.period(peak.first, peak.last),
        most=f"{most:,}",
    )
    undated = f" {texts.n_undated.format(n=f'{timeline.undated:,}')}." if timeline.undated else ""
    items = "".join(f"<li>{_bar(bar, most, filters, texts)}</li>" for bar in bars)
    return (
        f'<figure class="timeline"><figcaption>{caption}</figcaption><p class="unseen">{summary}{undated}</p>'
        f'<div class="chart"><ol class="bars">{items}</ol><p class="ends" aria-hidden="true">'
        f"<span>{texts.period(bars[0].first, bars[0].last)}</span>"
        f"<span>{texts.period(bars[-1].first, bars[-1].last)}</span></p></div></figure>"
    )


def _bar(bar: _Bar, most: int, filters: Filters, texts: Texts) -> str:
    if not bar.articles:
        return '<span class="bar"></span>'
    chosen = bool(filters.after or filters.before) and (
        (filters.after or date.min) <= bar.first and bar.last <= (filters.before or date.max)
    )
    count = texts.article if bar.articles == 1 else texts.articles.format(n=f"{bar.articles:,}")
    form = texts.widen if chosen else texts.narrow
    label = escape(form.format(period=texts.period(bar.first, bar.last), count=count))
    level = max(1, round(_LEVELS * bar.articles / most))
    return (
        f'<button type="button" class="bar" data-after="{bar.first}" data-before="{bar.last}" '
        f'aria-pressed="{str(chosen).lower()}" aria-label="{label}" title="{label}">'
        f'<span class="level-{level}"></span></button>'
    )


def _months(timeline: Timeline) -> list[_Bar]:
    counts = dict(timeline.months)
    first, last = timeline.months[0][0], timeline.months[-1][0]
    span = (last.year - first.year) * 12 + last.month - first.month
    starts = [
        date(first.year + (first.month - 1 + i) // 12, (first.month - 1 + i) % 12 + 1, 1)
        for i in range(span + 1)
    ]
    return [
        _Bar(start, start.replace(day=calendar.monthrange(start.year, start.month)[1]), counts.get(start, 0))
        for start in starts
    ]


def _years(timeline: Timeline) -> list[_Bar]:
    counts: Counter[int] = Counter()
    for month, count in timeline.months:
        counts[month.year] += count
    first, last = timeline.months[0][0].year, timeline.months[-1][0].year
    return [_Bar(date(year, 1, 1), date(year, 12, 31), counts[year]) for year in range(first, last + 1)]
