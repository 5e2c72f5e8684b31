"""The stages over corpora: encode and index real passages, search made ones, add articles to archives of every size."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embeddings.types import BUNDLED_READER
from evals.speed.asking import COLD_RUNS, QA, from_shell
from evals.speed.corpus import ADDED_FILES, Corpus, Made, ReadyVectors
from evals.speed.peers import OURS
from evals.speed.report import LESS, MORE, Cell, Group, Row
from evals.speed.run import Run
from evals.speed.worker import K, Worker, WorkerFailed
from qa.settings import NO_READER

WARMING = 100
"""Passages encoded beforehand: enough for an encoder that treats many otherwise than few."""
SLOW = 30.0
"""A cold start that takes more seconds is not repeated."""
TURN = 20
"""Questions that a system answers before it is another one's turn."""
REFERENCE = 10_000
"""The largest archive is compared with the one nearest to this many passages."""
UNCOUNTED, READY = 1, 3
"""Additions that only warm up; additions with ready vectors. In the rest the articles are encoded."""


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
    alone, whole, share = (
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
            Row("encoder alone, passages/s", alone, MORE),
            Row("indexed from JSON Lines, passages/s", whole, MORE),
            Row("indexing, share of the encoder's own speed, %", share),
            Row("one question encoded, ms", query, LESS),
        ],
    )


@dataclass
class Search:
    """One made corpus and the systems' indexes of it.

    Attributes:
        corpus: what is indexed.
        ready: its vectors.
        questions: what is asked.
        vectors: the questions' vectors, shape (n, dim).
        run: whose systems take part.
    """

    corpus: Corpus
    ready: ReadyVectors
    questions: Sequence[str]
    vectors: NDArray[np.float32]
    run: Run
    _samples: dict[str, dict[str, list[float]]] = field(default_factory=dict, init=False)

    @property
    def _size(self) -> str:
        return f"{self.corpus.passages:,} passages"

    def folder(self, system: str) -> Path:
        """Where a system's index lies."""
        return self.run.folder / "indexes" / f"{self.corpus.passages}" / system

    def measure(self, repetitions: int) -> Group:
        """Do all of it; only our own index is left in its folder."""
        for system in self.run.draw.sample(self.run.systems, len(self.run.systems)):
            self._index(system)
        indexed = list(self._samples.get("disk", {}))
        self._search(indexed, repetitions)
        self._start_cold(repetitions)
        for system in indexed:
            if system != OURS:
                shutil.rmtree(self.folder(system))
        return Group(f"{self._size} of {self.corpus.articles:,} articles", list(self._rows()))

    def _add(self, measure: str, system: str, *samples: float) -> None:
        self._samples.setdefault(measure, {}).setdefault(system, []).extend(samples)

    def _index(self, system: str) -> None:
        self.run.tell(f"{system}: indexing {self._size}")
        folder = self.folder(system)
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)

        def index(worker: Worker, _: int) -> tuple[float, float]:
            return worker.call("index", self.corpus, folder, self.ready), worker.call("peak")

        with self.run.workers({system: system}, f"{self._size}, indexing") as workers:
            for ((seconds, peak),) in self.run.turns(workers, f"{self._size}, indexing", 1, index).values():
                self._add("indexed", system, self.corpus.passages / seconds)
                self._add("peak", system, peak)
                files = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
                self._add("disk", system, sum(files) / 2**20)

    def _search(self, systems: Sequence[str], repetitions: int) -> None:
        self.run.tell(f"searching {self._size}: {', '.join(systems)}")
        what = f"{self._size}, searching"
        blocks = [self.questions[at : at + TURN] for at in range(0, len(self.questions), TURN)]

        def ask(worker: Worker, number: int) -> list[float]:
            return list(worker.call("search", blocks[number % len(blocks)]))

        def open_(worker: Worker, _: int) -> float:
            return float(worker.call("open", self.folder(worker.system), self.questions[0]))

        with self.run.workers({system: system for system in systems}, what) as workers:
            for system, (seconds,) in self.run.turns(workers, what, 1, open_).items():
                self._add("open", system, seconds)
            self.run.turns(workers, what, len(blocks), ask)
            for system, found in self.run.turns(workers, what, repetitions * len(blocks), ask).items():
                self._add("search", system, *chain(*found))
            memory = self.run.turns(workers, what, 1, lambda worker, _: worker.call("memory"))
            for system, (megabytes,) in memory.items():
                self._add("memory", system, megabytes)
            near = self.run.turns(workers, what, 1, lambda worker, _: worker.call("nearest", self.vectors))
            for system, (texts,) in near.items():
                self._add("recall", system, *map(_recall, self._exact, texts))
            ours = {OURS: workers[OURS]} if OURS in workers else {}
            read = self.run.turns(ours, what, repetitions, lambda worker, _: worker.call("read", blocks[0]))
            for system, found in read.items():
                self._add("read", system, *chain(*found))
                self._add("read memory", system, workers[system].call("memory"))

    @cached_property
    def _exact(self) -> list[list[str]]:
        self.run.tell(f"searching {self._size} exactly")
        return self.corpus.nearest(self.ready, self.vectors, K)

    def _start_cold(self, repetitions: int) -> None:
        self.run.tell(f"opening {self._size} from a cold shell")
        waiting = [("cold", system) for system in self._samples.get("open", {})]
        if ("cold", OURS) in waiting:
            waiting.append(("cold unread", OURS))
        for _ in range(COLD_RUNS * repetitions):
            for measure, system in self.run.draw.sample(waiting, len(waiting)):
                reader = NO_READER if measure == "cold unread" else BUNDLED_READER
                try:
                    seconds = from_shell(self._command(system), self.run.patience, QA_READER=reader)
                except WorkerFailed as failed:
                    self.run.fail(system, f"{self._size}, cold shell", failed)
                    waiting.remove((measure, system))
                    continue
                self._add(measure, system, seconds)
                if seconds > SLOW:
                    waiting.remove((measure, system))

    def _command(self, system: str) -> list[str]:
        folder, question = str(self.folder(system)), self.questions[0]
        if system == OURS:
            return [*QA, "ask", question, "--archive", folder]
        return [sys.executable, "-m", "evals.speed.worker", system, folder, question]

    def _rows(self) -> Iterator[Row]:
        for measure, title, factor, better in (
            ("search", "search, ms", 1000, LESS),
            ("read", "search, the reader reading, ms", 1000, LESS),
            ("recall", f"recall@{K} of the dense search against exact", 1, ""),
            ("memory", "memory after searching, MB", 1, LESS),
            ("read memory", "memory with the reader, MB", 1, LESS),
            ("disk", "disk, MB", 1, LESS),
            ("open", "open and first search, model loaded, s", 1, LESS),
            ("cold", "open to first answer from a cold shell, s", 1, LESS),
            ("cold unread", "open to first answer from a cold shell, without the reader, s", 1, LESS),
            ("indexed", "indexed with ready vectors, passages/s", 1, MORE),
            ("peak", "memory while indexing, MB", 1, LESS),
        ):
            samples = self._samples.get(measure, {})
            of = Cell.mean if measure == "recall" else Cell.of
            yield Row(title, {system: of(values, factor) for system, values in samples.items()}, better)


def _recall(exact: Sequence[str], found: Sequence[str]) -> float:
    """Return the share of the nearest passages that were found."""
    return len(set(exact) & set(found)) / len(set(exact))


def growing(made: Made, ready: ReadyVectors, archives: Mapping[int, Path], question: str, run: Run) -> Group:
    """Add some articles at a time to our archives, in turns, and remove them again; the size must not matter.

    Args:
        made: Has the articles.
        ready: Their vectors.
        archives: Passages → the archive's folder.
        question: Asked when an archive is opened.
        run: Has the processes.
    """
    run.tell(f"adding {made.further:,} articles at a time")
    labels = {f"{passages:,} passages": folder for passages, folder in archives.items()}
    with run.workers(dict.fromkeys(labels, OURS), "adding") as workers:
        folders = {worker: labels[label] for label, worker in workers.items()}

        def add(worker: Worker, number: int) -> tuple[float, float]:
            vectors = ready if number < UNCOUNTED + READY else None
            added, removed = worker.call("add", made.added(number), vectors)
            return added, removed

        run.turns(workers, "opening", 1, lambda worker, _: worker.call("open", folders[worker], question))
        took = run.turns(workers, "adding", ADDED_FILES, add)
        memory = run.turns(workers, "adding", 1, lambda worker, _: float(worker.call("peak")))
    rows: list[Row] = []
    measured: dict[str, dict[str, list[float]]] = {
        "vectors ready, s": {},
        "encoded, s": {},
        "removed again, s": {},
    }
    for label, times in took.items():
        added, removed = (list(seconds) for seconds in zip(*times[UNCOUNTED:], strict=True))
        for measure, values in zip(measured, (added[:READY], added[READY:], removed), strict=True):
            measured[measure][label] = values
    for measure, by_label in (measured | {"memory at most, MB": memory}).items():
        rows += _rows_by_size(
            measure, {label: Cell.of(values) for label, values in by_label.items()}, archives
        )
    return Group(f"{made.further:,} more articles", rows)


def _rows_by_size(measure: str, cells: Mapping[str, Cell], archives: Mapping[int, Path]) -> Iterator[Row]:
    """Yield a row for each size, and one that compares the largest with the reference."""
    for label, cell in cells.items():
        yield Row(f"{measure}: {label}", {OURS: cell})
    nearest = min(archives, key=lambda passages: abs(passages - REFERENCE))
    small, large = f"{nearest:,} passages", f"{max(archives):,} passages"
    if small != large and small in cells and large in cells:
        yield Row(f"{measure}: {large} : {small}", {OURS: Cell(cells[large].value / cells[small].value)})
