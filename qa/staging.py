"""What is written to the database: changes are staged, batch by batch, and published all at once.

A staged revision is stored with its passages and vectors, but is not ``current``: no reader sees it, and the
revision before it stays where it is. A run that is cut off in the middle leaves its changes staged. They are
not made again when it is repeated, and the next publication shows them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from qa.transaction import COLUMNS, Transaction, source_key
from qa.types import Article

# CROSS JOIN keeps the order: by itself SQLite would go through all articles
OUTGOING = "SELECT a.key FROM staged s CROSS JOIN article a ON a.id = s.id WHERE a.current"
"""Keys of the revisions that are replaced or removed by what is staged."""
COUNTED = (
    "INSERT INTO source SELECT source_key, min(source), count(*), count(published) FROM article WHERE current"
    " GROUP BY source_key"
)
"""Fills the empty table of sources."""
INCOMING = "SELECT article FROM staged WHERE article IS NOT NULL"
"""Keys of the revisions that are staged."""


class WriteTransaction(Transaction):
    """A transaction that changes the database; made by :meth:`qa.store.Store.write`."""

    def run(self, *scripts: str) -> tuple[int, ...]:
        """Execute statements separated by semicolons; return the first row of the last one, if it has any."""
        row = None
        for statement in (s for script in scripts for s in script.split(";") if s.strip()):
            row = self._db.execute(statement).fetchone()
        return tuple(row or ())

    def set_meta(self, **values: str | int) -> None:
        """Record properties of the archive."""
        self._db.executemany("REPLACE INTO meta VALUES (?, ?)", [(k, str(v)) for k, v in values.items()])

    def put(
        self,
        article: Article,
        spans: Sequence[tuple[int, int]],
        vectors: NDArray[np.float16],
        origin: str | None,
    ) -> None:
        """Stage an article's new revision with its passages; it replaces one that is staged already."""
        earlier = self._staged(article.id)
        published = article.published.isoformat() if article.published else None
        key = self._db.execute(
            f"INSERT INTO article (current, {', '.join(COLUMNS)}, extra, origin, source_key, stored)"
            f" VALUES (0, {', '.join('?' * len(COLUMNS))}, ?, ?, ?, ?)",
            (
                *(published if c == "published" else getattr(article, c) for c in COLUMNS),
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
        self._db.execute("REPLACE INTO staged VALUES (?, ?)", (article.id, key))
        self._discard(earlier)

    def remove(self, article_id: str) -> bool:
        """Stage the removal of an article with all its revisions; tell whether it was there."""
        if self._latest_key(article_id) is None:
            return False
        self._db.execute("DELETE FROM seen WHERE id = ?", (article_id,))
        self._discard(self._staged(article_id))
        if self.article(article_id) is None:
            self._db.execute("DELETE FROM staged WHERE id = ?", (article_id,))
        else:
            self._db.execute("REPLACE INTO staged VALUES (?, NULL)", (article_id,))
        return True

    def see(self, file: str, article_id: str) -> None:
        """Record that an article was read from a file; an empty name stands for all that is no file."""
        self._db.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (file, article_id))

    def forget(self, file: str, article_id: str) -> bool:
        """Record that an article is not in a file any more; tell whether it was read nowhere else."""
        self._db.execute("DELETE FROM seen WHERE file = ? AND id = ?", (file, article_id))
        return self._db.execute("SELECT 1 FROM seen WHERE id = ?", (article_id,)).fetchone() is None

    def publish(self) -> NDArray[np.int64]:
        """Make what is staged current; return the ids of the passages that are gone, ascending."""
        if not self.has_staged():
            return np.empty(0, np.int64)
        rows = self._db.execute(f"SELECT id FROM passage WHERE article IN ({OUTGOING}) ORDER BY id")
        gone = np.fromiter((row[0] for row in rows), np.int64)
        self._count(OUTGOING, "-")
        self._count(INCOMING, "+")
        self.run(
            f"DELETE FROM passage WHERE article IN ({OUTGOING})",
            f"UPDATE article SET current = 0 WHERE key IN ({OUTGOING})",
            "DELETE FROM article WHERE id IN (SELECT id FROM staged WHERE article IS NULL)",
            f"UPDATE article SET current = 1 WHERE key IN ({INCOMING})",
            "DELETE FROM source WHERE NOT articles",
            "DELETE FROM staged",
        )
        self.set_meta(generation=self.generation + 1)
        return gone

    def purge(self) -> int:
        """Delete the revisions that have been replaced; return how many there were."""
        return self._db.execute(f"DELETE FROM article WHERE NOT current AND key NOT IN ({INCOMING})").rowcount

    def _count(self, keys: str, sign: str) -> None:
        """Keep the number of articles of each source, as those with the keys come or go."""
        self._db.execute(
            f"INSERT INTO source SELECT source_key, min(source), {sign}count(*), {sign}count(published)"
            f" FROM article WHERE key IN ({keys}) GROUP BY source_key"
            " ON CONFLICT (key) DO UPDATE SET name = min(name, excluded.name),"
            " articles = articles + excluded.articles, dated = dated + excluded.dated"
        )

    def _staged(self, article_id: str) -> int | None:
        row = self._db.execute("SELECT article FROM staged WHERE id = ?", (article_id,)).fetchone()
        return None if row is None else row[0]

    def _discard(self, key: int | None) -> None:
        """Forget a staged revision."""
        self._db.execute("DELETE FROM passage WHERE article = ?", (key,))
        self._db.execute("DELETE FROM article WHERE key = ?", (key,))
