"""The stage that asks the seed archive: how long a person waits for an answer."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import qa
from embeddings.reading.load import BUNDLED_NAME
from evals.speed.peers import OURS
from evals.speed.report import Cell, Group, Row
from evals.speed.run import Run
from evals.speed.worker import WorkerFailed
from qa.settings import NO_READER, Settings

QUESTION = "Who led the Nanling delegation?"
COLD_RUNS = 2
"""Cold starts for each repetition."""
QA = sys.executable, "-m", "qa"
ANSWERED = 0, 3
READERS = {BUNDLED_NAME: "", NO_READER: ", without the reader"}
MS = 1000.0


def asking(settings: Settings, questions: Sequence[str], repetitions: int, run: Run) -> Group:
    """Ask from a cold shell and warm, with and without the reader.

    Raises:
        WorkerFailed: ``qa ask`` did.
    """
    run.tell("asking the seed archive")
    archives = {
        reader: qa.default_archive(settings.model_copy(update={"reader": reader})) for reader in READERS
    }
    for archive in archives.values():
        archive.ask(QUESTION)
    cold: dict[str, list[float]] = {reader: [] for reader in READERS}
    for _ in range(COLD_RUNS * repetitions):
        for reader in run.draw.sample(sorted(READERS), len(READERS)):
            cold[reader].append(from_shell([*QA, "ask", QUESTION], run.patience, QA_READER=reader))
    rows = [
        Row(f"`qa ask` from a cold shell{said}, s", {OURS: Cell.of(cold[reader])})
        for reader, said in READERS.items()
    ]
    for reader, said in READERS.items():
        for kind in "first question of each kind", "warm `ask`":
            rows.append(Row(f"{kind}{said}, ms", {OURS: _timed(archives[reader].ask, questions)}))
        rows.append(Row(f"warm `search`{said}, ms", {OURS: _timed(archives[reader].search, questions)}))
    return Group(f"{len(archives[BUNDLED_NAME])} seed articles", rows)


def from_shell(command: Sequence[str], patience: float, **environ: str) -> float:
    """Run a command and return the seconds it took.

    Raises:
        WorkerFailed: It failed, or took longer than ``patience``.
    """
    started = time.perf_counter()
    try:
        done = subprocess.run(
            command, env={**os.environ, **environ}, capture_output=True, timeout=patience, check=False
        )
    except subprocess.TimeoutExpired:
        raise WorkerFailed(f"took more than {patience:,.0f} s from a cold shell") from None
    seconds = time.perf_counter() - started
    if done.returncode not in ANSWERED:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["nothing"]
        raise WorkerFailed(f"ended with code {done.returncode}, saying: {said[-1][:200]}")
    return seconds


def _timed(work: Callable[[str], Any], questions: Sequence[str]) -> Cell:
    seconds = []
    for question in questions:
        started = time.perf_counter()
        work(question)
        seconds.append(time.perf_counter() - started)
    return Cell.of(seconds, MS)
