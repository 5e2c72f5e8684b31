"""The metrics, as pure functions of numbers, texts and spans. Nothing here knows the archive."""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import ir_measures
import numpy as np
from ir_measures import RR, R, Success, nDCG
from numpy.typing import NDArray
from scipy import stats

Span = tuple[int, int]
Values = NDArray[np.float64]

RANKING = {
    "hit@1": Success @ 1,
    "recall@5": R @ 5,
    "MRR@10": RR @ 10,
    "nDCG@10": nDCG @ 10,
    "nDCG@5": nDCG @ 5,
}
"""Names and measures of the library."""
RESAMPLES = 1000
SEED = 20240228
LONGEST_SHORT_ANSWER = 12
"""Words up to which an accepted answer is short: one that a quote can be asked to contain."""

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_NO_SPACES = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")


class Interval(NamedTuple):
    """A 95 % confidence interval; both ends are ``None`` where there are too few values."""

    low: float | None
    high: float | None


class Difference(NamedTuple):
    """How much better the second of two systems is, over the same questions."""

    mean: float
    interval: Interval


# Ranking


def ranking(
    rankings: Mapping[str, Sequence[str]], relevant: Mapping[str, frozenset[str]]
) -> dict[str, dict[str, float]]:
    """Score each question's ranking by the library ir_measures.

    Args:
        rankings: Question id → article ids, best first, each at most once.
        relevant: Question id → the articles that answer it; at least one.

    Returns:
        Question id → metric → value in 0..1.
    """
    qrels = {q: dict.fromkeys(sorted(articles), 1) for q, articles in relevant.items()}
    run = {q: {a: 1 / rank for rank, a in enumerate(rankings.get(q, ()), 1)} for q in relevant}
    names = {measure: name for name, measure in RANKING.items()}
    scores: dict[str, dict[str, float]] = {q: {} for q in relevant}
    for result in ir_measures.iter_calc(list(RANKING.values()), qrels, run):
        scores[result.query_id][names[result.measure]] = float(result.value)
    return scores


# Short answers


def normalise(text: str) -> str:
    """Return the text as SQuAD compares it: lower case, no punctuation, no articles, single spaces.

    As in the official ``evaluate-v2.0.py``, but for punctuation of every script.
    """
    kept = (c for c in text.lower() if not _is_punctuation(c))
    return " ".join(_ARTICLES.sub(" ", "".join(kept)).split())


def contains(text: str, answer: str) -> bool:
    """Whether the text holds the answer as whole words, both normalised.

    Punctuation may join words (``Lin'an``) or part them (``meeting.At``): either reading will do.
    """
    spaced = ("".join(" " if _is_punctuation(c) else c for c in t) for t in (text, answer))
    return any(_holds(*pair) for pair in ((normalise(text), normalise(answer)), map(normalise, spaced)))


def is_short(answer: str) -> bool:
    """Whether a quote can be asked to contain this accepted answer: few words, and not yes or no."""
    words = normalise(answer).split()
    return 0 < len(words) <= LONGEST_SHORT_ANSWER and words not in (["yes"], ["no"])


def token_f1(prediction: str, answers: Sequence[str]) -> float:
    """Return the best token F1 of the prediction with any accepted answer, as SQuAD computes it."""
    return max((_f1(normalise(prediction).split(), normalise(a).split()) for a in answers), default=0.0)


def _f1(predicted: list[str], gold: list[str]) -> float:
    shared = sum((Counter(predicted) & Counter(gold)).values())
    return 2 * shared / (len(predicted) + len(gold)) if shared else float(predicted == gold)


def _holds(text: str, answer: str) -> bool:
    if _NO_SPACES.search(answer):
        return answer in text
    return bool(answer) and f" {answer} " in f" {text} "


def _is_punctuation(character: str) -> bool:
    return character in string.punctuation or unicodedata.category(character).startswith("P")


# Spans


def overlap(one: Span, other: Span) -> int:
    """Return how many characters two half-open spans share."""
    return max(0, min(one[1], other[1]) - max(one[0], other[0]))


def matches(one: Span, other: Span) -> bool:
    """Whether two spans mark the same place: they share at least half of the shorter one.

    A gold answer of one word lies inside a cited sentence; a cited sentence lies inside a gold passage.
    """
    return 2 * overlap(one, other) >= max(1, min(one[1] - one[0], other[1] - other[0]))


def span_f1(cited: Mapping[str, Sequence[Span]], gold: Mapping[str, Sequence[Span]]) -> float:
    """Return the F1 of cited with gold characters, each article's spans by its id."""
    one, other = _characters(cited), _characters(gold)
    return 2 * len(one & other) / (len(one) + len(other)) if one and other else 0.0


def _characters(spans: Mapping[str, Sequence[Span]]) -> set[tuple[str, int]]:
    return {(article, i) for article, places in spans.items() for place in places for i in range(*place)}


# Refusal. Positive is "the archive does not say"; confidence is low where that is likely.


def auroc(answerable: Values, unanswerable: Values, axis: int = -1) -> Values:
    """Return how often an answerable question has the higher confidence of a pair (ties count half).

    By the Mann-Whitney U statistic, which is the area under the ROC curve times the number of pairs.
    """
    n, others = answerable.shape[axis], unanswerable.shape[axis]
    ranks = stats.rankdata(np.concatenate([answerable, unanswerable], axis=axis), axis=axis)
    of_answerable = np.take(ranks, np.arange(n), axis=axis).sum(axis=axis)
    return np.asarray((of_answerable - n * (n + 1) / 2) / (n * others))


def refused_at(needless: float, answerable: Values, unanswerable: Values, axis: int = -1) -> Values:
    """Return the share of unanswerable questions refused while at most ``needless`` of the others are.

    Refused is what has a confidence below the threshold; the highest threshold allowed is taken.
    """
    threshold = np.expand_dims(threshold_for(needless, answerable, axis), axis)
    return np.asarray((unanswerable < threshold).mean(axis=axis))


def threshold_for(needless: float, answerable: Values, axis: int = -1) -> Values:
    """Return the highest threshold that refuses at most this share of the answerable questions."""
    n = answerable.shape[axis]
    allowed = int(np.floor(needless * n + 1e-9))
    if allowed >= n:
        return np.asarray(np.full_like(answerable.max(axis=axis), np.inf))
    return np.asarray(np.take(np.sort(answerable, axis=axis), allowed, axis=axis))


# Uncertainty


def interval(statistic: Callable[..., Any], *samples: Values) -> Interval:
    """Return the percentile bootstrap interval of a statistic, the same at every call.

    Args:
        statistic: Takes the samples, and an ``axis`` along which it works.
        samples: One value per question each; each sample is resampled on its own.
    """
    if min(len(sample) for sample in samples) < 2:
        return Interval(None, None)
    found = stats.bootstrap(
        samples,
        statistic,
        n_resamples=RESAMPLES,
        batch=100,
        vectorized=True,
        method="percentile",
        rng=np.random.default_rng(SEED),
    ).confidence_interval
    ends = float(found.low), float(found.high)
    return Interval(*ends) if np.isfinite(ends).all() else Interval(None, None)


def mean_interval(values: Sequence[float]) -> Interval:
    """Return the interval of a mean over questions."""
    return interval(np.mean, np.asarray(values, dtype=np.float64))


def paired_difference(first: Mapping[str, float], second: Mapping[str, float]) -> Difference:
    """Compare two systems question by question, by paired bootstrap over the questions both have.

    Args:
        first: Question id → value of the reference system.
        second: The same for the other one.
    """
    ids = sorted(first.keys() & second.keys())
    if not ids:
        raise ValueError("the two systems share no question")
    gains = np.array([second[i] - first[i] for i in ids])
    return Difference(float(gains.mean()), mean_interval(gains.tolist()))
