"""A process that forks a child for each thing to be done with an archive, so that it can be killed in the middle.

Run as ``python -m tests.storage.forking``; :class:`Forks` talks to it. It is a process of its own because the tests'
process has threads, which a fork would not survive. What a child is told arrives as a line of JSON.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import qa
from qa.ingest import indexer as ingest
from qa.storage import generations as published

BATCH, STAGED = 4, 12
"""Passages of a batch, and of a publication: few, so that there are many of both."""
VERSIONS = 1000
"""At most so many are written."""


class Forks:
    """The process that forks."""

    def __init__(self, settings: qa.Settings) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.storage.forking", settings.model_dump_json()],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2],
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def start(self, folder: Path, *step: Any, limit: int = 0) -> int:
        """Begin a step in a child; return its pid when it has opened the archive.

        Args:
            folder: The archive's.
            step: What to do, and with what.
            limit: Longest file it may write, in bytes; 0 for any.
        """
        self._process.stdin.write(json.dumps([str(folder), limit, *step]) + "\n")
        self._process.stdin.flush()
        word, pid = self._said()
        assert word == "ready", pid
        return int(pid)

    def end(self) -> tuple[bool, str]:
        """Wait for the child; return whether it came to an end of its own, and what it said."""
        word, said = self._said()
        if word == "killed":
            return False, ""
        assert self._said()[0] == "ended"
        return True, said

    def kill(self, folder: Path, *step: Any, after: float) -> tuple[bool, float]:
        """Begin a step and kill it; tell whether it was still at work, and how long it had been."""
        pid = self.start(folder, *step)
        started = time.perf_counter()
        time.sleep(after)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        finished, _ = self.end()
        return not finished, time.perf_counter() - started

    def _said(self) -> tuple[str, str]:
        word, _, rest = self._process.stdout.readline().rstrip("\n").partition(" ")
        return word, rest


def articles(rows: list[list[str]]) -> list[qa.Article]:
    """Make articles of (id, text)."""
    return [qa.Article(id=name, text=text) for name, text in rows]


def _do(archive: qa.Archive, what: str, *given: Any) -> str:
    if what == "add":
        return str(archive.add(articles(*given)))
    if what == "remove":
        return str(archive.remove(*given))
    if what == "compact":
        archive.compact(vacuum=True)
        return "compacted"
    until = time.monotonic() + given[0]
    if what == "write":
        return str(_write(archive, until))
    wrong = count = 0
    while time.monotonic() < until:
        hits = archive.search("version of the report", k=50)
        wrong += not whole(hits)
        count += 1
    return f"{wrong} of {count}"


def version(n: int) -> list[qa.Article]:
    """Return six reports that always come and go together."""
    more = "The mayor spoke. " * 40
    return articles([[f"report-{i}", f"Version {n} of the report by author {i}. {more}"] for i in range(6)])


def whole(hits: list[qa.Hit]) -> bool:
    """Whether what a search found is all six reports in one version, or none of them."""
    versions = {hit.text.split()[1] for hit in hits}
    return not hits or (len(versions) == 1 and len({hit.article_id for hit in hits}) == 6)


def _write(archive: qa.Archive, until: float) -> int:
    """Add a version, and another; now and then remove it, or compact the archive. Return how many there were."""
    n = 0
    while time.monotonic() < until and n < VERSIONS:
        archive.add(version(n))
        n += 1
        if n % 4 == 0:
            archive.remove(f"report-{i}" for i in range(6))
        if n % 7 == 0:
            archive.compact()
    return n


def _child(settings: qa.Settings, folder: str, limit: int, *step: Any) -> str:
    ingest.BATCH_PASSAGES, published.STAGED_PASSAGES = BATCH, STAGED
    with qa.Archive.open(folder, settings=settings) as archive:
        _ = archive.encoder
        if limit:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        _say(f"ready {os.getpid()}")
        try:
            return f"done {_do(archive, *step)}"
        except qa.QAError as error:
            return f"failed {error}"


def _say(line: str) -> None:
    os.write(1, f"{line}\n".encode())


def main() -> None:
    """Fork a child for each line."""
    settings = qa.Settings.model_validate_json(sys.argv[1])
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            try:
                said = _child(settings, *json.loads(line))
            except BaseException as error:  # noqa: BLE001 - told to the parent
                said = f"broken {type(error).__name__}: {error}"
            _say(" ".join(said.split()))
            os._exit(0)
        _, status = os.waitpid(pid, 0)
        _say("killed" if os.WIFSIGNALED(status) else "ended")


if __name__ == "__main__":
    main()
