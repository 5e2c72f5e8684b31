"""What is read of the database, inside one transaction: articles, passages, vectors, recorded properties.

Readers see what has been published: revisions that are ``current`` and their passages. What waits for the next
publication (:mod:`qa.storage.write_transaction`) lies in the same tables; its passages are in no snapshot yet.

A passage id is never used twice, so that an index built from an older state can miss a passage but never
name another one.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qa.types import Article, Coverage, Filters, Passage

COLUMNS = ("id", "title", "text", "url", "published", "source", "author", "section", "lang")
_SELECT = (
    f"SELECT {', '.join('coalesce(h.text, a.text)' if c == 'text' else 'a.' + c for c in COLUMNS)}, a.extra"
    " FROM article a LEFT JOIN article h ON h.key = a.same_as"
)
_LISTED = "(SELECT value FROM json_each(?))"
_BATCH = 4096


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
    """One consistent view of the database; made by :meth:`qa.storage.database.Database.read`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection

    def query(self, sql: str, *values: Any) -> sqlite3.Cursor:
        """Execute an SQL statement; return its rows."""
        return self.connection.execute(sql, values)

    def value(self, sql: str, *values: Any) -> Any:
        """Return the first column of the first row, or ``None`` where there is no row."""
        row = self.query(sql, *values).fetchone()
        return None if row is None else row[0]

    def meta(self, key: str, default: str = "") -> str:
        """Return a recorded property of the archive."""
        found = self.value("SELECT value FROM meta WHERE key = ?", key)
        return default if found is None else str(found)

    @property
    def generation(self) -> int:
        """How many publications the articles have seen."""
        return int(self.meta("generation", "0"))

    def article(self, article_id: str) -> Article | None:
        """Return an article in its published revision."""
        row = self.query(f"{_SELECT} WHERE a.current AND a.id = ?", article_id).fetchone()
        return None if row is None else _article(row)

    def latest(self, article_id: str) -> Article | None:
        """Return an article as the next publication will show it."""
        key = self._latest_key(article_id)
        return None if key is None else self.revision(key)

    def revision(self, key: int) -> Article:
        """Return a revision of an article, published or not."""
        return _article(self.query(f"{_SELECT} WHERE a.key = ?", key).fetchone())

    def articles(self, filters: Filters | None = None) -> Iterator[Article]:
        """Yield the articles a filter leaves, in the order they were first stored."""
        condition, values = where(filters or Filters())
        yield from map(_article, self.query(f"{_SELECT} WHERE {condition} ORDER BY a.key", *values))

    def sample(self, n: int, seed: int) -> list[Article]:
        """Return up to ``n`` articles, drawn at random as the seed decides."""
        keys = [key for (key,) in self.query("SELECT key FROM article WHERE current ORDER BY key")]
        chosen = Random(seed).sample(keys, min(n, len(keys)))
        rows = self.query(f"{_SELECT} WHERE a.key IN {_LISTED} ORDER BY a.key", _listed(chosen))
        return [_article(row) for row in rows]

    def origin(self, article_id: str) -> str | None:
        """Return the file that the latest revision of an article was read from."""
        origin: str | None = self.value(
            "SELECT origin FROM article WHERE key = ?", self._latest_key(article_id)
        )
        return origin

    def _latest_key(self, article_id: str) -> int | None:
        row: tuple[int | None] | None = (
            self.query("SELECT article FROM staged WHERE id = ?", article_id).fetchone()
            or self.query("SELECT key FROM article WHERE current AND id = ?", article_id).fetchone()
        )
        return None if row is None else row[0]

    def holder(self, text_hash: bytes, article_id: str) -> int | None:
        """Return the key of another article with the same text, whose passages can stand for this one's."""
        key: int | None = self.value(
            "SELECT key FROM article WHERE text_hash = ? AND same_as IS NULL AND id != ?"
            " AND (current OR key IN (SELECT article FROM staged)) ORDER BY key LIMIT 1",
            text_hash,
            article_id,
        )
        return key

    def seen(self, file: str, article_id: str) -> bool:
        """Whether an article was read from a file at some time."""
        return bool(self.value("SELECT 1 FROM seen WHERE file = ? AND id = ?", file, article_id))

    def seen_below(self, place: str) -> Iterator[tuple[str, str]]:
        """Yield each file that is the place or lies below it, with the id of each article read from it."""
        above = place.rstrip(os.sep) + os.sep
        sql = "SELECT file, id FROM seen WHERE file = ? OR (file > ? AND file < ?) ORDER BY file, id"
        yield from self.query(sql, place, above, above[:-1] + chr(ord(os.sep) + 1))

    def coverage(self, filters: Filters | None = None) -> Coverage:
        """Count the articles a filter leaves, and the days they span."""
        if filters is None or not filters.active:
            # counted by source already; and one end at a time, SQLite takes it from an index
            sql = (
                "SELECT coalesce(sum(articles), 0), coalesce(sum(dated), 0),"
                " (SELECT min(published) FROM article WHERE current),"
                " (SELECT max(published) FROM article WHERE current) FROM source"
            )
            values: list[Any] = []
        else:
            condition, values = where(filters)
            sql = (
                "SELECT count(*), count(published), min(published), max(published)"
                f" FROM article a WHERE {condition}"
            )
        count, dated, first, last = self.query(sql, *values).fetchone()
        return Coverage(articles=count, undated=count - dated, first=first, last=last)

    def sources(self) -> list[str]:
        """Return the sources' names, the most frequent first."""
        sql = "SELECT name FROM source WHERE articles AND name IS NOT NULL ORDER BY articles DESC, key"
        return [name for (name,) in self.query(sql)]

    def passage_count(self, after: int = 0) -> int:
        """Return the number of published passages, or of those with ids greater than ``after``."""
        sql = (
            "SELECT count(*) FROM passage p JOIN article a ON a.key = p.article WHERE a.current AND p.id > ?"
        )
        return int(self.value(sql, after))

    def last_passage(self) -> int:
        """Return the greatest id that a passage was ever given; 0 where there was none."""
        return int(self.value("SELECT seq FROM sqlite_sequence WHERE name = 'passage'") or 0)

    def passage_ids(self, first: int, last: int) -> NDArray[np.int64]:
        """Return the published passages' ids from ``first`` to ``last``, ascending."""
        return self._ids(
            "SELECT p.id FROM passage p JOIN article a ON a.key = p.article"
            " WHERE a.current AND p.id BETWEEN ? AND ? ORDER BY p.id",
            first,
            last,
        )

    def has_staged(self) -> bool:
        """Whether anything waits for the next publication."""
        return bool(self.value("SELECT 1 FROM staged LIMIT 1"))

    def allowed(self, filters: Filters) -> NDArray[np.int64] | None:
        """Return the ids of the passages a filter leaves, ascending; ``None`` means all of them."""
        if not filters.active:
            return None
        condition, values = where(filters)
        return self._ids(
            "SELECT DISTINCT p.id FROM article a JOIN passage p ON p.article = coalesce(a.same_as, a.key)"
            f" WHERE {condition} ORDER BY p.id",
            *values,
        )

    def articles_of(self, ids: Iterable[int]) -> dict[int, str]:
        """Map passage ids to their articles' ids; an id that no longer exists is left out."""
        return dict(self._of_passages("a.id", ids))

    def origins(self, ids: Iterable[int]) -> dict[int, tuple[str, str | None, date | None]]:
        """Map passage ids to their article's id, source and date; an id that no longer exists is left out.

        It takes longer than :meth:`articles_of`: in the file, the last two stand behind the article's text.
        """
        return {
            number: (article, source, published and date.fromisoformat(published))
            for number, article, source, published in self._of_passages("a.id, a.source, a.published", ids)
        }

    def _of_passages(self, columns: str, ids: Iterable[int]) -> sqlite3.Cursor:
        sql = f"SELECT p.id, {columns} FROM passage p JOIN article a ON a.key = p.article WHERE p.id IN {_LISTED}"
        return self.query(sql, _listed(ids))

    def passages(
        self, ids: Sequence[int], filters: Filters | None = None
    ) -> dict[int, tuple[Passage, Article]]:
        """Return passages with the articles they are cut from; an id that no longer exists is left out.

        Of articles with the same text, the earliest that a filter leaves is named.
        """
        rows = self.query(
            f"{_SELECT.replace('SELECT', 'SELECT p.id, p.start, p.end,')} JOIN passage p ON p.article = a.key"
            f" WHERE p.id IN {_LISTED}",
            _listed(ids),
        )
        articles: dict[str, Article] = {}
        found = {}
        for number, start, end, *row in rows.fetchall():
            if row[0] not in articles:
                articles[row[0]] = next(iter(self.same_text(row[0], filters)), None) or _article(row)
            article = articles[row[0]]
            passage = Passage(
                id=number, article_id=article.id, start=start, end=end, text=article.text[start:end]
            )
            found[number] = passage, article
        return found

    def same_text(self, article_id: str, filters: Filters | None = None) -> list[Article]:
        """Return the articles that a filter leaves of those with the text of one, itself among them, by date.

        Empty where there is no other one.
        """
        key, copied = self.query(
            "SELECT coalesce(a.same_as, a.key) AS held,"
            " EXISTS (SELECT 1 FROM article d WHERE d.same_as = coalesce(a.same_as, a.key) AND d.current)"
            " FROM article a WHERE a.current AND a.id = ?",
            article_id,
        ).fetchone() or (None, False)
        if not copied:
            return []
        condition, values = where(filters or Filters())
        sql = (
            f"{_SELECT} WHERE (a.key = ? OR a.same_as = ?) AND {condition}"
            " ORDER BY a.published IS NULL, a.published, a.id"
        )
        return [_article(row) for row in self.query(sql, key, key, *values)]

    def vectors(self, ids: Sequence[int]) -> tuple[NDArray[np.int64], NDArray[np.float16]]:
        """Return ids (n,) and vectors (n, dim) of the passages asked for, by ascending id."""
        sql = f"SELECT id, vector FROM passage WHERE id IN {_LISTED} ORDER BY id"
        return self._arrays(self.query(sql, _listed(ids)).fetchall())

    def vector_batches(self, after: int = 0) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float16]]]:
        """Yield ids and vectors of the published passages with ids greater than ``after``, ascending."""
        rows = self.query(
            "SELECT p.id, p.vector FROM passage p JOIN article a ON a.key = p.article"
            " WHERE a.current AND p.id > ? ORDER BY p.id",
            after,
        )
        while some := rows.fetchmany(_BATCH):
            yield self._arrays(some)

    def vector_sample(self, n: int) -> NDArray[np.float16]:
        """Return the vectors of about ``n`` passages, drawn at random, or of all where there are fewer."""
        last, count = self.last_passage(), max(1, self.passage_count())
        return self.vectors(Random(0).sample(range(1, last + 1), min(last, n * last // count)))[1]

    def keyword_rows(self, after: int = 0) -> Iterator[tuple[int, Sequence[Article], str]]:
        """Yield ``(passage id, articles, text)`` of each published passage with an id greater than ``after``.

        There are several articles where they have the same text.
        """
        rows = self.query(
            f"{_SELECT.replace('SELECT', 'SELECT p.id, a.key, p.start, p.end,')}"
            " JOIN passage p ON p.article = a.key WHERE a.current AND p.id > ? ORDER BY p.id",
            after,
        )
        last: tuple[int, list[Article]] | None = None
        for number, key, start, end, *row in rows:
            if last is None or last[0] != key:
                last = key, self.same_text(row[0]) or [_article(row)]
            yield number, last[1], last[1][0].text[start:end]

    def _ids(self, sql: str, *values: Any) -> NDArray[np.int64]:
        return np.fromiter((number for (number,) in self.query(sql, *values)), np.int64)

    def _arrays(self, rows: list[tuple[int, bytes]]) -> tuple[NDArray[np.int64], NDArray[np.float16]]:
        ids = np.fromiter((number for number, _ in rows), np.int64, len(rows))
        flat = np.frombuffer(b"".join(vector for _, vector in rows), np.float16)
        return ids, flat.reshape(len(rows), int(self.meta("dim", "1")))


def _listed(numbers: Iterable[int]) -> str:
    """Return numbers as the one parameter of ``_LISTED``, however many they are."""
    return json.dumps([int(number) for number in numbers])


def _article(row: Sequence[Any]) -> Article:
    *fields, extra = row
    return Article(**dict(zip(COLUMNS, fields, strict=True)), extra=json.loads(extra))
