"""How much may be read of a file, and the streams that keep to these limits."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import BinaryIO

MIB = 1 << 20

MAX_TEXT = 5_000_000
"""Characters an article's text may have."""
MAX_FIELD = 1_000
"""Characters its title, source and other short fields may have; longer ones are cut."""
MAX_ID = 2_000
"""Characters its id may have."""
MAX_BYTES = 16 * MIB
"""Bytes one text, page, line or element may have."""
MAX_DOCUMENT = 128 * MIB
"""Bytes a document with pictures (PDF, DOCX) may have."""
MAX_SPOOLED = 1024 * MIB
"""Bytes of a stream that may be copied where its format has to be read in any order."""
MAX_DEPTH = 4
"""How many archives and compressed files may be inside each other."""
MAX_RATIO = 200
"""How many times its size a compressed file or an archive may expand to."""
FREE_BYTES = 64 * MIB
"""Bytes that it may expand to on top of that, however small it is."""


class Unreadable(Exception):
    """Why something cannot be read, in words for the user, without a full stop."""


class Exhausted(Unreadable):
    """A file expands to more than it may; nothing more of it is read."""


class Budget:
    """The bytes to which everything inside one file on disk may expand, at all depths together."""

    def __init__(self, size: int) -> None:
        self._left = FREE_BYTES + MAX_RATIO * size

    def spend(self, size: int) -> None:
        """Count bytes that were expanded; raise :class:`Exhausted` when they are too many."""
        self._left -= size
        if self._left < 0:
            raise Exhausted(f"it expands to more than {MAX_RATIO} times its size, so the rest is not read")


class Metered(io.RawIOBase):
    """A stream whose bytes count against a budget. Closing it closes the streams it reads from."""

    def __init__(self, stream: BinaryIO, budget: Budget, *beneath: BinaryIO) -> None:
        self._stream = stream
        self._budget = budget
        self._beneath = beneath
        # read1 returns the bytes before a fault in the data; read would lose them.
        self._read: Callable[[int], bytes] = getattr(stream, "read1", stream.read)

    def readable(self) -> bool:
        """Whether it can be read: yes."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Read bytes into the buffer; return how many."""
        data = self._read(len(buffer))
        self._budget.spend(len(data))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Close it and the streams beneath."""
        for stream in (self._stream, *self._beneath):
            stream.close()
        super().close()


def lines(stream: BinaryIO) -> Iterator[bytes | None]:
    """Yield the lines of a stream, and ``None`` for one longer than ``MAX_BYTES``.

    Raises:
        Unreadable: A line is longer than ``MAX_SPOOLED``.
    """
    while line := stream.readline(MAX_BYTES + 1):
        if len(line) <= MAX_BYTES or line.endswith(b"\n"):
            yield line
            continue
        yield None
        dropped = 0
        while (rest := stream.readline(MIB)) and not rest.endswith(b"\n"):
            dropped += len(rest)
            if dropped > MAX_SPOOLED:
                raise Unreadable(f"a line of more than {MAX_SPOOLED // MIB} MiB; the rest is not read")


def copied(stream: BinaryIO, target: BinaryIO, limit: int) -> None:
    """Copy a stream.

    Raises:
        Unreadable: It holds more than ``limit`` bytes.
    """
    while data := stream.read(MIB):
        limit -= len(data)
        if limit < 0:
            raise Unreadable("too large to be read from here: save it as a file of its own")
        target.write(data)
