"""A vector index that grows: several immutable files, searched as one.

The first file may be large and is written seldom; vectors that came later lie in smaller ones.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from embeddings.index.vector_index import VectorIndex


class SegmentedIndex:
    """Vector indexes with ascending ranges of ids, as one.

    Args:
        parts: The indexes; every id of one is greater than all of the one before it.
        dim: Length of a vector.
    """

    def __init__(self, parts: Sequence[VectorIndex], dim: int) -> None:
        self.parts = tuple(part for part in parts if len(part))
        self.dim = dim
        self._count = sum(map(len, self.parts))

    def __len__(self) -> int:
        return self._count

    def ids_between(self, first: int, last: int) -> NDArray[np.int64]:
        """Return the ids from ``first`` to ``last`` that can be found, ascending."""
        return np.concatenate(
            [np.empty(0, np.int64), *(_between(part.ids, first, last) for part in self.parts)]
        )

    def close(self) -> None:
        """Let go of the files. Searches under way finish; later ones raise ``ValueError``."""
        for part in self.parts:
            part.close()

    def search(
        self,
        queries: NDArray[np.float32],
        k: int,
        allowed: NDArray[np.int64] | None = None,
        *,
        threads: int = 1,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Find the ``k`` nearest ids of each query, as :meth:`VectorIndex.search` does.

        Args:
            queries: Shape (m, dim), finite.
            k: How many; fewer come back only where there are fewer, or ``allowed`` leaves fewer.
            allowed: Search only these ids, in any order.
            threads: OpenMP threads for this call.

        Returns:
            Ids and scores, each of shape (m, min(k, candidates)), best first, ties by ascending id.

        Raises:
            ValueError: The queries' shape is wrong, a number is not finite, or ``k`` is negative.
        """
        if allowed is not None and (allowed[1:] <= allowed[:-1]).any():
            allowed = np.unique(allowed)
        found = [
            part.search(
                queries, k, None if allowed is None else _between(allowed, *part.bounds), threads=threads
            )
            for part in self.parts
        ]
        if len(found) == 1:
            return found[0]
        ids = np.concatenate([np.empty((len(queries), 0), np.int64), *(ids for ids, _ in found)], axis=1)
        scores = np.concatenate([np.empty((len(queries), 0), np.float32), *(s for _, s in found)], axis=1)
        order = np.lexsort((ids, -scores))[:, :k]
        return np.take_along_axis(ids, order, 1), np.take_along_axis(scores, order, 1)


def _between(ids: NDArray[np.int64], first: int, last: int) -> NDArray[np.int64]:
    """Cut ids, ascending, to a range."""
    return ids[np.searchsorted(ids, first) : np.searchsorted(ids, last, side="right")]
