"""Query → passages, best first: dense and keyword search, fused on standardised scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from embeddings import Encoder
from qa.fusion import Floats, favour, fuse
from qa.manifest import SnapshotDamaged
from qa.mentions import find
from qa.snapshot import Snapshot
from qa.transaction import Transaction
from qa.types import Article, Hit, Passage, Query

DEPTH = 100
"""Passages taken from each search before fusion."""
PASSAGES_READ = 12
"""Best passages that are looked at sentence by sentence."""
RELEVANCE_WEIGHT = 0.1
"""Standard deviations of the fused score that one logit of the reader's relevance is worth."""
SCORE_TOLERANCE = 0.02
"""How far a score of the vector index may lie from the one recomputed from the database."""


class Ranked(NamedTuple):
    """A passage in the fused order, with what each search said of it."""

    passage: int
    article: str
    score: float
    """Standard deviations above the mean of the candidates, and what the question's mentions add."""
    dense: float
    """Cosine similarity with the text of the query it is nearest to: -1..1."""
    keyword: float
    """BM25 score; 0 where the keyword search did not find it."""


Located = tuple[Ranked, Passage, Article]
Read = Callable[[Sequence[Located]], Mapping[int, float]]
"""Reads passages; maps those it has read to the logit that they answer."""


def retrieve(
    query: Query, k: int, transaction: Transaction, snapshot: Snapshot, encoder: Encoder, read: Read
) -> list[Hit]:
    """Return the best passage of each of the best ``k`` articles, after reading the best passages."""
    ranked = rank(query, k, transaction, snapshot, encoder)
    relevance = read(load_passages(ranked[:PASSAGES_READ], transaction)) if k > 0 else {}
    return best_hits(rerank(ranked, relevance), k, transaction)


def rank_passages(
    query: Query, depth: int, transaction: Transaction, snapshot: Snapshot, encoder: Encoder
) -> list[Ranked]:
    """Return the union of the best ``depth`` passages of each search for each text, in the fused order.

    Raises:
        SnapshotDamaged: The vector index contradicts the database.
    """
    mentions = find(query.question, snapshot.sources, query.today)
    texts, weights = zip(*query.searched, strict=True)
    texts += tuple(part.text for part in mentions.parts)
    questions = encoder.encode_queries(texts)
    near, similarities = snapshot.vectors.search(questions, depth, allowed=transaction.allowed(query.filters))
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
    origins = transaction.origins(ids.tolist())
    asked = len(weights)
    fused = fuse(cosines[:asked], bm25[:asked], np.array(weights, np.float32))
    if any(mentions):
        parts = [
            fuse(cosines[[row]], bm25[[row]], np.ones(1, np.float32)) for row in range(asked, len(texts))
        ]
        fused = favour(mentions, fused, parts, [origins[i][1:] for i in ids.tolist()])
    order = np.lexsort((ids, -fused))
    columns = (fused, cosines.max(axis=0), bm25.max(axis=0))
    rows = zip(ids[order].tolist(), *(column[order].tolist() for column in columns), strict=True)
    return [Ranked(number, origins[number][0], *scores) for number, *scores in rows]


def rank(
    query: Query, k: int, transaction: Transaction, snapshot: Snapshot, encoder: Encoder
) -> list[Ranked]:
    """Rank passages of at least ``min(k, articles the filters leave)`` articles, going as deep as that takes."""
    wanted = min(k, transaction.coverage(query.filters).articles)
    depth = max(DEPTH, 4 * wanted)
    while True:
        ranked = rank_passages(query, depth, transaction, snapshot, encoder)
        if len({entry.article for entry in ranked}) >= wanted or depth >= len(snapshot.vectors):
            return ranked
        depth *= 4


def rerank(ranked: Sequence[Ranked], relevance: Mapping[int, float]) -> list[Ranked]:
    """Add what the reader made of the passages it has read; the others count as the worst of those.

    Args:
        ranked: The fused order.
        relevance: Passage id → the reader's logit that the passage answers.
    """
    if not relevance:
        return list(ranked)
    worst = min(relevance.values())
    scored = [
        entry._replace(score=entry.score + RELEVANCE_WEIGHT * relevance.get(entry.passage, worst))
        for entry in ranked
    ]
    return sorted(scored, key=lambda entry: (-entry.score, entry.passage))


def best_hits(ranked: Sequence[Ranked], k: int, transaction: Transaction) -> list[Hit]:
    """Return the best passage of each of the best ``k`` articles."""
    best: dict[str, Ranked] = {}
    for entry in ranked:
        best.setdefault(entry.article, entry)
    chosen = load_passages(list(best.values())[: max(0, k)], transaction)
    return [
        Hit(passage=passage, score=entry.score, score_kind="fused", rank=rank)
        for rank, (entry, passage, _) in enumerate(chosen, 1)
    ]


def load_passages(ranked: Sequence[Ranked], transaction: Transaction) -> list[Located]:
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
