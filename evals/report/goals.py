"""The goals: what the project set out to show on the public sets, beside what was found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from evals import metrics
from evals.metrics import Difference, Interval, Values
from evals.outcomes import Outcome
from evals.report.study import OURS, Study
from evals.summary import AT_MOST_NEEDLESS, MAX_FALSE_REFUSALS, Row, answered, confidences, refusals
from qa.text.sentences import split

MOST_SENTENCES = 2


class Goal(NamedTuple):
    """A measure on a set, what it must reach, and what is aimed at."""

    data: str
    measure: str
    bar: float | None
    aim: float


class Reached(NamedTuple):
    """What was found for a goal."""

    goal: Goal
    value: float
    interval: Interval
    n: int
    rrf: float | None = None
    gain: Difference | None = None
    """Over RRF, question by question."""

    @property
    def verdict(self) -> str:
        """Whether the bar is reached, and the aim."""
        if self.goal.bar is None:
            return "aim met" if self.value >= self.goal.aim else "aim missed"
        if self.value < self.goal.bar:
            return "missed"
        return "met, aim too" if self.value >= self.goal.aim else "met"


RANKING = (
    Goal("multihop_facts500", "nDCG@10", 0.88, 0.92),
    Goal("mtrag_pool", "nDCG@5", 0.79, 0.83),
    Goal("mtrag_pool", "recall@5", 0.83, 0.88),
    Goal("squad2", "hit@1", 0.84, 0.88),
    Goal("squad2", "nDCG@10", 0.91, 0.94),
    Goal("clapnq", "nDCG@10", 0.985, 0.99),
    Goal("xquad_zh_en", "hit@1", 0.68, 0.75),
    Goal("xquad_zh_en", "recall@5", 0.90, 0.94),
)
READING = {
    "token_f1_answerable": Goal("squad2", "reading, given the paragraph: token F1 on answerable", 0.73, 0.78),
    "squad2_f1": Goal("squad2", "reading, given the paragraph: SQuAD 2.0 F1", 0.66, 0.72),
    "auroc": Goal("squad2", "reading, given the paragraph: AUROC of answerability", 0.75, 0.82),
}
QUOTED = Goal(
    "squad2", f"gold answer inside at most {MOST_SENTENCES} quoted sentences, `refuse=0`", 0.70, 0.80
)
SENTENCES = Goal("clapnq", "sentence F1 of quoted and gold text on answerable", 0.55, 0.65)
REFUSAL_F1 = Goal("mtrag_pool", "refusal F1", 0.50, 0.60)
REFUSAL_PRECISION = Goal("mtrag_pool", "refusal precision", None, 0.60)
REFUSAL_RECALL = Goal("mtrag_pool", "refusal recall", None, 0.60)
NEAR = Goal("seeds", f"near misses {AT_MOST_NEEDLESS}", 0.50, 0.80)
ELSEWHERE = Goal("all", f"out of archive, {AT_MOST_NEEDLESS} over all sets", 0.93, 0.98)


def reached(studies: Sequence[Study], reading: Mapping[str, float] | None, read: int) -> Iterator[Reached]:
    """Yield each goal that the studies have figures for, as reached by ours.

    Args:
        studies: One of each set.
        reading: Measures of the reader on paragraphs, if they were taken.
        read: Questions they were taken on.
    """
    by_name = {study.name: study for study in studies}
    for goal in RANKING:
        if study := by_name.get(goal.data):
            yield from _ranking(goal, study)
    for name, goal in READING.items():
        if reading:
            yield Reached(goal, reading[name], Interval(None, None), read)
    if study := by_name.get(QUOTED.data):
        short = [o for o in study.always[OURS] if "contained answer" in o.scores]
        yield from _mean(QUOTED, [float(holds_briefly(o)) for o in short])
    if study := by_name.get(SENTENCES.data):
        yield from _mean(SENTENCES, [*study.values(OURS, "sentence F1").values()])
    if study := by_name.get(REFUSAL_F1.data):
        yield from _refusal(study)
    if study := by_name.get(NEAR.data):
        yield from _row(NEAR, study.rows[OURS].get(f"abstention/{AT_MOST_NEEDLESS}/unanswerable_near"))
    if asked := with_foreign_questions(studies):
        value, interval = refused_elsewhere(asked, OURS)
        yield Reached(ELSEWHERE, value, interval, sum(len(study.elsewhere[OURS]) for study in asked))


def _ranking(goal: Goal, study: Study) -> Iterator[Reached]:
    ours, rrf = study.values(OURS, goal.measure), study.values("RRF", goal.measure)
    for found in _mean(goal, [*ours.values()]):
        gain = metrics.paired_difference(rrf, ours)
        yield found._replace(rrf=float(np.mean([*rrf.values()])), gain=gain)


def _mean(goal: Goal, values: Sequence[float]) -> Iterator[Reached]:
    if values:
        yield Reached(goal, float(np.mean(values)), metrics.mean_interval(values), len(values))


def _row(goal: Goal, row: Row | None) -> Iterator[Reached]:
    if row:
        yield Reached(goal, row.value, Interval(row.low, row.high), row.n)


def holds_briefly(outcome: Outcome) -> bool:
    """Whether the quotes hold an accepted answer and are no longer, together, than two sentences."""
    sentences = sum(len(split(quote)) for quote in outcome.quotes)
    return outcome.scores["contained answer"] == 1 and sentences <= MOST_SENTENCES


def refusal_f1(unanswerable: Values, answerable: Values, axis: int = -1) -> Values:
    """Return the F1 of refusals; 0 where none is right.

    Args:
        unanswerable: 1 for each unanswerable question refused, else 0.
        answerable: 1 for each answerable question refused, else 0.
        axis: The one along which the questions lie.
    """
    right, wrong = unanswerable.sum(axis=axis), answerable.sum(axis=axis)
    return np.asarray(2 * right / (right + wrong + unanswerable.shape[axis]))


def _refusal(study: Study) -> Iterator[Reached]:
    right, needless = (refusals(answered(study.runs[OURS], answerable=yes)) for yes in (False, True))
    if len(right) and len(needless):
        interval = metrics.interval(refusal_f1, right, needless)
        yield Reached(REFUSAL_F1, float(refusal_f1(right, needless)), interval, len(right) + len(needless))
        yield from _row(REFUSAL_PRECISION, study.rows[OURS].get("abstention/precision"))
        yield from _row(REFUSAL_RECALL, study.rows[OURS].get("abstention/recall"))


def with_foreign_questions(studies: Sequence[Study]) -> list[Study]:
    """Return the studies whose archives were asked other sets' questions and answerable ones of their own."""
    return [s for s in studies if s.elsewhere and answered(s.runs[OURS], answerable=True)]


def refused_elsewhere(studies: Sequence[Study], system: str) -> tuple[float, Interval]:
    """Return the share of foreign questions refused at the one threshold that all own ones allow."""
    own = [o for study in studies for o in answered(study.runs[system], answerable=True)]
    foreign = [o for study in studies for o in study.elsewhere[system]]
    samples = confidences(own), confidences(foreign)
    statistic = partial(metrics.refused_at, MAX_FALSE_REFUSALS)
    return float(statistic(*samples)), metrics.interval(statistic, *samples)
