"""One state of an archive: what its database holds, and what the indexes of that state find."""

from __future__ import annotations

import sqlite3

import numpy as np
from numpy.typing import NDArray

from qa.storage.snapshot import Snapshot
from qa.storage.transaction import Transaction
from qa.types import Filters

Ids = NDArray[np.int64]
Floats = NDArray[np.float32]


class View(Transaction):
    """What a question is asked of; made by :meth:`qa.storage.generations.Generations.reading`."""

    def __init__(self, connection: sqlite3.Connection, snapshot: Snapshot) -> None:
        super().__init__(connection)
        self._snapshot = snapshot

    @property
    def indexed(self) -> int:
        """How many passages the indexes hold."""
        return len(self._snapshot.keywords)

    @property
    def source_names(self) -> tuple[str, ...]:
        """The names of the articles' sources."""
        return self._snapshot.sources

    def nearest(self, vectors: Floats, k: int, *, allowed: Ids | None = None) -> tuple[Ids, Floats]:
        """Find the passages nearest to each of some vectors.

        Args:
            vectors: Of length 1: (n, dim).
            k: How many for each.
            allowed: Ids of the only passages that count, ascending; by default all.

        Returns:
            Their ids and cosine similarities, best first: (n, at most k) each.
        """
        return self._snapshot.vectors.search(vectors, k, allowed=allowed)

    def matching(self, text: str, k: int, filters: Filters) -> tuple[Ids, Floats]:
        """Return at most ``k`` ids of passages that hold words of a text, and their BM25 scores, best first."""
        return self._snapshot.keywords.search(text, k, filters)

    def holding(self, term: str, filters: Filters) -> Ids:
        """Return the ids of all passages that hold the rarest word of a term, ascending."""
        return self._snapshot.keywords.holding(term, filters)

    def document_frequency(self, word: str) -> int:
        """Return how many passages hold a word, as :func:`qa.text.tokens.terms` gives it."""
        return self._snapshot.keywords.document_frequency(word)
