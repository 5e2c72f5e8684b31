"""A system in a process of its own, so that nothing it imports, keeps or breaks affects the others.

``python -m evals.speed.worker SYSTEM FOLDER QUESTION`` opens an index and asks it, from a cold start.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evals.speed.peers import load_system

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from evals.speed.corpus import Corpus, ReadyVectors

K = 10
"""Results asked for."""


class WorkerFailed(Exception):
    """A system could not do what it was asked; the message says why."""


class _Bench:
    """What is done with a system inside its process. Durations are in seconds, memory in MB."""

    def __init__(self, name: str) -> None:
        self._system: Any = load_system(name)
        self._system.load()

    def encode(self, texts: list[str]) -> float:
        return _seconds(self._system.encode, texts)

    def encode_questions(self, texts: Sequence[str]) -> list[float]:
        return [_seconds(self._system.encode_question, text) for text in texts]

    def index(self, corpus: Corpus, folder: Path, ready: ReadyVectors | None) -> float:
        """Index passages into a folder that does not exist yet."""
        return _seconds(self._system.index, corpus, folder, ready)

    def open(self, folder: Path, question: str) -> float:
        """Open an index and ask it the first question."""
        return _seconds(self._system.open, folder) + _seconds(self._system.search, question, K)

    def search(self, questions: Sequence[str]) -> list[float]:
        """Ask questions one by one, after one that is not timed."""
        self._system.search(questions[0], K)
        return [_seconds(self._system.search, question, K) for question in questions]

    def read(self, questions: Sequence[str]) -> list[float]:
        """Ask our archive, which lets its reader read, after one question that is not timed."""
        read = partial(self._system.search, k=K, read=True)
        read(questions[0])
        return [_seconds(read, question) for question in questions]

    def nearest(self, vectors: NDArray[Any]) -> list[list[str]]:
        """Return what the dense search alone finds for each vector."""
        return [self._system.nearest(vector, K) for vector in vectors]

    def add(self, file: Path, ready: ReadyVectors | None) -> tuple[float, float]:
        """Add a file of articles to our archive and remove them again."""
        seconds: tuple[float, float] = self._system.add(file, ready)
        return seconds

    def memory(self) -> float:
        """Return what the process occupies, mapped files included."""
        return _memory("VmRSS")

    def peak(self) -> float:
        """Return the most that the process has occupied."""
        return _memory("VmHWM")


class Worker:
    """The process of a system, seen from outside.

    Args:
        system: The system's name.
        log: The file its output goes to.
        patience: Seconds that a call may take.
        memory: Bytes that the process may allocate; by default any number.

    Raises:
        WorkerFailed: It could not be started.
    """

    def __init__(self, system: str, log: Path, patience: float, memory: int | None = None) -> None:
        self.system = system
        self._patience = patience
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(system, log, theirs, memory), daemon=True)
        self._process.start()
        theirs.close()
        self._answer()

    def call(self, method: str, *args: Any) -> Any:
        """Call a method of :class:`_Bench` there.

        Raises:
            WorkerFailed: It raised, took too long, or the process died.
        """
        try:
            self._connection.send((method, args))
        except BrokenPipeError:
            raise WorkerFailed("its process is gone") from None
        return self._answer()

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.join()
        self._connection.close()

    def _answer(self) -> Any:
        try:
            if not self._connection.poll(self._patience):
                self._process.kill()
                raise WorkerFailed(f"took more than {self._patience:,.0f} s")
            done, result = self._connection.recv()
        except (EOFError, ConnectionResetError):
            self._process.join()
            code = self._process.exitcode
            why = (
                "killed, most likely for its memory" if code == -signal.SIGKILL else f"ended with code {code}"
            )
            raise WorkerFailed(f"its process was {why}") from None
        if not done:
            raise WorkerFailed(result)
        return result


def _serve(system: str, log: Path, connection: Connection, memory: int | None) -> None:
    """Do what the parent asks until it hangs up."""
    if memory:
        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    with log.open("ab") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    try:
        bench = _Bench(system)
    except Exception as error:  # noqa: BLE001 - whatever a library raises is told to the parent
        connection.send((False, _said(error)))
        return
    connection.send((True, None))
    while True:
        try:
            method, args = connection.recv()
        except (EOFError, KeyboardInterrupt):
            return
        try:
            answer = True, getattr(bench, method)(*args)
        except Exception as error:  # noqa: BLE001
            answer = False, _said(error)
        connection.send(answer)


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


def _seconds(work: Callable[..., Any], *args: Any) -> float:
    started = time.perf_counter()
    work(*args)
    return time.perf_counter() - started


def _memory(field: str) -> float:
    """Return a field of Linux's account of this process; NaN on other systems."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(field)), float("nan"))


if __name__ == "__main__":
    opened = load_system(sys.argv[1])
    opened.load()
    opened.open(Path(sys.argv[2]))
    sys.stdout.write("\n".join(opened.search(sys.argv[3], K)))
