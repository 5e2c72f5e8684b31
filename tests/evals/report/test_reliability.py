"""Calibration by hand: six answers, two of them unsure ones, one question without a quote."""

import numpy as np
import pytest

from evals.outcomes import Outcome
from evals.report.reliability import Calibration, right


def outcome(
    confidence: float, *, answerable: bool = True, abstained: bool = False, **scores: float
) -> Outcome:
    return Outcome(
        id=str(confidence),
        type="t",
        answerable=answerable,
        judged=True,
        question="?",
        answers=(),
        abstained=abstained,
        confidence=confidence,
        scores={name.replace("_", " "): value for name, value in scores.items()},
    )


SIX = Calibration(
    np.array([0.95, 0.91, 0.55, 0.52, 0.52, 0.05]),
    np.array([1.0, 1.0, 1.0, 0.0, 1.0, 0.0]),
)


def test_an_answer_is_right_by_the_first_thing_known_of_it():
    assert right(outcome(0.5, contained_answer=0.0, citation_recall=1.0)) is False
    assert right(outcome(0.5, citation_recall=1 / 3, right_article=0.0)) is True
    assert right(outcome(0.5, right_article=1.0)) is True
    assert right(outcome(0.5)) is None
    assert right(outcome(0.5, answerable=False)) is False


def test_what_nobody_can_judge_is_left_out_and_what_quotes_nothing_is_never_covered():
    unjudged = outcome(0.7, contained_answer=1.0).model_copy(update={"judged": False})
    found = Calibration.of(
        [
            outcome(0.9, contained_answer=1.0),
            outcome(0.8),
            unjudged,
            outcome(0.2, right_article=0.0, abstained=True),
        ]
    )
    assert found.confidence.tolist() == [0.9, -1.0]
    assert found.right.tolist() == [1.0, 0.0]
    assert len(found.quoted.right) == 1
    coverage, risk = found.risk_coverage()
    assert (coverage.tolist(), risk.tolist()) == ([0.5], [0.0])
    assert found.at(0.0) == (0.5, 0.0)


def test_bins_by_hand():
    low, middle, high = SIX.bins()
    assert (low.n, middle.n, high.n) == (1, 3, 2)
    assert (low.right, middle.right, high.right) == (0, pytest.approx(2 / 3), 1)
    assert middle.confidence == pytest.approx((0.55 + 0.52 + 0.52) / 3)
    # Wilson: (p + z²/2n ± z·sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n), with p = 2/3, n = 3, z = 1.96
    z2 = 1.959964**2
    half = (z2 * (2 / 9 / 3 + z2 / 36)) ** 0.5
    assert middle.low == pytest.approx((2 / 3 + z2 / 6 - half) / (1 + z2 / 3), abs=1e-6)
    assert middle.high == pytest.approx((2 / 3 + z2 / 6 + half) / (1 + z2 / 3), abs=1e-6)


def test_full_confidence_falls_into_the_last_bin():
    [only] = Calibration(np.array([1.0]), np.array([1.0])).bins()
    assert (only.confidence, only.right, only.n) == (1.0, 1.0, 1)


def test_error_and_brier_by_hand():
    expected = (1 * abs(0.05 - 0) + 3 * abs(1.59 / 3 - 2 / 3) + 2 * abs(0.93 - 1)) / 6
    assert SIX.error == pytest.approx(expected)
    squares = 0.05**2 + 0.09**2 + 0.45**2 + 0.52**2 + 0.48**2 + 0.05**2
    assert SIX.brier == pytest.approx(squares / 6)


def test_risk_and_coverage_by_hand_take_equal_confidences_together():
    coverage, risk = SIX.risk_coverage()
    assert coverage.tolist() == pytest.approx([1 / 6, 2 / 6, 3 / 6, 5 / 6, 1])
    assert risk.tolist() == pytest.approx([0, 0, 0, 1 / 5, 2 / 6])
    assert SIX.at(0.52) == pytest.approx((5 / 6, 1 / 5))
    assert SIX.at(0.99) == (0.0, 0.0)
