"""The indexes of an archive's states: published with each change, opened for each question, rebuilt when damaged."""

from __future__ import annotations

import logging
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from filelock import FileLock, Timeout

from qa.errors import ArchiveError, ArchiveReadOnly
from qa.snapshot import Snapshot, SnapshotDamaged
from qa.store import Store
from qa.transaction import Transaction

log = logging.getLogger("qa")

DERIVED = "derived"
LOCK = ".writer"
WRITER_WAIT = 60.0
"""Seconds a writer waits for another one before it gives up."""
ATTEMPTS = 3
"""How often a question is tried while indexes are being rebuilt under it."""

Result = TypeVar("Result")


class Published:
    """Gives each read transaction the snapshot of its state, and lets one writer at a time make a new one."""

    def __init__(self, folder: Path, store: Store) -> None:
        self._folder = folder
        self._store = store
        self._snapshot: Snapshot | None = None
        self._lock = threading.Lock()
        self._private: tempfile.TemporaryDirectory[str] | None = None

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Be the one writer; what was written is indexed when the block ends.

        Raises:
            ArchiveReadOnly: The folder cannot be written.
            ArchiveError: Another process has been writing for a minute.
        """
        with self._sole_writer(WRITER_WAIT):
            yield
            if self._stale():
                self.publish()

    def reading(self, work: Callable[[Transaction, Snapshot], Result]) -> Result:
        """Do some reading in one transaction, with the indexes of its state; damaged ones are rebuilt."""
        for _ in range(ATTEMPTS):
            try:
                with self._store.read() as transaction:
                    stale = transaction.meta("derived_generation") != transaction.meta("generation")
                    if not (stale and self._catch_up()):
                        return work(transaction, self._current(transaction))
            except SnapshotDamaged as error:
                self._repair(error)
        raise ArchiveError(
            f"{self._folder}: its indexes cannot be built. Free some disk space and try again."
        )

    def _stale(self) -> bool:
        with self._store.read() as transaction:
            return transaction.meta("derived_generation") != transaction.meta("generation")

    def publish(self) -> None:
        """Build the indexes of the present state and record them as its own."""
        folder = self._folder / DERIVED
        with self._store.write() as transaction:
            before = transaction.meta("derived")
            name = Snapshot.build(transaction, folder)
            transaction.set_meta(derived=name, derived_generation=transaction.generation)
        Snapshot.prune(folder, keep={before, name})

    def close(self) -> None:
        """Close the files."""
        with self._lock:
            if self._snapshot:
                self._snapshot.vectors.close()
                self._snapshot = None
            if self._private:
                self._private.cleanup()
                self._private = None

    @contextmanager
    def _sole_writer(self, wait: float) -> Iterator[None]:
        if not self._store.writable:
            raise ArchiveReadOnly(
                f"{self._folder} cannot be written. Copy the archive to a folder of your own."
            )
        try:
            with FileLock(self._folder / LOCK, timeout=wait):
                yield
        except Timeout:
            raise ArchiveError(
                f"Another process is writing to {self._folder}. Run this again when it is done."
            ) from None

    def _current(self, transaction: Transaction) -> Snapshot:
        name = transaction.meta("derived")
        with self._lock:
            if self._snapshot is None or not (self._snapshot.name == name or self._private):
                self._snapshot = Snapshot.open(self._folder / DERIVED, name)
            return self._snapshot

    def _catch_up(self) -> bool:
        """Index what a writer that was cut off left unindexed, unless one is at work; tell whether it was done."""
        if not self._store.writable or self._private:
            return False
        try:
            with FileLock(self._folder / LOCK, timeout=0):
                self.publish()
                return True
        except Timeout:
            return False

    def _repair(self, error: SnapshotDamaged) -> None:
        with self._store.read() as transaction:
            broken = transaction.meta("derived")
        log.warning("The search index of %s is being rebuilt (%s).", self._folder, error)
        if not self._store.writable:
            self._build_aside()
            return
        with self._sole_writer(WRITER_WAIT):
            with self._store.read() as transaction:
                if transaction.meta("derived") != broken:
                    return
            self.publish()
        with self._lock:
            self._snapshot = None

    def _build_aside(self) -> None:
        """Build the indexes of an archive that cannot be written in a folder that goes away with this process."""
        with self._lock, self._store.read() as transaction:
            self._private = self._private or tempfile.TemporaryDirectory(prefix="qa-index-")
            folder = Path(self._private.name)
            self._snapshot = Snapshot.open(folder, Snapshot.build(transaction, folder))
