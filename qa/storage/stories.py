"""Articles that tell the same story."""

from __future__ import annotations

import json
from collections.abc import Collection
from functools import cache, partial

from qa.storage.transaction import Transaction
from qa.types import Answer, Citation, Copy

STORY = 1_000
"""Articles of one story that are looked at."""


def stories(transaction: Transaction, articles: Collection[str]) -> dict[str, int]:
    """Return a number for the story that each article tells, of those that resemble any other one."""
    rows = transaction.query(
        "SELECT DISTINCT a.id, a.key FROM article a JOIN near n ON n.article = a.key"
        " WHERE a.current AND a.id IN (SELECT value FROM json_each(?))",
        json.dumps(list(articles)),
    )
    return {article_id: min(_story(transaction, key)) for article_id, key in rows.fetchall()}


def _story(transaction: Transaction, key: int) -> list[int]:
    rows = transaction.query(
        "WITH RECURSIVE story (key) AS (VALUES (?) UNION SELECT n.other FROM story s"
        " JOIN near n ON n.article = s.key JOIN article a ON a.key = n.other AND a.current LIMIT ?)"
        " SELECT key FROM story",
        key,
        STORY,
    )
    return [number for (number,) in rows]


def copies(transaction: Transaction, article_id: str) -> tuple[Copy, ...]:
    """Return the other articles that tell an article's story, the earliest first, undated ones last."""
    key = transaction.value("SELECT coalesce(same_as, key) FROM article WHERE current AND id = ?", article_id)
    if key is None:
        return ()
    story = json.dumps(_story(transaction, key))
    rows = transaction.query(
        "SELECT id, title, source, published, url FROM article WHERE current AND id != ?"
        " AND key IN (SELECT value FROM json_each(?)"
        " UNION SELECT key FROM article WHERE same_as IN (SELECT value FROM json_each(?)))"
        " ORDER BY published IS NULL, published, id",
        article_id,
        story,
        story,
    )
    return tuple(Copy(**dict(zip(Copy.model_fields, values, strict=True))) for values in rows)


def with_copies(answer: Answer, transaction: Transaction) -> Answer:
    """Name with each citation the other articles that tell its story."""
    also = cache(partial(copies, transaction))

    def cited(citation: Citation) -> Citation:
        return citation.model_copy(update={"also": also(citation.article_id)})

    citations = tuple(map(cited, answer.citations))
    closest = answer.closest and cited(answer.closest)
    return answer.model_copy(update={"citations": citations, "closest": closest})
