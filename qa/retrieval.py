"""Query → passages, best first: dense and keyword search, fused on standardised scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from embeddings import Encoder
from qa.snapshot import Snapshot, SnapshotDamaged
from qa.store import Transaction
from qa.types import Article, Hit, Passage, Query

DEPTH = 100
"""Passages taken from each search before fusion."""
KEYWORD_WEIGHT = 0.4
"""Share of the keyword search in the fused score; beats reciprocal rank fusion on every public set."""
SCORE_TOLERANCE = 0.02
"""How far a score of the vector index may lie from the one recomputed from the database."""

Floats = NDArray[np.float32]
Fusion = Callable[[Floats, Floats, Floats], Floats]
"""Cosines (texts, n), BM25 scores (texts, n) and weights (texts,) → scores (n,)."""


class Ranked(NamedTuple):
    """A passage in the fused order, with what each search said of it."""

    passage: int
    score: float
    """Standard deviations above the mean of the candidates, dense and keyword weighed."""
    dense: float
    """Cosine similarity with the text of the query it is nearest to: -1..1."""
    keyword: float
    """BM25 score; 0 where the keyword search did not find it."""


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


def rank_passages(
    query: Query,
    depth: int,
    transaction: Transaction,
    snapshot: Snapshot,
    encoder: Encoder,
    fusion: Fusion = fuse,
) -> list[Ranked]:
    """Return the union of the best ``depth`` passages of each search for each text, in the fused order.

    Raises:
        SnapshotDamaged: The vector index contradicts the database.
    """
    texts, weights = zip(*query.searched, strict=True)
    allowed = transaction.allowed(query.filters)
    questions = encoder.encode_queries(texts)
    near, similarities = snapshot.vectors.search(questions, depth, allowed=allowed)
    worded = [snapshot.keywords.search(text, depth, query.filters) for text in texts]
    wanted = np.unique(np.concatenate([near.ravel(), *(ids for ids, _ in worded)]))
    ids, vectors = transaction.vectors(wanted.tolist())
    if not len(ids):
        return []
    cosines = questions @ vectors.astype(np.float32).T
    _verify(ids, cosines, near, similarities)
    bm25 = np.zeros_like(cosines)
    for row, (found, scores) in enumerate(worded):
        present = np.isin(found, ids)
        bm25[row, np.searchsorted(ids, found[present])] = scores[present]
    fused = fusion(cosines, bm25, np.array(weights, np.float32))
    order = np.lexsort((ids, -fused))
    columns = (ids, fused, cosines.max(axis=0), bm25.max(axis=0))
    return [Ranked(*row) for row in zip(*(column[order].tolist() for column in columns), strict=True)]


def search(
    query: Query,
    k: int,
    transaction: Transaction,
    snapshot: Snapshot,
    encoder: Encoder,
    fusion: Fusion = fuse,
) -> tuple[list[Hit], list[Ranked]]:
    """Return the best passage of each of the best ``k`` articles, and the passages they were chosen from.

    Exactly ``min(k, articles the filters leave)`` hits: the searches go deeper until that many are found.
    """
    wanted = max(0, min(k, transaction.coverage(query.filters).articles))
    passages = transaction.passage_count()
    depth = max(DEPTH, 4 * wanted)
    while True:
        ranked = rank_passages(query, depth, transaction, snapshot, encoder, fusion)
        articles = transaction.passage_articles(r.passage for r in ranked)
        best: dict[str, Ranked] = {}
        for entry in ranked:
            best.setdefault(articles[entry.passage], entry)
        if len(best) >= wanted or depth >= passages:
            break
        depth *= 4
    chosen = list(best.values())[:wanted]
    found = transaction.passages([entry.passage for entry in chosen])
    hits = [
        Hit(passage=found[entry.passage][0], score=entry.score, score_kind="fused", rank=rank)
        for rank, entry in enumerate(chosen, 1)
    ]
    return hits, ranked


def load_passages(
    ranked: Sequence[Ranked], transaction: Transaction
) -> list[tuple[Ranked, Passage, Article]]:
    """Fetch the passages of a ranking, in its order."""
    found = transaction.passages([entry.passage for entry in ranked])
    return [(entry, *found[entry.passage]) for entry in ranked if entry.passage in found]


def _verify(ids: NDArray[np.int64], cosines: Floats, near: NDArray[np.int64], similarities: Floats) -> None:
    """Compare the index's scores with those of the stored vectors: noise in its file opens without an error."""
    for row in range(len(near)):
        present = np.isin(near[row], ids)
        recomputed = cosines[row, np.searchsorted(ids, near[row][present])]
        if np.any(np.abs(recomputed - similarities[row][present]) > SCORE_TOLERANCE):
            raise SnapshotDamaged("the vector index contradicts the database")
