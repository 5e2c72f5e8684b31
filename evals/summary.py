"""The figures of one run: a row for each metric, with its confidence interval; as a table or as JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict

from evals import metrics
from evals.outcomes import Outcome

ANSWER_SCORES = (
    "contained answer",
    "answer F1",
    "long answer F1",
    "sentence F1",
    "citation precision",
    "citation recall",
    "right article",
    "articles cited",
)
MAX_FALSE_REFUSALS = 0.08
"""Share of the answerable questions that may be refused where refusals of unanswerable ones are compared."""
AT_MOST_NEEDLESS = f"refused at ≤ {MAX_FALSE_REFUSALS:.0%} needless"
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

Group = Literal["retrieval", "answers", "abstention", "citations", "speed"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Row(_Frozen):
    """One metric over a set of questions. ``low`` and ``high`` bound its 95 % interval."""

    group: Group
    name: str
    subset: str | None = None
    value: float
    low: float | None = None
    high: float | None = None
    n: int
    lower_is_better: bool = False

    @property
    def key(self) -> str:
        """What the row is called in a baseline."""
        return "/".join(part for part in (self.group, self.name, self.subset) if part)

    def line(self) -> str:
        """Return the row of the table."""
        name = f"  {self.name}" + (f", {self.subset}" if self.subset else "")
        digits = 1 if self.group == "speed" else 3
        known = self.low is not None and self.high is not None
        bounds = f"{self.low:.{digits}f} – {self.high:.{digits}f}" if known else ""
        return f"{name:<58}{self.value:>8.{digits}f}   {bounds:<15}{self.n:>7}"


class Summary(_Frozen):
    """All that one run found."""

    data: str
    model: str
    articles: int
    passages: int
    questions: int
    rows: tuple[Row, ...]
    by_type: tuple[Row, ...]
    inexact: tuple[str, ...]
    outcomes: tuple[Outcome, ...]

    @classmethod
    def of(cls, outcomes: Sequence[Outcome], **about: Any) -> Self:
        """Sum up outcomes. ``about`` says what was run: data, model, articles, passages."""
        return cls(
            questions=len(outcomes),
            rows=tuple(rows(outcomes)),
            by_type=tuple(rows_by_type(outcomes)),
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
            lines.append(row.line())
        lines += ["", *self._type_lines()]
        return "\n".join(line.rstrip() for line in lines)

    def _type_lines(self) -> Iterator[str]:
        yield f"{'by type':<20}{'n':>5}" + "".join(f"{heading:>12}" for heading in TYPE_COLUMNS.values())
        for kind in dict.fromkeys(o.type for o in self.outcomes):
            values = {row.name: row.value for row in self.by_type if row.subset == kind}
            cells = "".join(f"{values[c]:>12.3f}" if c in values else f"{'·':>12}" for c in TYPE_COLUMNS)
            yield f"{kind:<20}{sum(o.type == kind for o in self.outcomes):>5}{cells}"


def rows(outcomes: Sequence[Outcome]) -> Iterator[Row]:
    """Yield the rows over all the questions, group by group."""
    yield from _score_rows(outcomes)
    yield from _abstention_rows(outcomes)
    if checked := sum(o.citations for o in outcomes):
        inexact = sum(len(o.inexact) for o in outcomes)
        yield Row(group="citations", name="exact", value=1 - inexact / checked, n=checked)
    if taken := [o.milliseconds for o in outcomes if o.milliseconds is not None]:
        yield _row("speed", "ask, mean ms", np.mean, taken, lower_is_better=True)
        yield _row("speed", "ask, median ms", np.median, taken, lower_is_better=True)


def rows_by_type(outcomes: Sequence[Outcome]) -> Iterator[Row]:
    """Yield the rows of each question type; their subset is the type."""
    for kind, chosen in by_type(outcomes).items():
        yield from _score_rows(chosen, kind)
        if asked := [o for o in chosen if o.abstained is not None]:
            wrong = asked[0].answerable
            yield _row("abstention", "refused", np.mean, refusals(asked), subset=kind, lower_is_better=wrong)


def by_type(outcomes: Sequence[Outcome]) -> dict[str, list[Outcome]]:
    """Group outcomes by the type of their question, in the order in which the types come."""
    return {kind: [o for o in outcomes if o.type == kind] for kind in dict.fromkeys(o.type for o in outcomes)}


def answered(outcomes: Sequence[Outcome], *, answerable: bool) -> list[Outcome]:
    """Return the outcomes of the answerable or the unanswerable questions that were put to the archive."""
    return [o for o in outcomes if o.judged and o.abstained is not None and o.answerable == answerable]


def confidences(outcomes: Sequence[Outcome]) -> metrics.Values:
    """Return how sure the archive was of each answer, shape (n,)."""
    return np.array([o.confidence for o in outcomes], dtype=np.float64)


def refusals(outcomes: Sequence[Outcome]) -> metrics.Values:
    """Return 1 for each question that was refused, else 0; shape (n,)."""
    return np.array([bool(o.abstained) for o in outcomes], dtype=np.float64)


def _score_rows(outcomes: Sequence[Outcome], subset: str | None = None) -> Iterator[Row]:
    groups: tuple[tuple[Group, Any], ...] = (("retrieval", metrics.RANKING), ("answers", ANSWER_SCORES))
    for group, names in groups:
        for name in names:
            if values := [o.scores[name] for o in outcomes if name in o.scores]:
                yield _row(group, name, np.mean, values, subset=subset)


def _abstention_rows(outcomes: Sequence[Outcome]) -> Iterator[Row]:
    answerable, unanswerable = (answered(outcomes, answerable=yes) for yes in (True, False))
    refused = [o for o in (*answerable, *unanswerable) if o.abstained]
    if refused and answerable and unanswerable:
        yield _row("abstention", "precision", np.mean, [float(not o.answerable) for o in refused])
    kinds = dict(sorted(by_type(unanswerable).items()))
    several = kinds if len(kinds) > 1 else {}
    if unanswerable:
        yield _row("abstention", "recall", np.mean, refusals(unanswerable))
    for kind, chosen in several.items():
        yield _row("abstention", "refused", np.mean, refusals(chosen), subset=kind)
    if answerable:
        yield _row("abstention", "needless refusals", np.mean, refusals(answerable), lower_is_better=True)
    if not (answerable and unanswerable):
        return
    for subset, chosen in ((None, unanswerable), *several.items()):
        yield _against(answerable, chosen, "AUROC", metrics.auroc, subset)
    refused_at = partial(metrics.refused_at, MAX_FALSE_REFUSALS)
    for kind, chosen in kinds.items():
        yield _against(answerable, chosen, AT_MOST_NEEDLESS, refused_at, kind)


def _against(
    answerable: Sequence[Outcome],
    unanswerable: Sequence[Outcome],
    name: str,
    statistic: Callable[..., metrics.Values],
    subset: str | None,
) -> Row:
    samples = confidences(answerable), confidences(unanswerable)
    low, high = metrics.interval(statistic, *samples)
    n, value = len(answerable) + len(unanswerable), float(statistic(*samples))
    return Row(group="abstention", name=name, subset=subset, value=value, low=low, high=high, n=n)


def _row(
    group: Group,
    name: str,
    statistic: Callable[..., Any],
    values: Sequence[float] | metrics.Values,
    **rest: Any,
) -> Row:
    low, high = metrics.interval(statistic, np.asarray(values, dtype=np.float64))
    value = float(statistic(values))
    return Row(group=group, name=name, value=value, low=low, high=high, n=len(values), **rest)
