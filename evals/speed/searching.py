"""The stage that indexes, opens and searches one made corpus by every system."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embeddings.types import BUNDLED_READER
from evals.speed.asking import COLD_RUNS, QA, from_shell
from evals.speed.corpus import Corpus
from evals.speed.machine import available_memory
from evals.speed.ready import ReadyVectors
from evals.speed.run import Run
from evals.speed.systems import OURS
from evals.speed.table import LESS, MORE, Cell, Group, Row
from evals.speed.worker import K, Worker, WorkerFailed
from qa.settings import NO_READER

SLOW = 30.0
"""A cold start that takes more seconds is not repeated."""
TURN = 20
"""Questions that a system answers before it is another one's turn."""


class Search:
    """One corpus and the systems' indexes of it.

    Args:
        corpus: What is indexed.
        ready: Its vectors.
        questions: What is asked.
        vectors: The questions' vectors: (n, dim).
        run: Whose systems take part.
    """

    def __init__(
        self,
        corpus: Corpus,
        ready: ReadyVectors,
        questions: Sequence[str],
        vectors: NDArray[np.float32],
        run: Run,
    ) -> None:
        self._corpus = corpus
        self._ready = ready
        self._questions = questions
        self._vectors = vectors
        self._run = run
        self._size = f"{corpus.passages:,} passages"
        self._samples: dict[str, dict[str, list[float]]] = {}

    def folder(self, system: str) -> Path:
        """Where a system's index lies."""
        return self._run.folder / "indexes" / f"{self._corpus.passages}" / system

    def measure(self, repetitions: int) -> Group:
        """Do all of it; only our own index is left in its folder."""
        for system in self._run.draw.sample(self._run.systems, len(self._run.systems)):
            self._index(system)
        for heat in self._heats():
            self._search(heat, repetitions)
        self._start_cold(repetitions)
        for system in self._samples.get("disk", {}):
            if system != OURS:
                shutil.rmtree(self.folder(system))
        return Group(f"{self._size} of {self._corpus.articles:,} articles", list(self._rows()))

    def _add(self, measure: str, system: str, *samples: float) -> None:
        self._samples.setdefault(measure, {}).setdefault(system, []).extend(samples)

    def _index(self, system: str) -> None:
        self._run.tell(f"{system}: indexing {self._size}")
        folder = self.folder(system)
        shutil.rmtree(folder, ignore_errors=True)
        folder.parent.mkdir(parents=True, exist_ok=True)

        def index(worker: Worker, _: int) -> tuple[float, float]:
            return worker.call("index", self._corpus, folder, self._ready), worker.call("peak")

        with self._run.workers({system: system}, f"{self._size}, indexing") as workers:
            for ((seconds, peak),) in self._run.turns(workers, f"{self._size}, indexing", 1, index).values():
                self._add("indexed", system, self._corpus.passages / seconds)
                self._add("peak", system, peak)
                files = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
                self._add("disk", system, sum(files) / 2**20)

    def _heats(self) -> Iterator[list[str]]:
        """Group the systems so that each group fits into memory; ours is in all of them."""
        free = (available_memory() or sys.maxsize) / 2**20
        peaks = {system: peak for system, (peak,) in self._samples.get("peak", {}).items()}
        ours = [OURS] if OURS in peaks else []
        heat, taken = list(ours), 0.0
        for system in sorted(peaks.keys() - {OURS}, key=peaks.__getitem__):
            if len(heat) > len(ours) and taken + peaks[system] > free:
                yield heat
                heat, taken = list(ours), 0.0
            heat.append(system)
            taken += peaks[system]
        if heat:
            yield heat

    def _search(self, heat: Sequence[str], repetitions: int) -> None:
        self._run.tell(f"searching {self._size}: {', '.join(heat)}")
        what = f"{self._size}, searching"
        blocks = [self._questions[at : at + TURN] for at in range(0, len(self._questions), TURN)]

        def ask(worker: Worker, number: int) -> list[float]:
            return list(worker.call("search", blocks[number % len(blocks)]))

        def open_(worker: Worker, _: int) -> float:
            return float(worker.call("open", self.folder(worker.system), self._questions[0]))

        with self._run.workers({system: system for system in heat}, what) as workers:
            for system, (seconds,) in self._run.turns(workers, what, 1, open_).items():
                self._add("open", system, seconds)
            self._run.turns(workers, what, len(blocks), ask)
            for system, found in self._run.turns(workers, what, repetitions * len(blocks), ask).items():
                self._add("search", system, *chain(*found))
            memory = self._run.turns(workers, what, 1, lambda worker, _: worker.call("memory"))
            for system, (megabytes,) in memory.items():
                self._add("memory", system, megabytes)
            near = self._run.turns(workers, what, 1, lambda worker, _: worker.call("nearest", self._vectors))
            for system, (texts,) in near.items():
                self._add("recall", system, *map(_recall, self._exact, texts))
            ours = {OURS: workers[OURS]} if OURS in workers else {}
            read = self._run.turns(ours, what, repetitions, lambda worker, _: worker.call("read", blocks[0]))
            for system, found in read.items():
                self._add("read", system, *chain(*found))
                self._add("read memory", system, workers[system].call("memory"))

    @cached_property
    def _exact(self) -> list[list[str]]:
        self._run.tell(f"searching {self._size} exactly")
        return self._corpus.nearest(self._ready, self._vectors, K)

    def _start_cold(self, repetitions: int) -> None:
        self._run.tell(f"opening {self._size} from a cold shell")
        waiting = [("cold", system) for system in self._samples.get("open", {})]
        if ("cold", OURS) in waiting:
            waiting.append(("cold unread", OURS))
        for _ in range(COLD_RUNS * repetitions):
            for measure, system in self._run.draw.sample(waiting, len(waiting)):
                reader = NO_READER if measure == "cold unread" else BUNDLED_READER
                try:
                    seconds = from_shell(self._command(system), self._run.patience, QA_READER=reader)
                except WorkerFailed as failed:
                    self._run.fail(system, f"{self._size}, cold shell", failed)
                    waiting.remove((measure, system))
                    continue
                self._add(measure, system, seconds)
                if seconds > SLOW:
                    waiting.remove((measure, system))

    def _command(self, system: str) -> list[str]:
        folder, question = str(self.folder(system)), self._questions[0]
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
