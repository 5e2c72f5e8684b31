"""Whether a confidence means what it says: reliability, and the risk taken at each coverage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from evals.metrics import Values
from evals.outcomes import Outcome

BINS = 10
RIGHT_BY = ("contained answer", "citation recall", "right article")
"""What tells that a quote answers: an accepted answer in it, a gold place, or the gold article. The first that
a set knows of a question counts."""


def right(outcome: Outcome) -> bool | None:
    """Whether the quoted text answers the question; ``None`` where nobody knows what would."""
    if not outcome.answerable:
        return False
    known = [outcome.scores[name] for name in RIGHT_BY if name in outcome.scores]
    return known[0] > 0 if known else None


class Bin(NamedTuple):
    """The answers given with about the same confidence."""

    confidence: float
    """Their mean confidence: 0..1."""
    right: float
    """Share of them that are right: 0..1."""
    low: float
    high: float
    """The 95 % interval of that share, by Wilson's score."""
    n: int


class Calibration(NamedTuple):
    """The confidence of a set's answers, given whatever the confidence, beside how many are right."""

    confidence: Values
    """Of each question, shape (n,): 0..1; -1 where nothing was quoted."""
    right: Values
    """1 where the quoted text answers, else 0; shape (n,)."""

    @classmethod
    def of(cls, outcomes: Sequence[Outcome]) -> Calibration:
        """Take the outcomes of an archive that always answers (``refuse=0``); what is not judged is left out."""
        judged = [(o, known) for o in outcomes if o.judged and (known := right(o)) is not None]
        sure = [-1.0 if o.abstained else o.confidence for o, _ in judged]
        return cls(np.array(sure, np.float64), np.array([known for _, known in judged], np.float64))

    @property
    def quoted(self) -> Calibration:
        """Only the questions that were answered with a quote."""
        there = self.confidence >= 0
        return Calibration(self.confidence[there], self.right[there])

    def bins(self, count: int = BINS) -> list[Bin]:
        """Return the bins of equal width that hold an answer, by ascending confidence."""
        confidence, correct = self.quoted
        which = np.minimum((confidence * count).astype(int), count - 1)
        found = []
        for number in np.unique(which):
            mine = which == number
            hits, n = int(correct[mine].sum()), int(mine.sum())
            low, high = stats.binomtest(hits, n).proportion_ci(method="wilson")
            found.append(Bin(float(confidence[mine].mean()), hits / n, float(low), float(high), n))
        return found

    @property
    def error(self) -> float:
        """The expected calibration error, 0..1: how far confidence and share of right ones lie apart.

        Source: Naeini, Cooper and Hauskrecht, "Obtaining well calibrated probabilities using Bayesian
        binning", AAAI 2015.
        """
        bins = self.bins()
        total = sum(b.n for b in bins)
        return sum(b.n * abs(b.confidence - b.right) for b in bins) / total if total else float("nan")

    @property
    def brier(self) -> float:
        """The mean squared difference of confidence and outcome, 0..1 (Brier 1950)."""
        confidence, correct = self.quoted
        return float(np.mean((confidence - correct) ** 2)) if len(correct) else float("nan")

    def risk_coverage(self) -> tuple[Values, Values]:
        """Return coverages and risks, one for each threshold, by ascending coverage.

        Coverage is the share of all the questions that are answered, risk the share of those answers that
        are wrong. Source: El-Yaniv and Wiener, "On the foundations of noise-free selective
        classification", JMLR 2010.
        """
        confidence, correct = self.quoted
        order = np.argsort(-confidence, kind="stable")
        last = np.flatnonzero(np.diff(confidence[order], append=-np.inf))  # equal ones are answered together
        answered = last + 1
        wrong = np.cumsum(1 - correct[order])[last]
        return answered / max(1, len(self.right)), wrong / answered

    def at(self, threshold: float) -> tuple[float, float]:
        """Return coverage and risk of answering from this confidence on; the risk of no answer is 0."""
        answered = (self.confidence >= threshold) & (self.confidence >= 0)
        wrong = 1 - self.right[answered]
        return float(np.mean(answered)), float(np.mean(wrong)) if answered.any() else 0.0
