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

    def encode(worker: Worker, _: int) -> float:
        return float(worker.call("encode", texts))

    def index(worker: Worker, number: int) -> float:
        return float(worker.call("index", corpus, scratch / f"{worker.system}-{number}", None))

    def ask(worker: Worker, _: int) -> list[float]:
        return list(worker.call("encode_questions", questions))

    with run.workers({name: name for name in run.systems}, "encoding") as workers:
        run.turns(workers, "encoding", 1, lambda worker, _: worker.call("encode", texts[:WARMING]))
        encoded = run.turns(workers, "encoding", repetitions, encode)
        indexed = run.turns(workers, "indexing", repetitions, index)
        run.turns(workers, "encoding questions", 1, ask)
        asked = run.turns(workers, "encoding questions", repetitions, ask)
    shutil.rmtree(scratch, ignore_errors=True)
    rates, speeds = (
        {name: Cell.of([corpus.passages / taken for taken in times]) for name, times in each.items()}
        for each in (encoded, indexed)
    )
    shares = {n: Cell(100 * speeds[n].value / rates[n].value) for n in speeds if n in rates}
    return Group(
        f"{corpus.passages:,} real passages of {corpus.articles:,} articles",
        [
            Row("encoder alone, passages/s", rates, MORE),
            Row("indexed from JSON Lines, passages/s", speeds, MORE),
            Row("indexing, share of the encoder's own speed, %", shares),
            Row("one question encoded, ms", {n: Cell.of([*chain(*t)], 1000) for n, t in asked.items()}, LESS),
        ],
    )
