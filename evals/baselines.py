"""What anyone has in ten lines, run beside the archive's own search: BM25, dense, reciprocal rank fusion.

The question's last turn alone, over the archive's own passages; the reference, not the ruler.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import qa
from evals import metrics
from evals.dataset import Dataset, Question
from evals.outcomes import Outcome
from qa.storage.snapshot import Snapshot
from qa.storage.transaction import Transaction
from qa.types import Filters

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


def rank_articles(archive: qa.Archive, question: str) -> dict[str, list[str]]:
    """Return the articles in each baseline's order, by the baseline's name."""
    vector = archive.encoder.encode_queries([question])

    def rank(transaction: Transaction, snapshot: Snapshot) -> dict[str, list[str]]:
        dense = snapshot.vectors.search(vector, DEPTH)[0][0].tolist()
        keyword = snapshot.keywords.search(question, DEPTH, Filters())[0].tolist()
        article = transaction.articles_of({*dense, *keyword})
        orders = keyword, dense, reciprocal_rank_fusion([dense, keyword])
        return {
            name: list(dict.fromkeys(article[i] for i in order))
            for name, order in zip(NAMES, orders, strict=True)
        }

    return archive._published.reading(rank)


def rank_all(archive: qa.Archive, questions: Iterable[Question]) -> dict[str, dict[str, list[str]]]:
    """Return each baseline's order of the articles for each question: name → question id → article ids."""
    orders: dict[str, dict[str, list[str]]] = {name: {} for name in NAMES}
    for question in questions:
        for name, order in rank_articles(archive, question.question).items():
            orders[name][question.id] = order
    return orders


def compare(archive: qa.Archive, dataset: Dataset, outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Yield a table: each ranking metric of each baseline, the archive's, and its gain over RRF."""
    ours = {o.id: o.scores for o in outcomes if o.ranking is not None}
    asked = [q for q in dataset.questions if q.id in ours]
    relevant = {q.id: dataset.relevant(q) for q in asked}
    scores = {name: metrics.ranking(found, relevant) for name, found in rank_all(archive, asked).items()}
    yield f"{'against the baselines':<24}{'BM25':>8}{'dense':>8}{'RRF':>8}{'ours':>8}   gain over RRF, 95 % interval"
    for metric in metrics.RANKING:
        means = [sum(s[metric] for s in by.values()) / len(by) for by in (*scores.values(), ours)]
        gain = metrics.paired_difference(
            {q: s[metric] for q, s in scores["RRF"].items()}, {q: s[metric] for q, s in ours.items()}
        )
        cells = "".join(f"{mean:>8.3f}" for mean in means)
        low, high = (end if end is not None else float("nan") for end in gain.interval)
        yield f"  {metric:<22}{cells}   {gain.mean:+.3f}  {low:+.3f} – {high:+.3f}"
