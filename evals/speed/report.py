"""The report of a run: how it was made, its table, and what could not be measured."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Self

from evals.speed.peers import OURS

MORE, LESS = "more", "less"
"""Which values are better."""
METHOD = """\
Figures with a stroke are median / p95 of all repetitions. The last column says how many times better ours is than the
best of the others. Systems take turns in random order, each in a process of its own with its libraries' defaults, so
that what else the machine does falls on all of them.

- **Same weights, same passages**: all use the bundled all-MiniLM-L6-v2 (ours converted, the others through
  sentence-transformers or transformers) over passages cut by our chunker, each behind its header. Ours reads the
  articles from JSON Lines and cuts them itself; the others are handed the passages.
- **Made corpora**: articles resampled from real sentences, one sentence a line. Their **vectors are ready, not
  encoded**: real vectors moved by noise with the covariance of real vectors, to a cosine of about 0.8; every system
  gets the same one for the same passage. Questions are real and encoded by each system when they are asked.
- **Search** is hybrid, 10 results. Ours gives the best passage of each of 10 articles; its reader, which no other
  has, only reads where the row says so. sentence-transformers + FAISS + bm25s fuses the best 100 of each search by
  reciprocal rank, txtai its best 100 by score, llama-index the best 10 of each by reciprocal rank. Recall is that of
  the dense search alone, against comparing with every vector.
- **Memory** is the resident set, mapped files included. A cold shell is a new process; files are in the page cache.
  Ours answers in it (`qa ask`, with the reader unless the row says otherwise), the others search.
"""


class Cell(NamedTuple):
    """What was measured, mostly several times."""

    value: float
    p95: float | None = None

    @classmethod
    def of(cls, samples: Sequence[float], factor: float = 1) -> Self:
        """Sum up samples, in another unit, by their median; and their p95, of 20 samples or more."""
        ordered = [sample * factor for sample in sorted(samples)]
        p95 = ordered[math.ceil(0.95 * len(ordered)) - 1] if len(ordered) >= 20 else None
        return cls(statistics.median(ordered), p95)

    @classmethod
    def mean(cls, samples: Sequence[float], factor: float = 1) -> Self:
        """Sum up samples by their mean."""
        return cls(factor * statistics.fmean(samples))

    def __str__(self) -> str:
        return _number(self.value) + ("" if self.p95 is None else f" / {_number(self.p95)}")


class Row(NamedTuple):
    """One measure. ``better`` is :data:`MORE`, :data:`LESS`, or empty where systems are not to be compared."""

    measure: str
    cells: dict[str, Cell]
    better: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times better ours is than the best of the others."""
        others = [cell.value for name, cell in self.cells.items() if name != OURS]
        if OURS not in self.cells or not others or not self.better:
            return None
        ours = self.cells[OURS].value
        return ours / max(others) if self.better == MORE else min(others) / ours


class Group(NamedTuple):
    """Rows about one thing."""

    title: str
    rows: list[Row]


class Report(NamedTuple):
    """What a run has found so far."""

    command: str
    machine: str
    warning: str | None
    systems: Sequence[str]
    groups: Sequence[Group]
    notes: Sequence[str]

    def markdown(self) -> str:
        """Return the whole report."""
        return "\n".join(self._lines()) + "\n"

    def _lines(self) -> Iterator[str]:
        yield f"# Speed\n\n`{self.command}`\n\n{self.machine}\n"
        if self.warning:
            yield f"**{self.warning}**\n"
        yield METHOD
        yield from table(self.groups, self.systems)
        if self.notes:
            yield "\nNot measured:\n"
            yield from (f"- {note}" for note in self.notes)


def table(groups: Sequence[Group], systems: Sequence[str]) -> Iterator[str]:
    """Yield the groups as one table in Markdown: measures down, systems across."""
    yield f"| | {' | '.join(systems)} | ours : best other |"
    yield "|---|" + "--:|" * (len(systems) + 1)
    for group in groups:
        yield f"| **{group.title}** |" + " |" * (len(systems) + 1)
        for row in group.rows:
            cells = [str(row.cells[name]) if name in row.cells else "·" for name in systems]
            ratio = "" if row.ratio is None else f"{_number(row.ratio)}×"
            yield f"| {row.measure} | {' | '.join(cells)} | {ratio} |"


def _number(value: float) -> str:
    if math.isnan(value):
        return "?"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 0.1 else 3
    return f"{value:,.{digits}f}"
