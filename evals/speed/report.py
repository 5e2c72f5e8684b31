"""The report of a run: how it was made, its table, and what could not be measured."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Self

from evals.speed.peers import OURS

MORE, LESS = "more", "less"
"""Which values are better."""
METHOD = Path(__file__).with_name("method.md")
"""How everything is measured; printed above the table."""


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
        yield METHOD.read_text(encoding="utf-8")
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
