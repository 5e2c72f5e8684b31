"""The cells of a table in Markdown: figures, intervals, differences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from evals.metrics import Difference
from evals.rows import Row

Cells = Sequence[str]


def table(heads: Cells, rows: Iterable[Cells]) -> Iterator[str]:
    """Yield a table."""
    yield f"| {' | '.join(heads)} |"
    yield f"|{'---|' * len(heads)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def number(value: float | None) -> str:
    """Return a figure; empty for none."""
    return "" if value is None or np.isnan(value) else f"{value:.3f}"


def mean(values: Mapping[str, float]) -> str:
    """Return the mean of a metric over questions."""
    return number(float(np.mean(list(values.values())))) if values else ""


def between(low: float | None, high: float | None, form: str = ".3f") -> str:
    """Return an interval; empty where it is not known."""
    return "" if low is None or high is None else f"[{low:{form}}, {high:{form}}]"


def bounded(row: Row | None) -> str:
    """Return a row's value and its interval."""
    return "" if row is None else f"{number(row.value)} {between(row.low, row.high)}".strip()


def difference(gain: Difference | None) -> str:
    """Return a difference and its interval."""
    return "" if gain is None else f"{gain.mean:+.3f} {between(*gain.interval, form='+.3f')}".strip()
