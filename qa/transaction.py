"""What is asked of the database, inside one transaction: articles, passages, vectors, recorded properties.

A passage id is never used twice, so that an index built from an older state can miss a passage but never
name another one.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qa.types import Article, Coverage, Filters, Passage

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

    def sample(self, n: int, seed: int) -> list[Article]:
        """Return up to ``n`` articles, drawn at random as the seed decides."""
        keys = [key for (key,) in self._db.execute("SELECT key FROM article WHERE current ORDER BY key")]
        chosen = Random(seed).sample(keys, min(n, len(keys)))
        rows = self._db.execute(
            f"{_SELECT} WHERE a.key IN (SELECT value FROM json_each(?)) ORDER BY a.key", (json.dumps(chosen),)
        )
        return [_article(row) for row in rows]

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


def _iso(article: Article) -> str | None:
    return article.published.isoformat() if article.published else None


def _article(row: Sequence[Any]) -> Article:
    *fields, extra = row
    return Article(**dict(zip(_COLUMNS, fields, strict=True)), extra=json.loads(extra))
