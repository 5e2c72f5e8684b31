"""The states of an archive: published one after the other, opened for each question, rebuilt when damaged."""

from __future__ import annotations

import logging
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from qa.errors import ArchiveBusy, ArchiveError, ArchiveReadOnly, SnapshotDamaged
from qa.storage.database import Database
from qa.storage.lock import WRITER_WAIT, sole_writer
from qa.storage.snapshot import Ids, Snapshot
from qa.storage.view import View
from qa.storage.write_transaction import WriteTransaction

log = logging.getLogger("qa")

DERIVED = "derived"
ATTEMPTS = 3
"""How often a question is tried while indexes are being rebuilt under it."""
STAGED_PASSAGES = 50_000
"""Passages that a writer stages before it publishes them, long before its end."""

Result = TypeVar("Result")


class Generations:
    """Gives each read transaction the snapshot of its state, and lets one writer at a time make a new one."""

    def __init__(self, folder: Path, database: Database) -> None:
        self._folder = folder
        self._derived = folder / DERIVED
        self._database = database
        self._snapshot: Snapshot | None = None
        self._lock = threading.Lock()
        self._private: tempfile.TemporaryDirectory[str] | None = None
        self._failed = False

    @contextmanager
    def writing(self, what: str) -> Iterator[Callable[[], None]]:
        """Be the one writer; what is staged is published when the block ends.

        Args:
            what: What is being done, for other writers to read.

        Yields:
            To be called between transactions: publishes what is staged, if that is much.

        Raises:
            ArchiveReadOnly: The folder cannot be written.
            ArchiveBusy: Another process has been writing for a minute.
        """
        with self._sole_writer(what):
            yield self._publish_if_much
            with self._database.read() as transaction:
                staged, derived = transaction.has_staged(), transaction.meta("derived")
            if staged or not derived:
                self.publish()

    def reading(self, work: Callable[[View], Result]) -> Result:
        """Do some reading in a view of the present state; its indexes are rebuilt where they are damaged."""
        for _ in range(ATTEMPTS):
            try:
                self._catch_up()
                return self._read(work)
            except SnapshotDamaged as error:
                self._repair(error)
        raise ArchiveError(
            f"{self._folder}: its indexes cannot be built. Free some disk space and try again."
        )

    def publish(self, *, rebuild: bool = False) -> None:
        """Make what is staged the present state, with its indexes; the caller is the one writer.

        If ``rebuild``, all indexes are written anew.

        Raises:
            ArchiveError: There is no room for them. Nothing is lost.
        """
        try:
            with self._database.write() as transaction:
                before = transaction.meta("derived")
                gone = transaction.publish()
                name = "" if rebuild or not before else self._extended(transaction, before, gone)
                name = name or Snapshot.build(transaction, self._derived)
                transaction.set_meta(derived=name, published_to=transaction.last_passage())
        except (OSError, ValueError) as error:
            raise ArchiveError(
                f"The indexes of {self._folder} cannot be written ({error}). Nothing was lost: make room, then "
                "run it again."
            ) from error
        Snapshot.prune(self._derived, keep={before, name})

    def close(self) -> None:
        """Close the files."""
        with self._lock:
            if self._snapshot:
                self._snapshot.vectors.close()
                self._snapshot = None
            if self._private:
                self._private.cleanup()
                self._private = None

    def _extended(self, transaction: WriteTransaction, before: str, gone: Ids) -> str:
        try:
            return Snapshot.extend(transaction, self._derived, before, gone)
        except SnapshotDamaged as error:
            log.warning("The search index of %s is being rebuilt (%s).", self._folder, error)
            return ""

    def _publish_if_much(self) -> None:
        with self._database.read() as transaction:
            staged = transaction.last_passage() - int(transaction.meta("published_to", "0"))
        if staged >= STAGED_PASSAGES:
            self.publish()

    @contextmanager
    def _sole_writer(self, what: str, wait: float = WRITER_WAIT) -> Iterator[None]:
        if not self._database.writable:
            raise ArchiveReadOnly(
                f"{self._folder} cannot be written. Copy the archive to a folder of your own."
            )
        with sole_writer(self._folder, what, wait):
            yield

    def _read(self, work: Callable[[View], Result]) -> Result:
        while True:
            with self._database.read() as transaction:
                name = transaction.meta("derived")
                try:
                    return work(View(transaction.connection, self._current(name)))
                except SnapshotDamaged:
                    with self._database.read() as later:
                        if later.meta("derived") == name:
                            raise
            # else the state had been replaced, and its files were gone, before they were opened

    def _current(self, name: str) -> Snapshot:
        with self._lock:
            if self._snapshot is None or not (self._snapshot.name == name or self._private):
                self._snapshot = Snapshot.open(self._derived, name)
            return self._snapshot

    def _catch_up(self) -> None:
        """Publish what a writer that was cut off left staged, unless one is at work."""
        if not self._database.writable or self._private or self._failed:
            return
        with self._database.read() as transaction:
            if not transaction.has_staged():
                return
        try:
            with self._sole_writer("publishing what was left", wait=0):
                with self._database.read() as transaction:
                    left = transaction.has_staged()
                if left:  # and not published by a writer that has ended just now
                    self.publish()
        except ArchiveBusy:
            pass
        except ArchiveError as error:
            self._failed = True
            log.warning("%s Questions are answered from the state before.", error)

    def _repair(self, error: SnapshotDamaged) -> None:
        with self._database.read() as transaction:
            broken = transaction.meta("derived")
        log.warning("The search index of %s is being rebuilt (%s).", self._folder, error)
        if not self._database.writable:
            self._build_aside()
            return
        with self._sole_writer("rebuilding the indexes"):
            with self._database.read() as transaction:
                if transaction.meta("derived") != broken:
                    return
            self.publish(rebuild=True)
        with self._lock:
            self._snapshot = None

    def _build_aside(self) -> None:
        """Build the indexes of an archive that cannot be written in a folder that goes away with this process."""
        with self._lock, self._database.read() as transaction:
            self._private = self._private or tempfile.TemporaryDirectory(prefix="qa-index-")
            folder = Path(self._private.name)
            self._snapshot = Snapshot.open(folder, Snapshot.build(transaction, folder))
