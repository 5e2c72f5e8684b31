"""The database: articles, passages and vectors. The one source of truth of an archive.

Everything else on disk is derived from it. A passage id is never used twice, so that an index built
from an older state can miss a passage but never name another one.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qa.errors import ArchiveDamaged, ArchiveIncompatible, ArchiveReadOnly
from qa.types import Article, Coverage, Filters, Passage

APPLICATION_ID = 0x71614152  # "qaAR"
SCHEMA_VERSION = 1

_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE article (
    key INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL,
    current INTEGER NOT NULL,
    title TEXT NOT NULL, text TEXT NOT NULL, url TEXT, published TEXT, source TEXT, author TEXT,
    section TEXT, lang TEXT, extra TEXT NOT NULL,
    origin TEXT, source_key TEXT NOT NULL, stored TEXT NOT NULL
);
CREATE UNIQUE INDEX article_current ON article (id) WHERE current;
CREATE INDEX article_published ON article (published) WHERE current;
CREATE INDEX article_source ON article (source_key) WHERE current;
CREATE TABLE passage (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    article INTEGER NOT NULL REFERENCES article (key),
    start INTEGER NOT NULL, end INTEGER NOT NULL, vector BLOB NOT NULL
);
CREATE INDEX passage_article ON passage (article);
"""

_COLUMNS = ("id", "title", "text", "url", "published", "source", "author", "section", "lang")
_SELECT = f"SELECT {', '.join('a.' + c for c in _COLUMNS)}, a.extra FROM article a"


def source_key(source: str | None) -> str:
    """Return the form in which sources are compared: case and surrounding space do not count."""
    return (source or "").strip().casefold()


def where(filters: Filters) -> tuple[str, list[Any]]:
    """Return an SQL condition on ``article a`` for the filters, and its parameters."""
    conditions, values = ["a.current"], []
    if filters.after:
        conditions.append("a.published >= ?")
        values.append(filters.after.isoformat())
    if filters.before:
        conditions.append("a.published <= ?")
        values.append(filters.before.isoformat())
    if filters.sources:
        conditions.append(f"a.source_key IN ({', '.join('?' * len(filters.sources))})")
        values.extend(source_key(source) for source in filters.sources)
    return " AND ".join(conditions), values


class Transaction:
    """One consistent view of the database; made by :meth:`Store.read` or :meth:`Store.write`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    # -- what the archive is ------------------------------------------------------------------

    def meta(self, key: str, default: str = "") -> str:
        """Return a recorded property of the archive."""
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return default if row is None else str(row[0])

    def set_meta(self, **values: str | int) -> None:
        """Record properties of the archive."""
        self._db.executemany("REPLACE INTO meta VALUES (?, ?)", [(k, str(v)) for k, v in values.items()])

    @property
    def generation(self) -> int:
        """How many committed changes the articles have seen."""
        return int(self.meta("generation", "0"))

    # -- articles -----------------------------------------------------------------------------

    def article(self, article_id: str) -> Article | None:
        """Return an article in its current revision."""
        row = self._db.execute(f"{_SELECT} WHERE a.current AND a.id = ?", (article_id,)).fetchone()
        return None if row is None else _article(row)

    def articles(self, filters: Filters | None = None) -> Iterator[Article]:
        """Yield the articles a filter leaves, in the order they were first stored."""
        condition, values = where(filters or Filters())
        for row in self._db.execute(f"{_SELECT} WHERE {condition} ORDER BY a.key", values):
            yield _article(row)

    def origin(self, article_id: str) -> str | None:
        """Return the file an article was named after."""
        row = self._db.execute(
            "SELECT origin FROM article WHERE current AND id = ?", (article_id,)
        ).fetchone()
        return None if row is None else row[0]

    def coverage(self, filters: Filters | None = None) -> Coverage:
        """Count the articles a filter leaves, and the days they span."""
        condition, values = where(filters or Filters())
        count, dated, first, last = self._db.execute(
            f"SELECT count(*), count(published), min(published), max(published) FROM article a WHERE {condition}",
            values,
        ).fetchone()
        return Coverage(articles=count, undated=count - dated, first=first, last=last)

    def sources(self) -> list[str]:
        """Return the sources' names, the most frequent first."""
        rows = self._db.execute(
            "SELECT min(source) FROM article WHERE current AND source IS NOT NULL"
            " GROUP BY source_key ORDER BY count(*) DESC, source_key"
        )
        return [row[0] for row in rows]

    def put(
        self,
        article: Article,
        spans: Sequence[tuple[int, int]],
        vectors: NDArray[np.float16],
        origin: str | None,
    ) -> None:
        """Store an article's new revision with its passages, in place of an older one."""
        self._retire(article.id)
        key = self._db.execute(
            f"INSERT INTO article (current, {', '.join(_COLUMNS)}, extra, origin, source_key, stored)"
            f" VALUES (1, {', '.join('?' * len(_COLUMNS))}, ?, ?, ?, ?)",
            (
                *(getattr(article, c) if c != "published" else _iso(article) for c in _COLUMNS),
                json.dumps(article.extra, ensure_ascii=True, sort_keys=True),
                origin,
                source_key(article.source),
                datetime.now(UTC).isoformat(timespec="seconds"),
            ),
        ).lastrowid
        self._db.executemany(
            "INSERT INTO passage (article, start, end, vector) VALUES (?, ?, ?, ?)",
            [
                (key, start, end, vector.tobytes())
                for (start, end), vector in zip(spans, vectors, strict=True)
            ],
        )

    def remove(self, article_id: str) -> bool:
        """Remove an article with all its revisions; tell whether it was there."""
        if not self._retire(article_id):
            return False
        self._db.execute("DELETE FROM article WHERE id = ?", (article_id,))
        return True

    def _retire(self, article_id: str) -> bool:
        row = self._db.execute("SELECT key FROM article WHERE current AND id = ?", (article_id,)).fetchone()
        if row is None:
            return False
        self._db.execute("DELETE FROM passage WHERE article = ?", row)
        self._db.execute("UPDATE article SET current = 0 WHERE key = ?", row)
        return True

    # -- passages -----------------------------------------------------------------------------

    def passage_count(self) -> int:
        """Return the number of passages."""
        return int(self._db.execute("SELECT count(*) FROM passage").fetchone()[0])

    def allowed(self, filters: Filters) -> NDArray[np.int64] | None:
        """Return the ids of the passages a filter leaves, ascending; ``None`` means all of them."""
        if not filters.active:
            return None
        condition, values = where(filters)
        rows = self._db.execute(
            f"SELECT p.id FROM passage p JOIN article a ON a.key = p.article WHERE {condition} ORDER BY p.id",
            values,
        )
        return np.fromiter((row[0] for row in rows), np.int64)

    def origins(self, ids: Iterable[int]) -> dict[int, tuple[str, str | None, date | None]]:
        """Map passage ids to their article's id, source and date; an id that no longer exists is left out."""
        return {
            number: (article, source, published and date.fromisoformat(published))
            for number, article, source, published in self._db.execute(
                "SELECT p.id, a.id, a.source, a.published FROM passage p JOIN article a ON a.key = p.article"
                " WHERE p.id IN (SELECT value FROM json_each(?))",
                (json.dumps([int(i) for i in ids]),),
            )
        }

    def passages(self, ids: Sequence[int]) -> dict[int, tuple[Passage, Article]]:
        """Return passages with the articles they are cut from; an id that no longer exists is left out."""
        rows = self._db.execute(
            f"{_SELECT.replace('SELECT', 'SELECT p.id, p.start, p.end,')} JOIN passage p ON p.article = a.key"
            " WHERE p.id IN (SELECT value FROM json_each(?))",
            (json.dumps([int(i) for i in ids]),),
        )
        articles: dict[str, Article] = {}
        found = {}
        for number, start, end, *row in rows:
            article = (
                articles.setdefault(row[0], _article(row)) if row[0] not in articles else articles[row[0]]
            )
            passage = Passage(
                id=number, article_id=article.id, start=start, end=end, text=article.text[start:end]
            )
            found[number] = passage, article
        return found

    def vectors(self, ids: Sequence[int] | None = None) -> tuple[NDArray[np.int64], NDArray[np.float16]]:
        """Return ids (n,) and vectors (n, dim) of the passages asked for, or of all, by ascending id."""
        sql, values = "SELECT id, vector FROM passage", []
        if ids is not None:
            sql += " WHERE id IN (SELECT value FROM json_each(?))"
            values = [json.dumps([int(i) for i in ids])]
        rows = self._db.execute(f"{sql} ORDER BY id", values).fetchall()
        numbers = np.fromiter((row[0] for row in rows), np.int64, len(rows))
        flat = np.frombuffer(b"".join(row[1] for row in rows), np.float16)
        return numbers, flat.reshape(len(rows), -1) if rows else flat.reshape(0, int(self.meta("dim", "1")))

    def keyword_rows(self) -> Iterator[tuple[int, int, Article, str]]:
        """Yield ``(passage id, article key, article, passage text)`` of every passage, article by article."""
        rows = self._db.execute(
            f"{_SELECT.replace('SELECT', 'SELECT p.id, a.key, p.start, p.end,')}"
            " JOIN passage p ON p.article = a.key ORDER BY p.article, p.id"
        )
        last: tuple[int, Article] | None = None
        for number, key, start, end, *row in rows:
            if last is None or last[0] != key:
                last = key, _article(row)
            yield number, key, last[1], last[1].text[start:end]


class Store:
    """The database file, shared by threads and processes."""

    def __init__(self, path: Path, *, writable: bool = True) -> None:
        self.path = path
        self.writable = writable
        self._idle: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        self._closed = False

    @classmethod
    def create(cls, path: Path, **meta: str | int) -> Store:
        """Create the database with the properties that describe its archive."""
        store = cls(path)
        with store._connection() as db:
            db.execute("PRAGMA journal_mode = WAL")
            db.executescript(f"BEGIN; {_SCHEMA} PRAGMA application_id = {APPLICATION_ID}; COMMIT;")
            db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        with store.write() as transaction:
            transaction.set_meta(generation=0, **meta)
        return store

    def check(self) -> None:
        """Check that this is an archive's database which this version can read.

        Raises:
            ArchiveDamaged: It is no database of ours.
            ArchiveIncompatible: A newer version wrote it.
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
    def write(self) -> Iterator[Transaction]:
        """Enter a write transaction, committed unless the block raises."""
        if not self.writable:
            raise ArchiveReadOnly(
                f"{self.path.parent} cannot be written. Copy the archive to a folder of your own."
            )
        with self._connection() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield Transaction(db)
                db.commit()
            finally:
                db.rollback()

    def close(self) -> None:
        """Close all idle connections; the store is not used afterwards."""
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


def _iso(article: Article) -> str | None:
    return article.published.isoformat() if article.published else None


def _article(row: Sequence[Any]) -> Article:
    *fields, extra = row
    return Article(**dict(zip(_COLUMNS, fields, strict=True)), extra=json.loads(extra))
