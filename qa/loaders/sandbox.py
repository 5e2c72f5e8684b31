"""Parsing in a process of its own: a document that makes its parser hang, crash or use up memory harms no other.

The process, :mod:`qa.loaders.sandbox_worker`, is started when it is first needed and parses one document after the
other. A request is a line of JSON and the document's bytes; the reply is a line of JSON.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import Any

from qa.loaders import limits
from qa.loaders.input_file import DocumentLoader, InputFile
from qa.loaders.limits import Unreadable
from qa.loaders.loaded import LoadedArticle
from qa.types import Article, Skipped

SECONDS = 60
"""Processor time one document may take."""
BY_THE_CLOCK = 5
"""How many times ``SECONDS`` may pass by the clock, since the machine may be busy with other things."""
PATIENCE = 1
"""Seconds the process may take to end by itself once nothing more is asked of it."""
OUT_OF_TIME = -getattr(signal, "SIGXCPU", 0)


def apart(loader: DocumentLoader, limit: int = limits.MAX_BYTES, seconds: int = SECONDS) -> DocumentLoader:
    """Make a loader work in the sandbox; its document may have ``limit`` bytes and take ``seconds``."""

    @wraps(loader)
    def load(file: InputFile) -> Iterator[LoadedArticle | Skipped]:
        data = file.read(limit)
        assert file.parse_apart is not None
        yield from file.parse_apart(loader, file, data, seconds)

    return load


def request(loader: DocumentLoader, file: InputFile) -> dict[str, Any]:
    """Return what the process is told: which loader, and the file but for its bytes."""
    fields = ("name", "id", "where", "origin", "given", "charset")
    return {
        "loader": [loader.__module__, loader.__qualname__],
        "file": {name: getattr(file, name) for name in fields},
    }


class Sandbox:
    """The process; not to be used by several threads at a time."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def parse(
        self, loader: DocumentLoader, file: InputFile, data: bytes, seconds: int
    ) -> list[LoadedArticle | Skipped]:
        """Return what the loader makes of the data.

        Raises:
            Unreadable: It takes too long, or the process crashes.
        """
        process = self._started()
        late = threading.Event()

        def end() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(BY_THE_CLOCK * seconds, end)
        timer.start()
        try:
            reply = _exchange(process, {**request(loader, file), "size": len(data), "seconds": seconds}, data)
        finally:
            timer.cancel()
            timer.join()
        if not reply.endswith(b"\n"):
            code = self.close()
            if late.is_set() or code == OUT_OF_TIME:
                raise Unreadable(f"takes longer than {seconds} s to parse")
            raise Unreadable("makes its parser crash")
        if late.is_set():  # it was killed just after it had answered
            self.close()
        return [
            Skipped(*item["skipped"])
            if "skipped" in item
            else LoadedArticle(Article.model_validate(item["article"]), item["origin"])
            for item in json.loads(reply)
        ]

    def close(self) -> int | None:
        """End the process. Return its exit code, if it was running."""
        if self._process is None:
            return None
        with suppress(subprocess.TimeoutExpired):
            self._process.communicate(timeout=PATIENCE)
        self._process.kill()
        self._process.communicate()
        code, self._process = self._process.returncode, None
        return code

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            search = [str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH")]
            self._process = subprocess.Popen(
                # -P: a file that happens to be in the working directory must not stand in for a library.
                [sys.executable, "-P", "-m", "qa.loaders.sandbox_worker"],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in search if path)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                # A group of its own: Ctrl-C is for the parent, which ends this process.
                process_group=0 if os.name == "posix" else None,
            )
        return self._process


def _exchange(process: subprocess.Popen[bytes], request: dict[str, Any], data: bytes) -> bytes:
    assert process.stdin is not None
    assert process.stdout is not None
    with suppress(BrokenPipeError):
        process.stdin.write(json.dumps(request).encode() + b"\n")
        process.stdin.write(data)
        process.stdin.flush()
    return process.stdout.readline()
