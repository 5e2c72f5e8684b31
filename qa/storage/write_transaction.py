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

from qa.storage.transaction import COLUMNS, Transaction, source_key
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
_STAYING = f"(key IN ({INCOMING}) OR (current AND id NOT IN (SELECT id FROM staged)))"


class WriteTransaction(Transaction):
    """A transaction that changes the database; made by :meth:`qa.storage.database.Database.write`."""

    def run(self, *scripts: str) -> tuple[int, ...]:
        """Execute statements separated by semicolons; return the first row of the last one, if it has any."""
        row = None
        for statement in (s for script in scripts for s in script.split(";") if s.strip()):
            row = self.query(statement).fetchone()
        return tuple(row or ())

    def set_meta(self, **values: str | int) -> None:
        """Record properties of the archive."""
        for key, value in values.items():
            self.query("REPLACE INTO meta VALUES (?, ?)", key, str(value))

    def put(
        self,
        article: Article,
        spans: Sequence[tuple[int, int]],
        vectors: NDArray[np.float16],
        origin: str | None,
        text_hash: bytes | None = None,
    ) -> int:
        """Stage an article's new revision with its passages; it replaces one that is staged already.

        Returns:
            The revision's key.
        """
        key = self._insert(article, origin, text_hash)
        rows = [(key, *span, vector.tobytes()) for span, vector in zip(spans, vectors, strict=True)]
        self.connection.executemany(
            "INSERT INTO passage (article, start, end, vector) VALUES (?, ?, ?, ?)", rows
        )
        self._stage(article.id, key)
        return key

    def put_copy(self, article: Article, origin: str | None, text_hash: bytes) -> bool:
        """Stage an article whose text is stored already, under another id; tell whether there is one."""
        holder = self.holder(text_hash, article.id)
        if holder is None:
            return False
        self._stage(article.id, self._insert(article, origin, text_hash, holder))
        return True

    def relate(self, key: int, hashes: Sequence[int], pairs: Sequence[tuple[int, int]]) -> None:
        """Record the bands of an article's text, and the pairs of articles that are nearly the same."""
        self.connection.executemany("INSERT OR IGNORE INTO band VALUES (?, ?)", [(h, key) for h in hashes])
        self.connection.executemany("INSERT OR IGNORE INTO near VALUES (?, ?)", pairs)

    def _insert(
        self, article: Article, origin: str | None, text_hash: bytes | None, same_as: int | None = None
    ) -> int:
        values = {name: getattr(article, name) for name in COLUMNS}
        values |= {
            "published": article.published.isoformat() if article.published else None,
            "text": article.text if same_as is None else "",
            "extra": json.dumps(article.extra, ensure_ascii=True, sort_keys=True),
            "origin": origin,
            "source_key": source_key(article.source),
            "stored": datetime.now(UTC).isoformat(timespec="seconds"),
            "text_hash": text_hash,
            "same_as": same_as,
            "current": 0,
        }
        marks = ", ".join("?" * len(values))
        sql = f"INSERT INTO article ({', '.join(values)}) VALUES ({marks})"
        return int(self.query(sql, *values.values()).lastrowid or 0)

    def _stage(self, article_id: str, key: int) -> None:
        earlier = self._staged(article_id)
        self.query("REPLACE INTO staged VALUES (?, ?)", article_id, key)
        self._discard(earlier)

    def remove(self, article_id: str) -> bool:
        """Stage the removal of an article with all its revisions; tell whether it was there."""
        if self._latest_key(article_id) is None:
            return False
        self.query("DELETE FROM seen WHERE id = ?", article_id)
        self._discard(self._staged(article_id))
        if self.article(article_id) is None:
            self.query("DELETE FROM staged WHERE id = ?", article_id)
        else:
            self.query("REPLACE INTO staged VALUES (?, NULL)", article_id)
        return True

    def see(self, file: str, article_id: str) -> None:
        """Record that an article was read from a file; an empty name stands for all that is no file."""
        self.query("INSERT OR IGNORE INTO seen VALUES (?, ?)", file, article_id)

    def forget(self, file: str, article_id: str) -> bool:
        """Record that an article is not in a file any more; tell whether it was read nowhere else."""
        self.query("DELETE FROM seen WHERE file = ? AND id = ?", file, article_id)
        return not self.value("SELECT 1 FROM seen WHERE id = ?", article_id)

    def publish(self) -> NDArray[np.int64]:
        """Make what is staged current; return the ids of the passages that are gone, ascending."""
        if not self.has_staged():
            return np.empty(0, np.int64)
        gone = self._ids(f"SELECT id FROM passage WHERE article IN ({OUTGOING}) ORDER BY id")
        gone = np.union1d(gone, self._settle_copies())
        self._count(OUTGOING, "-")
        self._count(INCOMING, "+")
        self.run(
            f"DELETE FROM passage WHERE article IN ({OUTGOING})",
            f"DELETE FROM band WHERE article IN ({OUTGOING})",
            f"DELETE FROM near WHERE article IN ({OUTGOING})",
            f"DELETE FROM near WHERE other IN ({OUTGOING})",
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
        return self.query(f"DELETE FROM article WHERE NOT current AND key NOT IN ({INCOMING})").rowcount

    def _count(self, keys: str, sign: str) -> None:
        """Keep the number of articles of each source, as those with the keys come or go."""
        self.query(
            f"INSERT INTO source SELECT source_key, min(source), {sign}count(*), {sign}count(published)"
            f" FROM article WHERE key IN ({keys}) GROUP BY source_key"
            " ON CONFLICT (key) DO UPDATE SET name = min(name, excluded.name),"
            " articles = articles + excluded.articles, dated = dated + excluded.dated"
        )

    def _staged(self, article_id: str) -> int | None:
        key: int | None = self.value("SELECT article FROM staged WHERE id = ?", article_id)
        return key

    def _discard(self, key: int | None) -> None:
        """Forget a staged revision."""
        if key is None:
            return
        if self.value(f"SELECT 1 FROM article WHERE same_as = ? AND {_STAYING}", key):
            self._hand_over(key)
        self.query("DELETE FROM passage WHERE article = ?", key)
        self.query("DELETE FROM band WHERE article = ?", key)
        self.query("DELETE FROM near WHERE article = ? OR other = ?", key, key)
        self.query("DELETE FROM article WHERE key = ?", key)

    def _settle_copies(self) -> NDArray[np.int64]:
        """Hand over texts whose article goes, and give passages whose copies come or go new ids.

        The keyword index holds the titles, sources and days of all copies: a new id is what makes it notice.

        Returns:
            The ids that are gone, beside those of articles that go.
        """
        left = self.query(
            f"SELECT DISTINCT same_as FROM article WHERE same_as IN ({OUTGOING}) AND {_STAYING}"
        ).fetchall()
        for (key,) in left:
            self._hand_over(key)
        touched = self.query(
            "SELECT key FROM article WHERE current AND key IN (SELECT same_as FROM article"
            f" WHERE key IN ({INCOMING} UNION ALL {OUTGOING}) AND same_as IS NOT NULL) AND {_STAYING}"
        ).fetchall()
        gone: list[int] = []
        for (key,) in touched:
            old = self._ids("SELECT id FROM passage WHERE article = ?", key).tolist()
            self._copy_passages(key, key)
            self.connection.executemany("DELETE FROM passage WHERE id = ?", [(number,) for number in old])
            gone += old
        return np.array(gone, np.int64)

    def _hand_over(self, key: int) -> None:
        """Make another article of the same text the one that holds it, with the passages."""
        hashed = self.value("SELECT text_hash FROM article WHERE key = ?", key)
        heir = self.value(
            f"SELECT key FROM article WHERE text_hash = ? AND same_as IS NULL AND key != ? AND {_STAYING}"
            " ORDER BY key LIMIT 1",
            hashed,
            key,
        )
        if heir is None:
            heir = self.value(f"SELECT min(key) FROM article WHERE same_as = ? AND {_STAYING}", key)
            self._copy_passages(key, heir)
            text = "SELECT text FROM article WHERE key = ?"
            self.query(f"UPDATE article SET same_as = NULL, text = ({text}) WHERE key = ?", key, heir)
            self.query("INSERT INTO band SELECT hash, ? FROM band WHERE article = ?", heir, key)
            pairs = "INSERT OR IGNORE INTO near SELECT {} FROM near WHERE {} = ?"
            self.query(pairs.format("?, other", "article"), heir, key)
            self.query(pairs.format("article, ?", "other"), heir, key)
        self.query("UPDATE article SET same_as = ? WHERE same_as = ? AND key != ?", heir, key, heir)

    def _copy_passages(self, source: int, target: int) -> None:
        self.query(
            "INSERT INTO passage (article, start, end, vector)"
            " SELECT ?, start, end, vector FROM passage WHERE article = ? ORDER BY id",
            target,
            source,
        )
