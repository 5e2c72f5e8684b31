"""Vectors to the nearest ids: a FAISS index in an immutable, memory-mapped file.

Ids are stored in ascending order, so that a lower position means a lower id and ties break by id. Up to 50,000
vectors (:mod:`embeddings.index.build`) are all compared; of more, candidates are found by short codes and
compared by their stored bytes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from embeddings.errors import IndexDamaged
from embeddings.index.build import CANDIDATES_SUFFIX, check_seal, damaged, import_faiss, write_index

_SPARE = 16  # fetched beyond k, so that a tie across the k-th place is mostly settled in one scan
K_FACTOR = 8
"""Candidates found by codes that are compared by their stored bytes, for each id asked for."""
FEWEST_FOUND = 64
"""Fewest ids asked for where candidates are found by codes: the best of a few candidates may not be among them."""
SCAN_COSTS = 32
"""Vectors that can be scanned in the time that finding one candidate takes."""


class VectorIndex:
    """Nearest ids by inner product, which is cosine similarity for unit vectors.

    A published file never changes: ``build`` writes a new one beside it and moves it in, and readers of
    the old one go on undisturbed. Never truncate or rewrite a file in place: a reader that has it mapped
    would be killed by the operating system.
    """

    def __init__(self, index: Any, ids: NDArray[np.int64], candidates: Any, gone: NDArray[np.int64]) -> None:
        self._index: Any = index
        self._ids = ids
        self._living = ~np.isin(ids, gone) if len(gone) else None
        self._count = len(ids) if self._living is None else int(np.count_nonzero(self._living))
        self._candidates = candidates
        self._refined = None
        if candidates is not None:
            faiss = import_faiss()
            self._refined = faiss.IndexRefine(candidates, faiss.downcast_index(index.index))

    @classmethod
    def build(
        cls, ids: NDArray[np.int64], vectors: NDArray[np.float32] | NDArray[np.float16], path: Path
    ) -> None:
        """Publish a new index file at ``path``; one already there is replaced in one step.

        Args:
            ids: Shape (n,), unique, any int64; n may be 0.
            vectors: Shape (n, dim), float32 or float16, finite; stored as float16, as bytes where there are
                many.
            path: The file; its folder must exist.

        Raises:
            ValueError: The arrays do not fit together, an id occurs twice, or a number does not fit float16.
            OSError: The file cannot be written.
        """
        ids, vectors = _ascending(ids, vectors)

        def sample(n: int) -> NDArray[Any]:
            return vectors[np.linspace(0, len(vectors) - 1, min(n, len(vectors)), dtype=np.int64)]

        write_index([(ids, vectors)], path, count=len(ids), dim=vectors.shape[1], sample=sample)

    @classmethod
    def open(cls, path: Path, *, gone: NDArray[np.int64] | None = None) -> Self:
        """Open a file that ``build`` wrote: map it into memory, which takes 2 ms for 200,000 vectors.

        Args:
            path: The file.
            gone: Ids that are not to be found any more.

        Raises:
            IndexDamaged: The file is missing, cut short, or not what ``build`` wrote.
        """
        path, faiss = Path(path), import_faiss()
        outer, dim, count = _read(path)
        inner = faiss.downcast_index(outer.index) if isinstance(outer, faiss.IndexIDMap) else None
        kinds = faiss.ScalarQuantizer.QT_fp16, faiss.ScalarQuantizer.QT_8bit
        if not (
            isinstance(inner, faiss.IndexScalarQuantizer)
            and inner.sq.qtype in kinds
            and outer.metric_type == inner.metric_type == faiss.METRIC_INNER_PRODUCT
            and outer.d == inner.d == dim
            and outer.ntotal == inner.ntotal == outer.id_map.size() == count
        ):
            raise damaged(path, "it holds another kind of index")
        candidates = None
        if inner.sq.qtype != faiss.ScalarQuantizer.QT_fp16:
            beside = path.with_name(path.name + CANDIDATES_SUFFIX)
            candidates, *_ = _read(beside)
            if not (
                isinstance(candidates, faiss.IndexPQFastScan)
                and candidates.metric_type == faiss.METRIC_INNER_PRODUCT
                and (candidates.d, candidates.ntotal) == (dim, count)
            ):
                raise damaged(beside, "it holds another kind of index")
        none = np.empty(0, np.int64)
        return cls(outer, faiss.vector_to_array(outer.id_map), candidates, none if gone is None else gone)

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return int(self._opened().d)

    def __len__(self) -> int:
        return self._count

    @property
    def ids(self) -> NDArray[np.int64]:
        """The ids that can be found, ascending."""
        return self._ids if self._living is None else self._ids[self._living]

    @property
    def bounds(self) -> tuple[int, int]:
        """The first and the last id in the file, which must not be empty."""
        return int(self._ids[0]), int(self._ids[-1])

    def close(self) -> None:
        """Let go of the file. Searches under way finish; later ones raise ``ValueError``."""
        self._index = self._candidates = self._refined = None

    def search(
        self,
        queries: NDArray[np.float32],
        k: int,
        allowed: NDArray[np.int64] | None = None,
        *,
        threads: int = 1,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Find the ``k`` nearest ids of each query; exactly in a small index, and among few ``allowed`` ids.

        Args:
            queries: Shape (m, dim), finite.
            k: How many; fewer come back only where the index, or ``allowed``, holds fewer.
            allowed: Search only these ids. Unknown and repeated ones are ignored.
            threads: OpenMP threads for this call. FAISS shares out whole queries, so more than one helps
                only a batch of queries.

        Returns:
            Ids and scores, each of shape (m, min(k, candidates)), best first, ties by ascending id.

        Raises:
            ValueError: The queries' shape is wrong, a number is not finite, or ``k`` is negative.
        """
        index = self._opened()
        queries = np.ascontiguousarray(queries, dtype=np.float32)
        if queries.ndim != 2 or queries.shape[1] != index.d:
            raise ValueError(f"queries of shape {queries.shape} do not fit an index of dimension {index.d}")
        if not np.isfinite(queries).all():
            raise ValueError("a query holds a number that is not finite")
        if k < 0:
            raise ValueError(f"k must not be negative, and is {k}")
        mask = self._mask(allowed)
        candidates = len(self._ids) if mask is None else int(np.count_nonzero(mask))
        width = min(k, candidates)
        if width == 0 or len(queries) == 0:
            return np.empty((len(queries), width), np.int64), np.empty((len(queries), width), np.float32)
        with _omp_threads(threads):
            found = self._refine(queries, width, candidates, mask)
            positions, scores = found or _scan(index, queries, width, candidates, mask)
        return self._ids[positions], scores

    def _refine(
        self, queries: NDArray[np.float32], width: int, candidates: int, mask: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]] | None:
        """Best positions and scores by way of the codes; ``None`` where a scan takes no longer.

        The codes cannot be filtered: as many more are fetched as the mask leaves out, until enough are left.
        """
        fetch = (max(width, FEWEST_FOUND) + _SPARE) * len(self._ids) // candidates
        while self._refined is not None and fetch * K_FACTOR * SCAN_COSTS <= len(self._ids):
            parameters = import_faiss().IndexRefineSearchParameters(k_factor=K_FACTOR)
            scores, positions = self._refined.search(queries, fetch, params=parameters)
            usable = positions >= 0 if mask is None else (positions >= 0) & mask[positions]
            if (usable.sum(axis=1) >= width).all():
                order = np.lexsort((positions, -scores, ~usable))[:, :width]
                return np.take_along_axis(positions, order, 1), np.take_along_axis(scores, order, 1)
            fetch *= 4
        return None

    def _opened(self) -> Any:
        index = self._index
        if index is None:
            raise ValueError("the index is closed")
        return index

    def _mask(self, allowed: NDArray[np.int64] | None) -> NDArray[np.bool_] | None:
        """Which positions hold an id that is living and allowed; ``None`` where all do."""
        if allowed is None:
            return self._living
        allowed = np.asarray(allowed)
        if allowed.ndim != 1:
            raise ValueError(f"allowed ids must be one row, not an array of shape {allowed.shape}")
        mask = np.isin(self._ids, _int64(allowed) if allowed.size else np.empty(0, np.int64))
        return mask if self._living is None else mask & self._living


def _read(path: Path) -> tuple[Any, int, int]:
    """Return the FAISS index in a sealed file, the length of its vectors and their number."""
    faiss = import_faiss()
    while True:
        try:
            before = path.stat()
            seal = check_seal(path)
            index = faiss.read_index(os.fspath(path), faiss.IO_FLAG_MMAP_IFC)
            after = path.stat()
        except OSError as error:
            raise IndexDamaged(
                f"The index file {path} cannot be read ({error.strerror}). Build it again."
            ) from error
        except RuntimeError as error:
            raise damaged(path, "FAISS cannot read it") from error
        if (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns):
            return index, seal.dim, seal.vectors
        # else a new version was published between checking and reading


def _scan(
    outer: Any, queries: NDArray[np.float32], width: int, candidates: int, mask: NDArray[np.bool_] | None
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Best positions and their scores, ties by position.

    FAISS keeps any of the equal scores at the k-th place, so the scan is widened until the place after
    the last one fetched is known to be worse.
    """
    faiss = import_faiss()
    # The scan runs below the id map: FAISS's own translation of ids in a selector costs a set of them.
    inner = faiss.downcast_index(outer.index)
    parameters = None
    if mask is not None:
        parameters = faiss.SearchParameters(sel=faiss.IDSelectorBitmap(np.packbits(mask, bitorder="little")))
    fetch = min(candidates, width + _SPARE)
    while True:
        scores, positions = inner.search(queries, fetch, params=parameters)
        if fetch == candidates or not (scores[:, width - 1] == scores[:, -1]).any():
            break
        fetch = min(candidates, fetch * 4)
    order = np.lexsort((positions, -scores))[:, :width]
    return np.take_along_axis(positions, order, 1), np.take_along_axis(scores, order, 1)


@contextmanager
def _omp_threads(threads: int) -> Iterator[None]:
    """Set the number of OpenMP threads of the calling thread, and put it back."""
    faiss = import_faiss()
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(threads)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def _ascending(ids: Any, vectors: Any) -> tuple[NDArray[np.int64], Any]:
    """Check that ids and vectors fit together, and order them by id."""
    ids, vectors = np.asarray(ids), np.asarray(vectors)
    if vectors.dtype not in (np.float32, np.float16):
        raise ValueError(f"vectors must be float32 or float16, not {vectors.dtype}")
    if vectors.ndim != 2 or vectors.shape[1] == 0:
        raise ValueError(f"vectors must have the shape (n, dim), not {vectors.shape}")
    if ids.shape != (len(vectors),):
        raise ValueError(f"{len(vectors)} vectors need as many ids, not an array of shape {ids.shape}")
    ids = _int64(ids) if len(ids) else np.empty(0, dtype=np.int64)
    if (ids[1:] <= ids[:-1]).any():
        order = np.argsort(ids, kind="stable")
        ids, vectors = ids[order], vectors[order]
        twice = ids[1:][ids[1:] == ids[:-1]]
        if len(twice):
            raise ValueError(f"id {twice[0]} occurs more than once")
    return ids, vectors


def _int64(ids: NDArray[Any]) -> NDArray[np.int64]:
    if not np.can_cast(ids.dtype, np.int64) or ids.dtype == np.bool_:
        raise ValueError(f"ids must be int64, not {ids.dtype}")
    return np.ascontiguousarray(ids, dtype=np.int64)
