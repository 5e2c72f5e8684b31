"""One run: which systems take part, their processes, the order of turns, and what could not be measured."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import click

from evals.machine import available_memory
from evals.speed.worker import Worker, WorkerFailed

REST = 0.3
"""Seconds between turns: the threads of some libraries go on spinning for as long."""
MEMORY_SHARE = 0.8
"""Of the memory that is free, what one system may use."""

Result = TypeVar("Result")


class Run:
    """What the stages of a run share."""

    def __init__(self, systems: Sequence[str], folder: Path, patience: float) -> None:
        self.systems = list(systems)
        self.folder = folder
        self.patience = patience
        self.notes: list[str] = []
        self.failed: set[str] = set()
        self.draw = random.Random()

    def tell(self, text: str) -> None:
        """Say what is being done."""
        click.echo(f"{time.strftime('%H:%M:%S')} {text}", err=True)

    def note(self, text: str) -> None:
        """Record what could not be measured, and why."""
        self.notes.append(text)
        self.tell(text)

    def fail(self, system: str, what: str, failed: WorkerFailed) -> None:
        """Record that a system could not do something."""
        self.failed.add(system)
        self.note(f"{system}, {what}: {failed}.")

    @contextmanager
    def workers(self, systems: Mapping[str, str], what: str) -> Iterator[dict[str, Worker]]:
        """Start a process for each system, by a label; those that fail to start are left out."""
        free = available_memory()
        memory = int(MEMORY_SHARE * free) if free else None
        workers: dict[str, Worker] = {}
        try:
            for name, system in systems.items():
                try:
                    workers[name] = Worker(system, self.folder / "systems.log", self.patience, memory)
                except WorkerFailed as failed:
                    self.fail(system, what, failed)
            yield workers
        finally:
            for worker in workers.values():
                worker.close()

    def turns(
        self, workers: dict[str, Worker], what: str, rounds: int, work: Callable[[Worker, int], Result]
    ) -> dict[str, list[Result]]:
        """Let every worker do the work of each round, in a new order each time.

        One that fails is closed, leaves ``workers`` and is noted.

        Returns:
            The results, round by round, of those that did not fail.
        """
        results: dict[str, list[Result]] = {name: [] for name in workers}
        for number in range(rounds):
            for name in self.draw.sample(sorted(results), len(results)):
                time.sleep(REST)
                try:
                    results[name].append(work(workers[name], number))
                except WorkerFailed as failed:
                    worker = workers.pop(name)
                    self.fail(worker.system, what, failed)
                    worker.close()
                    del results[name]
        return results
