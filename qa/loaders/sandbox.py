"""Parsing in a process of its own: a document that makes its parser hang, crash or swell costs only itself.

The child, :mod:`qa.loaders.sandbox_worker`, is started when it is first needed and serves one document after the other.
A request is a line of JSON and the document's bytes; the reply is a line of JSON.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import Any

from qa.loaders import limits
from qa.loaders.limits import Unreadable
from qa.loaders.loaded import LoadedArticle
from qa.loaders.source import InputFile
from qa.types import Article, Skipped

SECONDS = 60
"""Processor time one document may take."""
BY_THE_CLOCK = 5
"""Times as long as that it may take by the clock: the machine may be busy with other things."""

PATIENCE = 1
"""Seconds in which the process may end by itself once nothing more is asked of it."""
OUT_OF_TIME = -getattr(signal, "SIGXCPU", 0)

ReadsDocument = Callable[[InputFile], Iterator[LoadedArticle | Skipped]]


def apart(
    reader: ReadsDocument, limit: int = limits.MAX_BYTES, seconds: int = SECONDS
) -> Callable[[InputFile], Iterator[LoadedArticle | Skipped]]:
    """Make a reader work in the child; its document may have ``limit`` bytes and take ``seconds``."""

    @wraps(reader)
    def read(source: InputFile) -> Iterator[LoadedArticle | Skipped]:
        data = source.read(limit)
        if source.child is None:
            raise RuntimeError("the source was made without a child process")
        yield from source.child.parse(reader, source, data, seconds)

    return read


class Child:
    """The process; not for use by several threads at a time."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def parse(
        self, reader: ReadsDocument, source: InputFile, data: bytes, seconds: int
    ) -> list[LoadedArticle | Skipped]:
        """Return what the reader makes of the data.

        Raises:
            Unreadable: It takes too long, or the process dies of it.
        """
        request = {
            "reader": [reader.__module__, reader.__qualname__],
            "size": len(data),
            "seconds": seconds,
            "name": source.name,
            "id": source.id,
            "where": source.where,
            "origin": source.origin,
            "given": dict(source.given),
            "charset": source.charset,
        }
        process = self._started()
        late = threading.Event()

        def end() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(BY_THE_CLOCK * seconds, end)
        timer.start()
        try:
            reply = _exchange(process, request, data)
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
        """End the process. Return the code it ended with, if there was one."""
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
            own_group = 0 if os.name == "posix" else None  # Ctrl-C is for the parent, which ends the child
            search = [str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH")]
            self._process = subprocess.Popen(
                # -P: a file that happens to lie in the working directory must not stand in for a library.
                [sys.executable, "-P", "-m", "qa.loaders.sandbox_worker"],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in search if path)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                process_group=own_group,
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
