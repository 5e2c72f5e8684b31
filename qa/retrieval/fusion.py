"""Scores of several searches, for several texts → one score for each passage."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
from numpy.typing import NDArray

from qa.query.periods import Period
from qa.query.scope import Clause, Scope

KEYWORD_WEIGHT = 0.4
"""Share of the keyword search in the fused score; beats reciprocal rank fusion on every public set."""
PARTS_WEIGHT = 0.4
"""Share of the best-fitting part of a question over several articles, against the whole question."""
LEAD = 1.0
"""What the best passage of each part, and of each named source, gains: each is to be cited."""

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


def favour(mentions: Scope, whole: Floats, parts: Sequence[Floats], origins: Sequence[Origin]) -> Floats:
    """Add to the fused scores what a question says of the articles it means.

    Args:
        mentions: What it says.
        whole: The fused scores for the whole question: (n,).
        parts: The same for each of its parts: (n,) each.
        origins: Source and date of each candidate: n.
    """
    distinct = {origin: i for i, origin in enumerate(dict.fromkeys(origins))}
    which = np.array([distinct[origin] for origin in origins])

    def gains(mentioned: Scope | Clause) -> Floats:
        return np.asarray(np.array([boost(mentioned, *origin) for origin in distinct], np.float32)[which])

    scores = whole + gains(mentions)
    lead = np.zeros_like(scores)
    if mentions.parts:
        fitting = np.stack(parts) + np.stack([gains(part) for part in mentions.parts])
        scores = (1 - PARTS_WEIGHT) * scores + PARTS_WEIGHT * fitting.max(axis=0)
        lead[fitting.argmax(axis=1)] = LEAD
    for source in mentions.sources:
        from_it = np.array([origin[0] == source for origin in origins])
        if from_it.any():
            lead[np.where(from_it, scores, -np.inf).argmax()] += LEAD
    return np.asarray(scores + lead, np.float32)


SOURCE_BOOST = 2.0
"""What an article of a named source gains, in standard deviations of the fused score."""


PUBLISHED_BOOST = 2.0
"""What an article gains that was published when the question says ("the report of 7 October")."""


CONTENT_BOOST = 0.5
"""What an article gains that was published when what the question asks about took place ("in 2022")."""


def boost(mentioned: Scope | Clause, source: str | None, published: date | None) -> float:
    """Return what an article gains in the fused score for being from where and when it is meant to be.

    Where the question has parts, the part the article fits best counts, so that the source of one does
    not go with the date of another.

    Args:
        mentioned: The question, or a part of it.
        source: The article's source.
        published: Its date.
    """
    if isinstance(mentioned, Scope) and mentioned.parts:
        return max(boost(part, source, published) for part in mentioned.parts)
    gain = SOURCE_BOOST if source in mentioned.sources else 0.0
    if published is None:
        return gain
    return gain + max(
        (_weight(period) for period in mentioned.periods if period.holds(published)), default=0.0
    )


def _weight(period: Period) -> float:
    if period.hard:
        return PUBLISHED_BOOST
    # "before 1990" of the content says nothing of when it was written about
    return 0.0 if period.how in ("after", "before") else CONTENT_BOOST
