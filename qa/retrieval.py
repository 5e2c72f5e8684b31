"""Query → passages, best first: dense and keyword search, fused by reciprocal rank."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from embeddings import Encoder
from qa.snapshot import Snapshot, SnapshotDamaged
from qa.store import Transaction
from qa.types import Article, Hit, Passage, Query

DEPTH = 100
"""Passages taken from each search before fusion."""
RRF_K = 60
SCORE_TOLERANCE = 0.02
"""How far a score of the vector index may lie from the one recomputed from the database."""


class Ranked(NamedTuple):
    """A passage in the fused order, with what each search said of it."""

    passage: int
    score: float
    """Reciprocal rank fusion score."""
    dense: float
    """Cosine similarity; 0 where only the keyword search found it."""
    keyword: float
    """BM25 score; 0 where only the dense search found it."""


def reciprocal_rank_fusion(rankings: Iterable[Sequence[int]], k: int = RRF_K) -> dict[int, float]:
    """Fuse rankings: the sum over rankings of ``1 / (k + rank)``, ranks from 1.

    Source: Cormack, Clarke and Büttcher, "Reciprocal rank fusion outperforms Condorcet and
    individual rank learning methods", SIGIR 2009.

    Returns:
        Scores by id, best first; ties by ascending id.
    """
    scores: dict[int, float] = {}
    for ranking in rankings:
        for rank, item in enumerate(ranking, 1):
            scores[item] = scores.get(item, 0.0) + 1.0 / (k + rank)
    return dict(sorted(scores.items(), key=lambda entry: (-entry[1], entry[0])))


def rank_passages(
    query: Query, depth: int, transaction: Transaction, snapshot: Snapshot, encoder: Encoder
) -> list[Ranked]:
    """Return the union of the best ``depth`` passages of each search, in the fused order.

    Raises:
        SnapshotDamaged: The vector index contradicts the database.
    """
    allowed = transaction.allowed(query.filters)
    vector = encoder.encode_queries([query.text])
    ids, cosines = (row[0] for row in snapshot.vectors.search(vector, depth, allowed=allowed))
    _verify(transaction, vector[0], ids[:3], cosines[:3])
    words, bm25 = snapshot.keywords.search(query.text, depth, query.filters)
    dense = dict(zip(ids.tolist(), cosines.tolist(), strict=True))
    keyword = dict(zip(words.tolist(), bm25.tolist(), strict=True))
    fused = reciprocal_rank_fusion([list(dense), list(keyword)])
    return [Ranked(i, score, dense.get(i, 0.0), keyword.get(i, 0.0)) for i, score in fused.items()]


def search(
    query: Query, k: int, transaction: Transaction, snapshot: Snapshot, encoder: Encoder
) -> tuple[list[Hit], list[Ranked]]:
    """Return the best passage of each of the best ``k`` articles, and the passages they were chosen from.

    Exactly ``min(k, articles the filters leave)`` hits: the searches go deeper until that many are found.
    """
    wanted = max(0, min(k, transaction.coverage(query.filters).articles))
    passages = transaction.passage_count()
    depth = max(DEPTH, 4 * wanted)
    while True:
        ranked = rank_passages(query, depth, transaction, snapshot, encoder)
        articles = transaction.passage_articles(r.passage for r in ranked)
        best: dict[str, Ranked] = {}
        for entry in ranked:
            if (article := articles.get(entry.passage)) is not None:
                best.setdefault(article, entry)
        if len(best) >= wanted or depth >= passages:
            break
        depth *= 4
    chosen = list(best.values())[:wanted]
    found = transaction.passages([entry.passage for entry in chosen])
    hits = [
        Hit(passage=found[entry.passage][0], score=entry.score, score_kind="rrf", rank=rank)
        for rank, entry in enumerate(chosen, 1)
    ]
    return hits, [entry for entry in ranked if entry.passage in articles]


def load_passages(ranked: Sequence[Ranked], transaction: Transaction) -> list[tuple[Ranked, Passage, Article]]:
    """Fetch the passages of a ranking, in its order."""
    found = transaction.passages([entry.passage for entry in ranked])
    return [(entry, *found[entry.passage]) for entry in ranked if entry.passage in found]


def _verify(
    transaction: Transaction, query: NDArray[np.float32], ids: NDArray[np.int64], scores: NDArray[np.float32]
) -> None:
    """Compare the best scores with the vectors in the database: noise in an index file opens without an error."""
    stored, vectors = transaction.vectors(ids.tolist())
    expected = dict(zip(stored.tolist(), (vectors.astype(np.float32) @ query).tolist(), strict=True))
    for number, score in zip(ids.tolist(), scores.tolist(), strict=True):
        if number in expected and abs(expected[number] - score) > SCORE_TOLERANCE:
            raise SnapshotDamaged("the vector index contradicts the database")
