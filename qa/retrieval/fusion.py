"""Scores of several searches, for several texts → one score for each passage."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
from numpy.typing import NDArray

from qa.types import Clause, Period, Scope

SOURCE_BOOST = 2.0
"""What an article of a named source gains, in standard deviations of the fused score."""
PUBLISHED_BOOST = 2.0
"""What an article gains that was published when the question says ("the report of 7 October")."""
CONTENT_BOOST = 0.5
"""What an article gains that was published when what the question asks about took place ("in 2022")."""
KEYWORD_WEIGHT = 0.4
"""Share of the keyword search in the fused score; beats reciprocal rank fusion on every public set."""
CLAUSES_WEIGHT = 0.4
"""Share of the best-fitting clause of a question over several articles, against the whole question."""
LEAD = 1.0
"""What the best passage of each clause, and of each named source, gains: each is to be cited."""

Floats = NDArray[np.float32]
Origin = tuple[str | None, date | None]
"""Source and date of the article a passage is cut from."""


def fuse(cosines: Floats, bm25: Floats, weights: Floats) -> Floats:
    """Fuse by a weighted sum of standard scores, ``(x - mean) / deviation`` over the candidates.

    Source: the "z-score" normalisation of Montague and Aslam, "Relevance score normalization for
    metasearch", CIKM 2001, with a convex combination as in Bruch, Gai and Ingber, "An analysis of fusion
    functions for hybrid retrieval", TOIS 2023. Unlike ranks, scores tell a clear winner from a tie, and a
    search that finds nothing has no say.
    """
    fused = (1 - KEYWORD_WEIGHT) * _standardised(cosines) + KEYWORD_WEIGHT * _standardised(bm25)
    return np.asarray(weights @ fused, np.float32)


def _standardised(scores: Floats) -> Floats:
    deviation = scores.std(axis=1, keepdims=True)
    centred = scores - scores.mean(axis=1, keepdims=True)
    zeros = np.zeros_like(centred)
    return np.asarray(np.divide(centred, deviation, out=zeros, where=deviation > 1e-6))


def favour(scope: Scope, whole: Floats, clauses: Sequence[Floats], origins: Sequence[Origin]) -> Floats:
    """Add to the fused scores what a question says of the articles it means.

    Args:
        scope: What it says.
        whole: The fused scores for the whole question: (n,).
        clauses: The same for each of its clauses: (n,) each.
        origins: Source and date of each candidate: n.
    """
    distinct = {origin: i for i, origin in enumerate(dict.fromkeys(origins))}
    which = np.array([distinct[origin] for origin in origins])

    def gains(meant: Scope | Clause) -> Floats:
        return np.asarray(np.array([boost(meant, *origin) for origin in distinct], np.float32)[which])

    scores = whole + gains(scope)
    lead = np.zeros_like(scores)
    if scope.clauses:
        fitting = np.stack(clauses) + np.stack([gains(clause) for clause in scope.clauses])
        scores = (1 - CLAUSES_WEIGHT) * scores + CLAUSES_WEIGHT * fitting.max(axis=0)
        lead[fitting.argmax(axis=1)] = LEAD
    for source in scope.sources:
        from_it = np.array([origin[0] == source for origin in origins])
        if from_it.any():
            lead[np.where(from_it, scores, -np.inf).argmax()] += LEAD
    return np.asarray(scores + lead, np.float32)


def boost(meant: Scope | Clause, source: str | None, published: date | None) -> float:
    """Return what an article gains in the fused score for being from where and when it is meant to be.

    Where the question has clauses, the clause that the article fits best counts, so that the source of one does
    not go with the date of another.
    """
    if isinstance(meant, Scope) and meant.clauses:
        return max(boost(clause, source, published) for clause in meant.clauses)
    gain = SOURCE_BOOST if source in meant.sources else 0.0
    if published is None:
        return gain
    return gain + max((_weight(period) for period in meant.periods if period.holds(published)), default=0.0)


def _weight(period: Period) -> float:
    if period.hard:
        return PUBLISHED_BOOST
    # "before 1990" of the content says nothing of when it was written about
    return 0.0 if period.how in ("after", "before") else CONTENT_BOOST
