"""What one run of adding has done so far: counted, and told to who wants to watch."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal

from qa.types import IngestReport, Progress, Skipped

EVERY = 0.2
"""Seconds between two events."""

Watcher = Callable[[Progress], None]


class IngestProgress:
    """The counts of one run."""

    def __init__(self, watcher: Watcher | None) -> None:
        self.read = 0
        self.added = 0
        self.updated = 0
        self.unchanged = 0
        self.duplicates = 0
        self.removed: list[str] = []
        self.skipped: list[Skipped] = []
        self.passages = 0
        self.fraction: float | None = None
        self.watched = watcher is not None
        self._watcher = watcher
        self._started = time.monotonic()
        self._told = 0.0

    @property
    def stored(self) -> int:
        """Articles that are in the database now and were not before."""
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

    def tell(self, stage: Literal["reading", "publishing"] = "reading", *, now: bool = False) -> None:
        """Tell the watcher how far the run has come, unless it was told a moment ago."""
        moment = time.monotonic()
        if self._watcher and (now or moment - self._told >= EVERY):
            self._told = moment
            self._watcher(
                Progress(
                    stage=stage,
                    read=self.read,
                    skipped=len(self.skipped),
                    unchanged=self.unchanged,
                    stored=self.stored,
                    passages=self.passages,
                    seconds=moment - self._started,
                    fraction=self.fraction,
                )
            )

    def report(self) -> IngestReport:
        """Return what was done."""
        return IngestReport(
            added=self.added,
            updated=self.updated,
            unchanged=self.unchanged,
            duplicates=self.duplicates,
            removed=self.removed,
            skipped=self.skipped,
        )
