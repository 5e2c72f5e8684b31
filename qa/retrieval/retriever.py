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
from qa.storage.view import View
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
    """Standard deviations above the mean of the candidates, and what the question says of the articles adds."""
    dense: float
    """Cosine similarity with the text of the query it is nearest to: -1..1.

    What was said before the question is left aside where the question stands alone: it finds passages, but
    that they fit the conversation is no sign that they answer.
    """
    keyword: float
    """BM25 score; 0 where the keyword search did not find it."""


ScoredPassage = tuple[RankedPassage, Passage, Article]
"""A passage in the fused order, with its text and the article it is cut from."""
Rerank = Callable[[Sequence[ScoredPassage]], Mapping[int, float]]
"""Reads passages; maps the ids of those it has read to the logit that they answer."""


def retrieve(
    asked: EncodedQuery, k: int, view: View, rerank_by: Rerank | None, *, collapse: bool = True
) -> list[Hit]:
    """Return the best passage of each of the best ``k`` articles, or stories.

    With ``rerank_by`` the first passages are read, and ordered anew by what was read.

    Of a story told by several articles, the one whose passage is found first stands for all.
    """
    filters = asked.query.filters
    ranked = rank(asked, k, view, collapse=collapse)
    if rerank_by and k > 0:
        ranked = rerank(ranked, rerank_by(load_passages(ranked[:PASSAGES_READ], view, filters)))
    return best_hits(ranked, k, view, filters, collapse=collapse)


def rank_passages(asked: EncodedQuery, depth: int, view: View) -> list[RankedPassage]:
    """Return the union of the best ``depth`` passages of each search for each text, in the fused order.

    Raises:
        SnapshotDamaged: The vector index contradicts the database.
    """
    query, texts = asked.query, asked.texts
    allowed = view.allowed(query.filters)
    near, similarities = view.nearest(asked.vectors, depth, allowed=allowed)
    worded = [view.matching(text, depth, query.filters) for text in texts]
    if allowed is not None:  # the day of one copy and the source of another are no match
        worded = [
            (found[held], scores[held]) for found, scores in worded for held in [np.isin(found, allowed)]
        ]
    wanted = np.unique(np.concatenate([near.ravel(), *(ids for ids, _ in worded)]))
    ids, vectors = view.vectors(wanted.tolist())
    if not len(ids):
        return []
    cosines = asked.vectors @ vectors.astype(np.float32).T
    _verify(ids, cosines, near, similarities)
    bm25 = np.zeros_like(cosines)
    for row, (found, scores) in enumerate(worded):
        places, present = _places(ids, found)
        bm25[row, places] = scores[present]
    weights = np.array([weight for _, weight in query.searched], np.float32)
    whole, clauses = len(weights), range(len(weights), len(texts))
    fused = fuse(cosines[:whole], bm25[:whole], weights)
    if any(asked.query.scope):
        of_clauses = [fuse(cosines[[row]], bm25[[row]], np.ones(1, np.float32)) for row in clauses]
        origins = view.origins(ids.tolist())
        fused = favour(asked.query.scope, fused, of_clauses, [origins[i][1:] for i in ids.tolist()])
    order = np.lexsort((ids, -fused))
    own = [0, *clauses] if query.stands_alone else slice(None)
    columns = (fused, cosines[own].max(axis=0), bm25.max(axis=0))
    articles = view.articles_of(ids.tolist())
    rows = zip(ids[order].tolist(), *(column[order].tolist() for column in columns), strict=True)
    return [RankedPassage(number, articles[number], *scores) for number, *scores in rows]


def rank(asked: EncodedQuery, k: int, view: View, *, collapse: bool = True) -> list[RankedPassage]:
    """Rank passages of at least ``min(k, articles the filters leave)`` articles, going as deep as that takes.

    With ``collapse``, of a story told by several articles only the passages of one are kept, and ``k`` counts
    stories.
    """
    wanted = min(k, view.coverage(asked.query.filters).articles)
    depth = max(DEPTH, 4 * wanted)
    while True:
        ranked = rank_passages(asked, depth, view)
        if collapse:
            ranked = _one_of_each_story(ranked, view)
        if len({entry.article for entry in ranked}) >= wanted or depth >= view.indexed:
            return ranked
        depth *= 4


def _one_of_each_story(ranked: list[RankedPassage], view: View) -> list[RankedPassage]:
    story = stories.stories(view, {entry.article for entry in ranked})
    if not story:
        return ranked
    first: dict[int, str] = {}
    for entry in ranked:
        if entry.article in story:
            first.setdefault(story[entry.article], entry.article)
    return [e for e in ranked if e.article not in story or first[story[e.article]] == e.article]


def rerank(ranked: Sequence[RankedPassage], relevance: Mapping[int, float]) -> list[RankedPassage]:
    """Add the reader's logit that a passage answers, by passage id; passages not read count as the worst of those."""
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
    view: View,
    filters: Filters | None = None,
    *,
    collapse: bool = True,
) -> list[Hit]:
    """Return the best passage of each of the best ``k`` articles; with ``collapse``, one of each text."""
    best: dict[str, RankedPassage] = {}
    for entry in ranked:
        best.setdefault(entry.article, entry)
    hits: list[Hit] = []
    for entry, passage, article in load_passages(list(best.values())[: max(0, k)], view, filters):
        same = [] if collapse else view.same_text(entry.article, filters)
        for shown in (same or [article])[: k - len(hits)]:
            hits.append(
                Hit(
                    passage=passage.model_copy(update={"article_id": shown.id}),
                    score=entry.score,
                    score_kind="fused",
                    rank=len(hits) + 1,
                    also=stories.copies(view, shown.id) if collapse else (),
                )
            )
    return hits


def load_passages(
    ranked: Sequence[RankedPassage], view: View, filters: Filters | None = None
) -> list[ScoredPassage]:
    """Fetch the passages of a ranking, in its order; of articles with one text, the earliest is named."""
    found = view.passages([entry.passage for entry in ranked], filters)
    return [(entry, *found[entry.passage]) for entry in ranked if entry.passage in found]


def _verify(ids: NDArray[np.int64], cosines: Floats, near: NDArray[np.int64], similarities: Floats) -> None:
    """Compare the index's scores with those of the stored vectors: noise in its file opens without an error."""
    for row in range(len(near)):
        places, present = _places(ids, near[row])
        recomputed = cosines[row, places]
        if np.any(np.abs(recomputed - similarities[row][present]) > SCORE_TOLERANCE):
            raise SnapshotDamaged("the vector index contradicts the database")


def _places(ids: NDArray[np.int64], wanted: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Where ``wanted`` ids stand among ``ids``, which are ascending and at least one; and which of them are there."""
    places = np.minimum(np.searchsorted(ids, wanted), len(ids) - 1)
    present = ids[places] == wanted
    return places[present], present
