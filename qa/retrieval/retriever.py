"""Query → passages, best first: dense and keyword search, fused on standardised scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qa.errors import SnapshotDamaged
from qa.query.encoded_query import EncodedQuery
from qa.retrieval.fusion import Floats, favour, fuse
from qa.storage import stories
from qa.storage.snapshot import Snapshot
from qa.storage.transaction import Transaction
from qa.types import Article, Filters, Hit, Passage

DEPTH = 100
"""Passages taken from each search before fusion."""
PASSAGES_READ = 12
"""Best passages that are looked at sentence by sentence."""
RELEVANCE_WEIGHT = 0.1
"""Standard deviations of the fused score that one logit of the reader's relevance is worth."""
SCORE_TOLERANCE = 0.02
"""How far a score of the vector index may lie from the one recomputed from the database."""


class RankedPassage(NamedTuple):
    """A passage in the fused order, with what each search said of it."""

    passage: int
    article: str
    score: float
    """Standard deviations above the mean of the candidates, and what the question's mentions add."""
    dense: float
    """Cosine similarity with the text of the query it is nearest to: -1..1.

    What was said before the question is left aside where the question stands alone: it finds passages, but
    that they fit the conversation is no sign that they answer.
    """
    keyword: float
    """BM25 score; 0 where the keyword search did not find it."""


ScoredPassage = tuple[RankedPassage, Passage, Article]
Read = Callable[[Sequence[ScoredPassage]], Mapping[int, float]]
"""Reads passages; maps those it has read to the logit that they answer."""


def retrieve(
    asked: EncodedQuery,
    k: int,
    transaction: Transaction,
    snapshot: Snapshot,
    read: Read | None,
    *,
    collapse: bool = True,
) -> list[Hit]:
    """Return the best passage of each of the best ``k`` articles, or stories; with ``read``, after reading some.

    Of a story told by several articles, the one whose passage is found first stands for all.
    """
    filters = asked.query.filters
    ranked = rank(asked, k, transaction, snapshot, collapse=collapse)
    if read and k > 0:
        ranked = rerank(ranked, read(load_passages(ranked[:PASSAGES_READ], transaction, filters)))
    return best_hits(ranked, k, transaction, filters, collapse=collapse)


def rank_passages(
    asked: EncodedQuery, depth: int, transaction: Transaction, snapshot: Snapshot
) -> list[RankedPassage]:
    """Return the union of the best ``depth`` passages of each search for each text, in the fused order.

    Raises:
        SnapshotDamaged: The vector index contradicts the database.
    """
    query, texts = asked.query, asked.texts
    allowed = transaction.allowed(query.filters)
    near, similarities = snapshot.vectors.search(asked.vectors, depth, allowed=allowed)
    worded = [snapshot.keywords.search(text, depth, query.filters) for text in texts]
    if allowed is not None:  # the day of one copy and the source of another are no match
        worded = [
            (found[held], scores[held]) for found, scores in worded for held in [np.isin(found, allowed)]
        ]
    wanted = np.unique(np.concatenate([near.ravel(), *(ids for ids, _ in worded)]))
    ids, vectors = transaction.vectors(wanted.tolist())
    if not len(ids):
        return []
    cosines = asked.vectors @ vectors.astype(np.float32).T
    _verify(ids, cosines, near, similarities)
    bm25 = np.zeros_like(cosines)
    for row, (found, scores) in enumerate(worded):
        places, present = _places(ids, found)
        bm25[row, places] = scores[present]
    weights = np.array([weight for _, weight in query.searched], np.float32)
    whole, rows_of_parts = len(weights), range(len(weights), len(texts))
    fused = fuse(cosines[:whole], bm25[:whole], weights)
    if any(asked.mentions):
        parts = [fuse(cosines[[row]], bm25[[row]], np.ones(1, np.float32)) for row in rows_of_parts]
        origins = transaction.origins(ids.tolist())
        fused = favour(asked.mentions, fused, parts, [origins[i][1:] for i in ids.tolist()])
    order = np.lexsort((ids, -fused))
    own = [0, *rows_of_parts] if query.stands_alone else slice(None)
    columns = (fused, cosines[own].max(axis=0), bm25.max(axis=0))
    articles = transaction.articles_of(ids.tolist())
    rows = zip(ids[order].tolist(), *(column[order].tolist() for column in columns), strict=True)
    return [RankedPassage(number, articles[number], *scores) for number, *scores in rows]


def rank(
    asked: EncodedQuery, k: int, transaction: Transaction, snapshot: Snapshot, *, collapse: bool = True
) -> list[RankedPassage]:
    """Rank passages of at least ``min(k, articles the filters leave)`` articles, going as deep as that takes.

    With ``collapse``, of a story told by several articles only the passages of one are kept, and ``k`` counts
    stories.
    """
    wanted = min(k, transaction.coverage(asked.query.filters).articles)
    depth = max(DEPTH, 4 * wanted)
    while True:
        ranked = rank_passages(asked, depth, transaction, snapshot)
        if collapse:
            ranked = _one_of_each_story(ranked, transaction)
        if len({entry.article for entry in ranked}) >= wanted or depth >= len(snapshot.vectors):
            return ranked
        depth *= 4


def _one_of_each_story(ranked: list[RankedPassage], transaction: Transaction) -> list[RankedPassage]:
    story = stories.stories(transaction, {entry.article for entry in ranked})
    if not story:
        return ranked
    first: dict[int, str] = {}
    for entry in ranked:
        if entry.article in story:
            first.setdefault(story[entry.article], entry.article)
    return [e for e in ranked if e.article not in story or first[story[e.article]] == e.article]


def rerank(ranked: Sequence[RankedPassage], relevance: Mapping[int, float]) -> list[RankedPassage]:
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


def best_hits(
    ranked: Sequence[RankedPassage],
    k: int,
    transaction: Transaction,
    filters: Filters | None = None,
    *,
    collapse: bool = True,
) -> list[Hit]:
    """Return the best passage of each of the best ``k`` articles; with ``collapse``, one of each text."""
    best: dict[str, RankedPassage] = {}
    for entry in ranked:
        best.setdefault(entry.article, entry)
    hits: list[Hit] = []
    for entry, passage, article in load_passages(list(best.values())[: max(0, k)], transaction, filters):
        same = [] if collapse else transaction.same_text(entry.article, filters)
        for shown in (same or [article])[: k - len(hits)]:
            hits.append(
                Hit(
                    passage=passage.model_copy(update={"article_id": shown.id}),
                    score=entry.score,
                    score_kind="fused",
                    rank=len(hits) + 1,
                    also=stories.copies(transaction, shown.id) if collapse else (),
                )
            )
    return hits


def load_passages(
    ranked: Sequence[RankedPassage], transaction: Transaction, filters: Filters | None = None
) -> list[ScoredPassage]:
    """Fetch the passages of a ranking, in its order; of articles with one text, the earliest is named."""
    found = transaction.passages([entry.passage for entry in ranked], filters)
    return [(entry, *found[entry.passage]) for entry in ranked if entry.passage in found]


def _verify(ids: NDArray[np.int64], cosines: Floats, near: NDArray[np.int64], similarities: Floats) -> None:
    """Compare the index's scores with those of the stored vectors: noise in its file opens without an error."""
    for row in range(len(near)):
        places, present = _places(ids, near[row])
        recomputed = cosines[row, places]
        if np.any(np.abs(recomputed - similarities[row][present]) > SCORE_TOLERANCE):
            raise SnapshotDamaged("the vector index contradicts the database")


def _places(ids: NDArray[np.int64], wanted: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Where some ids stand among others, which ascend and are not none; and which of the former do at all."""
    places = np.minimum(np.searchsorted(ids, wanted), len(ids) - 1)
    present = ids[places] == wanted
    return places[present], present
