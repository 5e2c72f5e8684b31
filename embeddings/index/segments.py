"""A vector index that grows: several immutable segments, searched as one.

The first segment may be large and is written seldom; vectors that came later lie in smaller ones.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from embeddings.index.vector_index import VectorIndex


class SegmentedIndex:
    """Vector indexes with ascending ranges of ids, as one.

    Args:
        segments: The indexes; every id of one is greater than all of the one before it.
        dim: Length of a vector.
    """

    def __init__(self, segments: Sequence[VectorIndex], dim: int) -> None:
        self.segments = tuple(segment for segment in segments if len(segment))
        self.dim = dim
        self._count = sum(map(len, self.segments))

    def __len__(self) -> int:
        return self._count

    def ids_between(self, first: int, last: int) -> NDArray[np.int64]:
        """Return the ids from ``first`` to ``last`` that can be found, ascending."""
        return np.concatenate(
            [np.empty(0, np.int64), *(_between(segment.ids, first, last) for segment in self.segments)]
        )

    def close(self) -> None:
        """Let go of the files. Searches under way finish; later ones raise ``ValueError``."""
        for segment in self.segments:
            segment.close()

    def search(
        self,
        queries: NDArray[np.float32],
        k: int,
        allowed: NDArray[np.int64] | None = None,
        *,
        threads: int = 1,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Find the ``k`` nearest ids of each query; arguments, result and errors are :meth:`VectorIndex.search`'s.

        The allowed ids may come in any order.
        """
        if allowed is not None and (allowed[1:] <= allowed[:-1]).any():
            allowed = np.unique(allowed)
        found = [
            segment.search(
                queries, k, None if allowed is None else _between(allowed, *segment.bounds), threads=threads
            )
            for segment in self.segments
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
