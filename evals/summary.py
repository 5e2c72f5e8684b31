"""The summary of one run, printed as a table or written as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Self

from evals.outcomes import Outcome
from evals.rows import Frozen, Point, Row, curve, rows, rows_by_type

TYPE_COLUMNS = {
    "hit@1": "hit@1",
    "nDCG@10": "nDCG@10",
    "contained answer": "contained",
    "answer F1": "answer F1",
    "citation precision": "cit. prec.",
    "citation recall": "cit. recall",
    "refused": "refused",
}
"""The columns of the table by type: metric → heading."""


class Summary(Frozen):
    """All that one run found."""

    data: str
    model: str
    articles: int
    passages: int
    questions: int
    rows: tuple[Row, ...]
    by_type: tuple[Row, ...]
    curve: tuple[Point, ...]
    inexact: tuple[str, ...]
    outcomes: tuple[Outcome, ...]

    @classmethod
    def of(cls, outcomes: Sequence[Outcome], **about: Any) -> Self:
        """Sum up outcomes. ``about`` says what was run: data, model, articles, passages."""
        return cls(
            questions=len(outcomes),
            rows=tuple(rows(outcomes)),
            by_type=tuple(rows_by_type(outcomes)),
            curve=tuple(curve(outcomes)),
            inexact=tuple(f"{o.id}: {why}" for o in outcomes for why in o.inexact),
            outcomes=tuple(outcomes),
            **about,
        )

    def row(self, key: str) -> Row | None:
        """Return the row of that key, if the run has it."""
        return next((row for row in self.rows if row.key == key), None)

    def table(self) -> str:
        """Return the summary as text, 110 columns wide at most."""
        corpus = f"{self.articles} articles, {self.passages} passages"
        head = f"{self.data}: {self.questions} questions, {corpus}, {self.model}"
        lines = [head, "", f"{'metric':<58}{'value':>8}   {'95 % interval':<15}{'n':>7}"]
        group = ""
        for row in self.rows:
            if row.group != group:
                group = row.group
                lines.append(group)
            name = f"  {row.name}" + (f", {row.subset}" if row.subset else "")
            digits = 1 if row.group == "speed" else 3
            known = row.low is not None and row.high is not None
            bounds = f"{row.low:.{digits}f} – {row.high:.{digits}f}" if known else ""
            lines.append(f"{name:<58}{row.value:>8.{digits}f}   {bounds:<15}{row.n:>7}")
        lines += ["", *self._type_lines(), *self._curve_lines()]
        return "\n".join(line.rstrip() for line in lines)

    def _type_lines(self) -> Iterator[str]:
        yield f"{'by type':<20}{'n':>5}" + "".join(f"{heading:>12}" for heading in TYPE_COLUMNS.values())
        for kind in dict.fromkeys(o.type for o in self.outcomes):
            values = {row.name: row.value for row in self.by_type if row.subset == kind}
            cells = "".join(f"{values[c]:>12.3f}" if c in values else f"{'·':>12}" for c in TYPE_COLUMNS)
            yield f"{kind:<20}{sum(o.type == kind for o in self.outcomes):>5}{cells}"

    def _curve_lines(self) -> Iterator[str]:
        if not self.curve:
            return
        kinds = list(self.curve[0].refused)
        yield ""
        yield f"{'risk and coverage: refuse below':<32}{'needless':>10}" + "".join(f"{k:>20}" for k in kinds)
        for point in self.curve:
            if point.needless <= 0.2:
                refused = "".join(f"{point.refused[k]:>20.3f}" for k in kinds)
                yield f"{point.threshold or 0:>32.3f}{point.needless:>10.3f}{refused}"
