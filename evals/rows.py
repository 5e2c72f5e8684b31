"""Rows: outcomes summed up, one metric over a set of questions each, with its confidence interval."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Literal

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
NEEDLESS = 0.08
"""Share of the answerable questions that may be refused where the headline on near misses is read."""
CURVE_AT = (*range(0, 21), *range(25, 101, 5))
"""Percentages of needless refusals at which the risk-coverage curve is drawn."""


class Frozen(BaseModel):
    """Base of what a report is made of."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Row(Frozen):
    """One metric over a set of questions. ``low`` and ``high`` bound its 95 % interval."""

    group: Literal["retrieval", "answers", "abstention", "citations", "speed"]
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


class Point(Frozen):
    """What refusing below a confidence does: to the answerable questions, and to each unanswerable type."""

    threshold: float | None
    """``None`` refuses everything."""
    needless: float
    refused: dict[str, float]


def rows(outcomes: Sequence[Outcome]) -> Iterator[Row]:
    """Yield the rows over all the questions, group by group."""
    for name in metrics.RANKING:
        yield from _mean_row("retrieval", name, outcomes)
    for name in ANSWER_SCORES:
        yield from _mean_row("answers", name, outcomes)
    yield from _abstention_rows(outcomes)
    checked = sum(o.citations for o in outcomes)
    if checked:
        inexact = sum(len(o.inexact) for o in outcomes)
        yield Row(group="citations", name="exact", value=1 - inexact / checked, n=checked)
    taken = [o.milliseconds for o in outcomes if o.milliseconds is not None]
    if taken:
        yield _row("speed", "ask, mean ms", np.mean, taken, lower_is_better=True)
        yield _row("speed", "ask, median ms", np.median, taken, lower_is_better=True)


def rows_by_type(outcomes: Sequence[Outcome]) -> Iterator[Row]:
    """Yield the rows of each question type; their subset is the type."""
    for kind in dict.fromkeys(o.type for o in outcomes):
        chosen = [o for o in outcomes if o.type == kind]
        for name in metrics.RANKING:
            yield from _mean_row("retrieval", name, chosen, kind)
        for name in ANSWER_SCORES:
            yield from _mean_row("answers", name, chosen, kind)
        asked = [o for o in chosen if o.abstained is not None]
        if asked:
            good = not asked[0].answerable
            yield _row(
                "abstention", "refused", np.mean, _refusals(asked), subset=kind, lower_is_better=not good
            )


def _mean_row(
    group: Literal["retrieval", "answers"], name: str, outcomes: Sequence[Outcome], subset: str | None = None
) -> Iterator[Row]:
    values = [o.scores[name] for o in outcomes if name in o.scores]
    if values:
        yield _row(group, name, np.mean, values, subset=subset)


def _abstention_rows(outcomes: Sequence[Outcome]) -> Iterator[Row]:
    answerable, unanswerable = _asked(outcomes)
    refused = [o for o in (*answerable, *unanswerable) if o.abstained]
    if refused and answerable and unanswerable:
        yield _row("abstention", "precision", np.mean, [float(not o.answerable) for o in refused])
    kinds = _by_type(unanswerable)
    if unanswerable:
        yield _row("abstention", "recall", np.mean, _refusals(unanswerable))
    if len(kinds) > 1:
        for kind, chosen in kinds.items():
            yield _row("abstention", "refused", np.mean, _refusals(chosen), subset=kind)
    if answerable:
        yield _row("abstention", "needless refusals", np.mean, _refusals(answerable), lower_is_better=True)
    if not (answerable and unanswerable):
        return
    yield _against(answerable, unanswerable, "AUROC", metrics.auroc, None)
    if len(kinds) > 1:
        for kind, chosen in kinds.items():
            yield _against(answerable, chosen, "AUROC", metrics.auroc, kind)
    for kind, chosen in kinds.items():
        refused_at = partial(metrics.refused_at, NEEDLESS)
        yield _against(answerable, chosen, f"refused at ≤ {NEEDLESS:.0%} needless", refused_at, kind)


def _against(
    answerable: Sequence[Outcome],
    unanswerable: Sequence[Outcome],
    name: str,
    statistic: Callable[..., metrics.Values],
    subset: str | None,
) -> Row:
    samples = _confidences(answerable), _confidences(unanswerable)
    low, high = metrics.interval(statistic, *samples)
    n, value = len(answerable) + len(unanswerable), float(statistic(*samples))
    return Row(group="abstention", name=name, subset=subset, value=value, low=low, high=high, n=n)


def curve(outcomes: Sequence[Outcome]) -> Iterator[Point]:
    """Yield the risk-coverage curve: what refusing below each confidence would do."""
    answerable, unanswerable = _asked(outcomes)
    if not (answerable and unanswerable):
        return
    confidence, seen = _confidences(answerable), set()
    others = {kind: _confidences(chosen) for kind, chosen in _by_type(unanswerable).items()}
    for percent in CURVE_AT:
        threshold = float(metrics.threshold_for(percent / 100, confidence))
        if threshold not in seen:
            seen.add(threshold)
            yield Point(
                threshold=threshold if np.isfinite(threshold) else None,
                needless=float(np.mean(confidence < threshold)),
                refused={k: float(np.mean(c < threshold)) for k, c in others.items()},
            )


def _asked(outcomes: Sequence[Outcome]) -> tuple[list[Outcome], list[Outcome]]:
    asked = [o for o in outcomes if o.judged and o.abstained is not None]
    return [o for o in asked if o.answerable], [o for o in asked if not o.answerable]


def _by_type(outcomes: Sequence[Outcome]) -> dict[str, list[Outcome]]:
    return {kind: [o for o in outcomes if o.type == kind] for kind in sorted({o.type for o in outcomes})}


def _confidences(outcomes: Sequence[Outcome]) -> metrics.Values:
    return np.array([o.confidence for o in outcomes], dtype=np.float64)


def _refusals(outcomes: Sequence[Outcome]) -> list[float]:
    return [float(bool(o.abstained)) for o in outcomes]


def _row(
    group: Literal["retrieval", "answers", "abstention", "speed"],
    name: str,
    statistic: Callable[..., Any],
    values: Sequence[float],
    **rest: Any,
) -> Row:
    low, high = metrics.interval(statistic, np.asarray(values, dtype=np.float64))
    value = float(statistic(values))
    return Row(group=group, name=name, value=value, low=low, high=high, n=len(values), **rest)
