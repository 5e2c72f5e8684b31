"""What anyone has in ten lines, beside the archive's own search: BM25, dense, reciprocal rank fusion.

They search the archive's own passages for the last turn of a conversation alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

import qa
from evals import metrics
from evals.dataset import Dataset, Question
from evals.internals import rank_passages
from evals.outcomes import Outcome

NAMES = ("BM25", "dense", "RRF")
DEPTH = 100
"""Passages taken from each search."""
RRF_K = 60


def reciprocal_rank_fusion(rankings: Iterable[Sequence[int]], k: int = RRF_K) -> list[int]:
    """Order items by the sum over rankings of ``1 / (k + rank)``, ranks from 1; ties by the item.

    Source: Cormack, Clarke and Büttcher, "Reciprocal rank fusion outperforms Condorcet and individual rank
    learning methods", SIGIR 2009.
    """
    scores: dict[int, float] = {}
    for ranking in rankings:
        for rank, item in enumerate(ranking, 1):
            scores[item] = scores.get(item, 0.0) + 1 / (k + rank)
    return sorted(scores, key=lambda item: (-scores[item], item))


def rank_all(archive: qa.Archive, questions: Iterable[Question]) -> dict[str, dict[str, list[str]]]:
    """Return each baseline's order of the articles for each question: name → question id → article ids."""
    orders: dict[str, dict[str, list[str]]] = {name: {} for name in NAMES}
    for question in questions:
        keyword, dense, article = rank_passages(archive, question.question, DEPTH)
        fused = reciprocal_rank_fusion([dense, keyword])
        for name, order in zip(NAMES, (keyword, dense, fused), strict=True):
            orders[name][question.id] = list(dict.fromkeys(article[i] for i in order))
    return orders


def compare(archive: qa.Archive, dataset: Dataset, outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Yield a table: each ranking metric of each baseline, the archive's, and its gain over RRF."""
    ours = {o.id: o.scores for o in outcomes if o.ranking is not None}
    asked = [q for q in dataset.questions if q.id in ours]
    relevant = {q.id: dataset.relevant(q) for q in asked}
    scores = {name: metrics.ranking(found, relevant) for name, found in rank_all(archive, asked).items()}
    yield f"{'against the baselines':<24}{'BM25':>8}{'dense':>8}{'RRF':>8}{'ours':>8}   gain over RRF, 95 % interval"
    for metric in metrics.RANKING:
        values = [{q: s[metric] for q, s in by.items()} for by in (*scores.values(), ours)]
        gain = metrics.paired_difference(values[-2], values[-1])
        cells = "".join(f"{np.mean([*by.values()]):>8.3f}" for by in values)
        low, high = (end if end is not None else float("nan") for end in gain.interval)
        yield f"  {metric:<22}{cells}   {gain.mean:+.3f}  {low:+.3f} – {high:+.3f}"
