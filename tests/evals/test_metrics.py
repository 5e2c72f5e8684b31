"""Each metric against a value worked out by hand, in the open."""

from math import log2

import numpy as np
import pytest

from evals import metrics
from evals.baselines import reciprocal_rank_fusion


def test_ranking_metrics_are_the_textbook_ones() -> None:
    scores = metrics.ranking({"q": ["x", "a", "b"]}, {"q": frozenset({"a", "b"})})["q"]
    ideal = 1 / log2(2) + 1 / log2(3)
    found = 1 / log2(3) + 1 / log2(4)
    assert scores == pytest.approx(
        {"hit@1": 0, "recall@5": 1, "MRR@10": 1 / 2, "nDCG@10": found / ideal, "nDCG@5": found / ideal}
    )


def test_a_perfect_ranking_scores_one_everywhere() -> None:
    scores = metrics.ranking({"q": ["a", "x"]}, {"q": frozenset({"a"})})["q"]
    assert scores == dict.fromkeys(metrics.RANKING, 1.0)


def test_ranks_beyond_the_cutoff_do_not_count() -> None:
    ranking = [f"x{i}" for i in range(5)] + ["a"] + [f"y{i}" for i in range(4)] + ["b"]
    scores = metrics.ranking({"q": ranking}, {"q": frozenset({"a", "b"})})["q"]
    assert scores["recall@5"] == scores["nDCG@5"] == 0
    assert scores["MRR@10"] == pytest.approx(1 / 6)
    assert scores["nDCG@10"] == pytest.approx((1 / log2(7)) / (1 / log2(2) + 1 / log2(3)))


def test_a_question_with_no_ranking_scores_zero_and_odd_ids_are_kept() -> None:
    scores = metrics.ranking(
        {"a <::> 1": ["../x y/ü"]}, {"a <::> 1": frozenset({"../x y/ü"}), "b": frozenset("c")}
    )
    assert scores["a <::> 1"]["hit@1"] == 1
    assert scores["b"] == dict.fromkeys(metrics.RANKING, 0.0)


def test_normalising_is_squads() -> None:
    assert metrics.normalise("  The People’s “Court”, a Lin'an-office! ") == "peoples court linanoffice"


@pytest.mark.parametrize(
    ("text", "answer", "held"),
    [
        ("On September 6, Lu Yueping led a team", "september 6", True),
        ("After selection, 9 brands were named", "9", True),
        ("19 brands in 2019", "9", False),
        ("attended the meeting.At the meeting", "meeting", True),
        ("really achieve the “four procurators” together;Second", "four procurators” together", True),
        ("Lin'an District", "Linan District", True),
        ("南陵县检察院召开会议", "检察院", True),
        ("anything", "", False),
        ("anything", "the", False),
    ],
)
def test_an_answer_is_contained_as_whole_words(text: str, answer: str, held: bool) -> None:
    assert metrics.contains(text, answer) is held


@pytest.mark.parametrize(
    ("answer", "short"), [("308", True), ("Yes.", False), ("no", False), ("a", False), ("w " * 13, False)]
)
def test_short_answers_are_few_words_and_no_bare_yes_or_no(answer: str, short: bool) -> None:
    assert metrics.is_short(answer) is short


def test_token_f1_is_the_best_over_the_accepted_answers() -> None:
    # "deputy procurator general" shares two of three with "procurator general": p = 2/3, r = 2/2
    precision, recall = 2 / 3, 2 / 2
    expected = 2 * precision * recall / (precision + recall)
    assert metrics.token_f1(
        "Deputy Procurator General", ["Li Jun", "the Procurator General"]
    ) == pytest.approx(expected)
    assert metrics.token_f1("", ["Li Jun"]) == 0


def test_spans_match_when_they_share_half_of_the_shorter() -> None:
    sentence, word = (100, 200), (195, 205)
    assert metrics.overlap(sentence, word) == 5
    assert metrics.matches(sentence, word)
    assert not metrics.matches(sentence, (196, 206))
    assert not metrics.matches(sentence, (200, 210))


def test_span_f1_counts_characters_once_and_by_article() -> None:
    cited = {"a": [(0, 10), (5, 20)], "b": [(0, 10)]}
    gold = {"a": [(10, 30)]}
    precision, recall = 10 / 30, 10 / 20
    assert metrics.span_f1(cited, gold) == pytest.approx(2 * precision * recall / (precision + recall))
    assert metrics.span_f1({}, gold) == 0


def test_auroc_counts_pairs_in_the_right_order_and_ties_by_half() -> None:
    answerable, unanswerable = np.array([0.9, 0.5]), np.array([0.5, 0.1])
    # pairs: .9>.5, .9>.1, .5=.5, .5>.1
    assert metrics.auroc(answerable, unanswerable) == pytest.approx((1 + 1 + 0.5 + 1) / 4)


def test_the_threshold_refuses_no_more_answerable_questions_than_allowed() -> None:
    answerable = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
    unanswerable = np.array([0.05, 0.15, 0.25, 0.35])
    assert metrics.threshold_for(0.2, answerable) == 0.3
    assert metrics.refused_at(0.2, answerable, unanswerable) == 3 / 4
    assert metrics.refused_at(0.0, answerable, unanswerable) == 1 / 4
    assert metrics.threshold_for(1.0, answerable) == float("inf")


def test_refusal_metrics_work_along_an_axis() -> None:
    draw = np.random.default_rng(7)
    answerable, unanswerable = draw.random((5, 12)).round(1), draw.random((5, 9)).round(1)
    assert metrics.auroc(answerable, unanswerable) == pytest.approx(
        [float(metrics.auroc(*pair)) for pair in zip(answerable, unanswerable, strict=True)]
    )
    assert metrics.refused_at(0.25, answerable, unanswerable) == pytest.approx(
        [float(metrics.refused_at(0.25, *pair)) for pair in zip(answerable, unanswerable, strict=True)]
    )


def test_tied_confidences_are_not_refused_together_when_that_is_too_many() -> None:
    assert metrics.refused_at(0.34, np.array([0.2, 0.2, 0.9]), np.array([0.2, 0.1])) == 1 / 2


def test_an_interval_holds_the_mean_and_is_the_same_at_every_call() -> None:
    values = [0.0, 1.0] * 20
    low, high = first = metrics.mean_interval(values)
    assert low is not None
    assert high is not None
    # The standard error of the mean of 40 fair coins is .5 / sqrt(40) = .079.
    assert low == pytest.approx(0.5 - 1.96 * 0.079, abs=0.03)
    assert high == pytest.approx(0.5 + 1.96 * 0.079, abs=0.03)
    assert metrics.mean_interval(values) == first
    assert metrics.mean_interval([1.0, 1.0]) == (1.0, 1.0)
    assert metrics.mean_interval([1.0]) == (None, None)


def test_systems_are_compared_over_the_questions_both_have() -> None:
    first = {"a": 0.0, "b": 0.5, "c": 0.5, "only here": 1.0}
    second = {"a": 0.5, "b": 1.0, "c": 0.5}
    difference = metrics.paired_difference(first, second)
    assert difference.mean == pytest.approx((0.5 + 0.5 + 0.0) / 3)
    assert difference.interval == (pytest.approx(0.0, abs=0.17), pytest.approx(0.5))
    with pytest.raises(ValueError, match="share no question"):
        metrics.paired_difference({"a": 1.0}, {"b": 1.0})


def test_reciprocal_rank_fusion_by_hand():
    """1: 1/61 + 1/62, 3: 1/63 + 1/61, 2: 1/62; of two equal scores the lower item goes first."""
    assert 1 / 61 + 1 / 62 > 1 / 63 + 1 / 61 > 1 / 62
    assert reciprocal_rank_fusion([[1, 2, 3], [3, 1]]) == [1, 3, 2]
    assert reciprocal_rank_fusion([[5, 9], [9, 5]]) == [5, 9]
