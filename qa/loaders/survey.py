"""How far one run of reading has come, and what it could not read."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from qa.loaders.walk import File, walk

PATIENCE = 2.0
"""Seconds that may be spent on adding up how much there is to read."""


class Survey:
    """What is read of files, in bytes: how much there is, and how much is done with."""

    def __init__(self) -> None:
        self.total: int | None = None
        """Bytes of all files; ``None`` where that is not known."""
        self.incomplete: set[str] = set()
        """Files and folders that could not be read in full."""
        self._before = 0
        self._stream: BinaryIO | None = None

    def measure(self, paths: Iterable[str | Path]) -> None:
        """Add up what the files hold that :func:`qa.loaders.registry.read_paths` will read, if that does not take long."""
        started, total = time.monotonic(), 0
        for path in paths:
            if str(path) == "-":
                return
            for file in walk(Path(path)):
                total += file.size if isinstance(file, File) else 0
                if time.monotonic() - started > PATIENCE:
                    return
        self.total = total

    @property
    def done(self) -> int:
        """Bytes read so far."""
        if self._stream is None or self._stream.closed:
            return self._before
        return self._before + self._stream.tell()

    def opened(self, stream: BinaryIO) -> BinaryIO:
        """Watch the stream of a file on disk, which is read from now on."""
        self._stream = stream
        return stream

    def finished(self, file: File) -> None:
        """Count a file as read, whatever was read of it."""
        self._stream = None
        self._before += file.size
