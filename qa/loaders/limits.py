"""How much a reader may read: the bounds, and the streams that keep to them."""

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
"""Bytes copied aside where a format must be read in any order but lies in a stream."""
MAX_DEPTH = 4
"""Archives and compressions inside each other."""
MAX_RATIO, FREE_BYTES = 200, 64 * MIB
"""A file may expand to this many times its size, and the bytes it may expand to in any case."""


class Unreadable(Exception):
    """Why something cannot be read, in words for the user, without a full stop."""


class Exhausted(Unreadable):
    """A file expands to more than it may; nothing more of it is read."""


class Budget:
    """What the members of one file on disk may expand to, all together and at every depth."""

    def __init__(self, size: int) -> None:
        self._left = FREE_BYTES + MAX_RATIO * size

    def spend(self, size: int) -> None:
        """Count bytes that were expanded.

        Raises:
            Exhausted: They are too many.
        """
        self._left -= size
        if self._left < 0:
            raise Exhausted(f"it expands to more than {MAX_RATIO} times its size, so the rest is not read")


class Metered(io.RawIOBase):
    """A stream whose every byte is counted against a budget. Closing it closes what it reads from."""

    def __init__(self, stream: BinaryIO, budget: Budget, *beneath: BinaryIO) -> None:
        self._stream = stream
        self._budget = budget
        self._beneath = beneath
        # read1 hands out what comes before a fault; read would drop it.
        self._read: Callable[[int], bytes] = getattr(stream, "read1", stream.read)

    def readable(self) -> bool:
        """Whether it can be read: yes."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill the buffer as far as there is something."""
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
    """Yield the lines of a stream, and ``None`` for one that is too long.

    Raises:
        Unreadable: A line has no end in sight.
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
