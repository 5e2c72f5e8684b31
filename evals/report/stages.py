"""How long each stage of a question takes, and the whole of it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import qa
from evals.dataset import Question
from qa.answering.answerer import HITS
from qa.answering.models import Models, SentenceVectors
from qa.answering.selector import Selector
from qa.query.encoded_query import EncodedQuery
from qa.query.understanding import understand
from qa.retrieval.retriever import PASSAGES_READ, load_passages, rank
from qa.storage.snapshot import Snapshot
from qa.storage.transaction import Transaction
from qa.types import Query

STAGES = ("understand", "rank", "load", "read and select")
WHOLE = ("search", "ask")


class _Watch:
    """Milliseconds by stage."""

    def __init__(self) -> None:
        self.taken: dict[str, list[float]] = {stage: [] for stage in (*STAGES, *WHOLE)}

    @contextmanager
    def at(self, stage: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.taken[stage].append(1000 * (time.perf_counter() - started))


def time_stages(archive: qa.Archive, questions: Sequence[Question]) -> dict[str, list[float]]:
    """Time each question's stages one by one, then a whole search for it and a whole answer to it.

    A question of several parts is timed as one in the stages; its answer goes through them for each part.

    Returns:
        Stage → milliseconds, one for each question; the models are loaded before.
    """
    watch = _Watch()
    sentences = SentenceVectors(archive.encoder)

    def stages(query: Query, models: Models, transaction: Transaction, snapshot: Snapshot) -> None:
        with watch.at("rank"):
            asked = EncodedQuery.of(query, snapshot, archive.encoder)
            ranked = rank(asked, HITS, transaction, snapshot)
        with watch.at("load"):
            passages = load_passages(ranked[:PASSAGES_READ], transaction)
        with watch.at("read and select"):
            Selector(asked, snapshot.keywords, models).select(passages)

    archive.ask(questions[0].question)
    for question in questions:
        with watch.at("understand"):
            query, _ = understand(question.question, question.history, None, archive.settings)
        models = Models.of(archive.encoder, sentences, archive.reader_for(question.question))
        archive._published.reading(partial(stages, query, models))
        with watch.at("search"):
            archive.search(question.question, history=question.history)
        with watch.at("ask"):
            archive.ask(question.question, history=question.history)
    return watch.taken
