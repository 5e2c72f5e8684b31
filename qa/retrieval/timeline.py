"""When the articles near a question were published, counted by month."""

from __future__ import annotations

from collections import Counter
from datetime import date

from qa.storage.view import View
from qa.types import Filters, Frozen, Query

MOST = 2000
"""Passages looked at."""
NEAR = 0.5
"""Share of the best passage's BM25 score that makes an article one near the question."""


class Timeline(Frozen):
    """How many articles near a question each month saw; ``months`` holds those with any, in their order."""

    months: tuple[tuple[date, int], ...] = ()
    undated: int = 0

    @property
    def articles(self) -> int:
        """How many of them have a date."""
        return sum(count for _, count in self.months)


def timeline(query: Query, view: View) -> Timeline:
    """Count the articles near a question by the month of their publication, of all dates.

    An article is near when one of its passages holds about half as much of the question's words, weighed
    by their rarity, as the best one.
    """
    ids, scores = view.matching(query.text, MOST, Filters(sources=query.filters.sources))
    if not len(ids):
        return Timeline()
    origins = view.origins(ids[scores >= NEAR * scores[0]].tolist())
    days = {article: published for article, _, published in origins.values()}
    months = Counter(day.replace(day=1) for day in days.values() if day)
    return Timeline(months=tuple(sorted(months.items())), undated=sum(day is None for day in days.values()))
