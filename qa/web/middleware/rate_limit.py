"""Who may ask now: so many at once, so many waiting, so often each."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from qa.errors import Busy, TooManyRequests

AT_ONCE = 4
"""Questions answered at the same time."""
WAITING = 64
"""Questions that may wait for a place."""
PATIENCE = 20.0
"""Seconds a question waits for a place."""
MOST_CLIENTS = 10_000
"""Clients of whom it is remembered how often they asked."""


class RateLimiter:
    """Lets questions through, one place for each; safe to use from any thread.

    Args:
        per_minute: Questions a client may ask in a minute, all of them in a burst if it likes; 0 for any number.
        at_once: Questions answered at the same time.
        waiting: Questions that may wait for a place.
        patience: Seconds a question waits.
        clock: Tells the time in seconds.
    """

    def __init__(
        self,
        per_minute: int = 0,
        *,
        at_once: int = AT_ONCE,
        waiting: int = WAITING,
        patience: float = PATIENCE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._per_minute, self._at_once, self._most = per_minute, at_once, waiting
        self._patience, self._clock = patience, clock
        self._running = self._waiting = 0
        self._closed = False
        self._changed = threading.Condition()
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    @contextmanager
    def admitted(self, client: str) -> Iterator[None]:
        """Hold a place while the block runs.

        Raises:
            TooManyRequests: The client asks too often.
            Busy: Too many are asking, or the server is stopping.
        """
        with self._changed:
            self._enter(client)
        try:
            yield
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()

    @contextmanager
    def spare(self) -> Iterator[bool]:
        """Hold a place that nobody waits for, if there is one, for what is not urgent; tell whether there was."""
        with self._changed:
            free = not self._closed and not self._waiting and self._running < self._at_once - 1
            self._running += free
        try:
            yield free
        finally:
            with self._changed:
                self._running -= free
                self._changed.notify_all()

    def close(self, patience: float) -> bool:
        """Let nobody in any more and wait for those inside; tell whether all got through in so many seconds."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            return self._changed.wait_for(lambda: not self._running, patience)

    @property
    def open(self) -> bool:
        """Whether questions are let in at all."""
        return not self._closed

    def _enter(self, client: str) -> None:
        if self._running >= self._at_once and self._waiting >= self._most:
            raise Busy("Many people are asking at once. Ask again in a moment.", 5)
        self._spend(client)
        self._waiting += 1
        try:
            free = self._changed.wait_for(
                lambda: self._closed or self._running < self._at_once, self._patience
            )
        finally:
            self._waiting -= 1
        if self._closed:
            raise Busy("The archive is being restarted. Ask again in a moment.", 10)
        if not free:
            raise Busy("Many people are asking at once. Ask again in a moment.", 5)
        self._running += 1

    def _spend(self, client: str) -> None:
        """Take one from the client's bucket, which fills up again at an even rate."""
        if not self._per_minute:
            return
        now = self._clock()
        left, then = self._left.pop(client, (float(self._per_minute), now))
        rate = self._per_minute / 60
        left = min(float(self._per_minute), left + (now - then) * rate)
        self._left[client] = (left - 1 if left >= 1 else left, now)
        while len(self._left) > MOST_CLIENTS:
            self._left.popitem(last=False)
        if left < 1:
            wait = int((1 - left) / rate) + 1
            seconds = "a second" if wait == 1 else f"{wait} seconds"
            raise TooManyRequests(
                f"You have asked {self._per_minute:,} questions within a minute, as many as this archive "
                f"answers one person. Ask again in {seconds}.",
                wait,
            )
