"""Owns the two threads, one encoding and one writing, that work beside the caller's, and the short queue to them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import Generic, Self, TypeVar

PENDING = 3
"""Batches in flight at a time: one is encoded, one is written, one waits."""
POLL = 0.2
"""Seconds between two calls of ``idle``."""

Batch = TypeVar("Batch")
Encoded = TypeVar("Encoded")


class Pipeline(Generic[Batch, Encoded]):
    """Takes batches, and encodes and writes them in the order in which they came.

    What goes wrong in a thread is raised by the next :meth:`put` or at the end of the ``with`` block, and nothing
    is written after it. When the block raises, the batch that is being encoded or written is finished, and those
    that wait are dropped.
    """

    def __init__(
        self, encode: Callable[[Batch], Encoded], write: Callable[[Encoded], None], idle: Callable[[], None]
    ) -> None:
        """Start the threads; ``idle`` is called every ``POLL`` seconds in the caller's thread while it waits."""
        self._encode = encode
        self._write = write
        self._idle = idle
        self._encoding = ThreadPoolExecutor(1, "qa-encode")
        self._writing = ThreadPoolExecutor(1, "qa-write")
        self._pending: deque[Future[None]] = deque()
        self._stopped = False

    def __enter__(self) -> Self:
        return self

    def put(self, batch: Batch) -> None:
        """Hand over a batch; wait while ``PENDING`` batches are in flight."""
        while len(self._pending) >= PENDING:
            self._await_first()
        encoded = self._encoding.submit(self._encode, batch)
        self._pending.append(self._writing.submit(self._write_next, encoded))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            while kind is None and self._pending:
                self._await_first()
        finally:
            self._stopped = True
            self._encoding.shutdown(wait=True, cancel_futures=True)
            self._writing.shutdown(wait=True, cancel_futures=True)

    def _await_first(self) -> None:
        first = self._pending[0]
        while not wait([first], POLL).done:
            self._idle()
        self._pending.popleft().result()
        self._idle()

    def _write_next(self, encoded: Future[Encoded]) -> None:
        batch = encoded.result()
        if self._stopped:
            raise CancelledError
        try:
            self._write(batch)
        except BaseException:
            self._stopped = True
            raise
