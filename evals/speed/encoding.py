"""The stage that encodes and indexes real passages: what an archive of one's own takes."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from itertools import chain

from evals.speed.corpus import Corpus
from evals.speed.run import Run
from evals.speed.table import LESS, MORE, Cell, Group, Row
from evals.speed.worker import Worker

WARMING = 100
"""Passages encoded beforehand: enough for an encoder that treats many otherwise than few."""


def encoding(corpus: Corpus, questions: Sequence[str], repetitions: int, run: Run) -> Group:
    """Let each system encode the passages, index them, and encode questions."""
    run.tell(f"encoding and indexing {corpus.passages:,} real passages")
    texts = list(corpus.texts())
    scratch = run.folder / "encoded"
    shutil.rmtree(scratch, ignore_errors=True)

    def encode_and_index(worker: Worker, number: int) -> tuple[float, float]:
        folder = scratch / f"{worker.system}-{number}"
        return worker.call("encode", texts), worker.call("index", corpus, folder, None)

    def ask(worker: Worker, _: int) -> list[float]:
        return list(worker.call("encode_questions", questions))

    with run.workers({name: name for name in run.systems}, "encoding") as workers:
        run.turns(workers, "encoding", 1, lambda worker, _: worker.call("encode", texts[:WARMING]))
        both = run.turns(workers, "encoding and indexing", repetitions, encode_and_index)
        run.turns(workers, "encoding questions", 1, ask)
        asked = run.turns(workers, "encoding questions", repetitions, ask)
    shutil.rmtree(scratch, ignore_errors=True)
    encoded, indexed, shares = (
        {name: Cell.of([of(*seconds) for seconds in times]) for name, times in both.items()}
        for of in (
            lambda alone, _: corpus.passages / alone,
            lambda _, whole: corpus.passages / whole,
            lambda alone, whole: 100 * alone / whole,
        )
    )
    query = {name: Cell.of([*chain(*times)], 1000) for name, times in asked.items()}
    return Group(
        f"{corpus.passages:,} real passages of {corpus.articles:,} articles",
        [
            Row("encoder alone, passages/s", encoded, MORE),
            Row("indexed from JSON Lines, passages/s", indexed, MORE),
            Row("indexing, share of the encoder's own speed, %", shares),
            Row("one question encoded, ms", query, LESS),
        ],
    )
