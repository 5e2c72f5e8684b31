"""The database file: connections, checks, transactions. The one source of truth of an archive.

Everything else on disk is derived from it.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from qa.errors import ArchiveDamaged, ArchiveIncompatible, ArchiveReadOnly
from qa.storage.transaction import Transaction
from qa.storage.write_transaction import COUNTED, WriteTransaction

APPLICATION_ID = 0x71614152  # "qaAR"
SCHEMA_VERSION = 4

_SCHEMA = Path(__file__).with_name("schema")
"""Scripts ``1.sql``, ``2.sql`` …, each of which upgrades the version before. Their comments hold no semicolon."""


def _scripts(since: int) -> list[str]:
    """Return the scripts of the versions after ``since``; 0 stands for an empty database."""
    return [(_SCHEMA / f"{n}.sql").read_text("utf-8") for n in range(since + 1, SCHEMA_VERSION + 1)]


class Database:
    """The database file, shared by threads and processes."""

    def __init__(self, path: Path, *, writable: bool = True) -> None:
        self.path = path
        self.writable = writable
        self._idle: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        self._closed = False

    @classmethod
    def create(cls, path: Path, **meta: str | int) -> Database:
        """Create the database with the properties that describe its archive."""
        database = cls(path)
        with database._connection() as db:
            db.execute("PRAGMA journal_mode = WAL")
        with database.write() as transaction:
            transaction.run(*_scripts(since=0))
            transaction.run(
                f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {SCHEMA_VERSION}"
            )
            transaction.set_meta(generation=0, **meta)
        return database

    def check(self) -> bool:
        """Check that this is an archive's database which this version can read; tell whether it is up to date.

        Raises:
            ArchiveDamaged: It is no database of ours.
            ArchiveIncompatible: A newer version wrote it, or an older one where nothing can be written.
        """
        with self._connection() as db:
            application = db.execute("PRAGMA application_id").fetchone()[0]
            version = db.execute("PRAGMA user_version").fetchone()[0]
        if application != APPLICATION_ID:
            raise ArchiveDamaged(
                f"{self.path} is not an archive's database. Index the articles into a new folder."
            )
        if version > SCHEMA_VERSION:
            raise ArchiveIncompatible(
                f"{self.path.parent} was written by a newer version (schema {version}, this one reads "
                f"{SCHEMA_VERSION}). Update the program: pip install -U archive-qa."
            )
        if version < SCHEMA_VERSION and not self.writable:
            raise ArchiveIncompatible(
                f"{self.path.parent} was written by an older version and cannot be written now. Open it once, "
                "or a copy of it, where it can be."
            )
        return bool(version == SCHEMA_VERSION)

    def upgrade(self) -> None:
        """Bring the database of an older version up to date, in one step; the caller is the one writer."""
        with self.write() as transaction:
            version = transaction.run("PRAGMA user_version")[0]
            transaction.run(*_scripts(since=version))
            transaction.run(f"PRAGMA user_version = {SCHEMA_VERSION}")
            if version < 2:
                transaction.run(COUNTED)
                transaction.set_meta(derived="")

    def vacuum(self) -> None:
        """Give the room of what was deleted back; the whole database is written anew.

        Raises:
            ArchiveError: Something else is at work, or there is no room for a second copy.
        """
        with self._connection() as db:
            db.execute("VACUUM")
            db.execute("PRAGMA wal_checkpoint (TRUNCATE)")

    def reindex(self) -> None:
        """Make the database's own indexes anew."""
        with self._connection() as db:
            db.execute("REINDEX")

    def problems(self) -> list[str]:
        """Return what SQLite finds wrong in the file, page by page and index by index."""
        with self._connection() as db:
            try:
                found = [str(row[0]) for row in db.execute("PRAGMA integrity_check (20)")]
            except sqlite3.DatabaseError as error:
                return [str(error)]
        return [] if found == ["ok"] else found

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """Enter a read transaction: everything read in it is of one moment."""
        with self._connection() as db:
            db.execute("BEGIN")
            try:
                yield Transaction(db)
            finally:
                db.rollback()

    @contextmanager
    def write(self) -> Iterator[WriteTransaction]:
        """Enter a write transaction, committed unless the block raises."""
        if not self.writable:
            raise ArchiveReadOnly(
                f"{self.path.parent} cannot be written. Copy the archive to a folder of your own."
            )
        with self._connection() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield WriteTransaction(db)
                db.commit()
            finally:
                db.rollback()

    def close(self) -> None:
        """Close all idle connections; the database is not used afterwards."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for db in idle:
            db.close()

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            db = self._idle.pop() if self._idle else None
        try:
            db = db or self._connect()
            yield db
        except sqlite3.DatabaseError as error:
            raise self._explained(error) from error
        finally:
            if db is not None:
                with self._lock:
                    keep = not self._closed
                    if keep:
                        self._idle.append(db)
                if not keep:
                    db.close()

    def _connect(self) -> sqlite3.Connection:
        # A WAL database in a folder that cannot be written opens only as one that never changes.
        log = self.path.with_name(self.path.name + "-wal")
        unlogged = not log.exists() or not log.stat().st_size
        mode = "rwc" if self.writable else "ro&immutable=1" if unlogged else "ro"
        db = sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode={mode}",
            uri=True, timeout=30, isolation_level=None, check_same_thread=False,
        )  # fmt: skip
        db.execute("PRAGMA foreign_keys = ON")
        if self.writable:
            db.execute("PRAGMA synchronous = NORMAL")
        return db

    def _explained(self, error: sqlite3.DatabaseError) -> Exception:
        text = str(error)
        if "readonly" in text or "read-only" in text:
            return ArchiveReadOnly(
                f"{self.path.parent} cannot be written ({text}). Copy the archive elsewhere."
            )
        if "locked" in text or "full" in text or "disk I/O" in text:
            return ArchiveReadOnly(
                f"{self.path}: {text}. Nothing was lost; make room or wait, then run it again."
            )
        return ArchiveDamaged(f"{self.path}: {text}. Restore it from a copy, or index the articles again.")
