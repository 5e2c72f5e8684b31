"""Owns the counts of one run of adding, and tells a watcher how far it has come."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal

from qa.types import IngestReport, Progress, Skipped

EVERY = 0.2
"""Seconds between two events."""

Watcher = Callable[[Progress], None]


class IngestProgress:
    """The counts of one run; their names are those of :class:`qa.IngestReport` and :class:`qa.Progress`."""

    def __init__(self, watcher: Watcher | None) -> None:
        self.read = self.added = self.updated = self.unchanged = self.duplicates = self.passages = 0
        self.removed: list[str] = []
        self.skipped: list[Skipped] = []
        self.fraction: float | None = None
        self._watcher = watcher
        self._started = time.monotonic()
        self._notified = 0.0

    @property
    def watched(self) -> bool:
        """Whether anybody is told."""
        return self._watcher is not None

    @property
    def stored(self) -> int:
        """Articles that this run has stored."""
        return self.added + self.updated + self.duplicates

    def count(self, *, new: bool, copy: bool, passages: int) -> None:
        """Count an article as stored."""
        self.added += new and not copy
        self.duplicates += new and copy
        self.updated += not new
        self.passages += passages

    def skip(self, where: str, why: str) -> None:
        """Record why something is not stored."""
        self.skipped.append(Skipped(where, why[:300]))

    def notify(self, stage: Literal["reading", "publishing"] = "reading", *, now: bool = False) -> None:
        """Tell the watcher how far the run has come, unless it was told less than ``EVERY`` seconds ago."""
        moment = time.monotonic()
        if self._watcher and (now or moment - self._notified >= EVERY):
            self._notified = moment
            names = ("read", "unchanged", "stored", "passages", "fraction")
            counts = {name: getattr(self, name) for name in names}
            seconds = moment - self._started
            self._watcher(Progress(stage=stage, skipped=len(self.skipped), seconds=seconds, **counts))

    def report(self) -> IngestReport:
        """Return what was done."""
        return IngestReport(**{name: getattr(self, name) for name in IngestReport.model_fields})
