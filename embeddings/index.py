"""Vectors to the nearest ids: an exact FAISS scan over an immutable, memory-mapped file.

Ids are stored in ascending order, so that a lower position means a lower id and ties break by id.

An exact scan serves to about 200,000 vectors. A second kind of index for more than that would be chosen in
``build`` and told apart in ``open`` by the seal's version.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from embeddings.errors import IndexDamaged
from embeddings.index_file import check_seal, damaged, import_faiss, sync_folder, write_sealed

_SPARE = 16  # fetched beyond k, so that a tie across the k-th place is mostly settled in one scan


class VectorIndex:
    """Nearest ids by inner product, which is cosine similarity for unit vectors.

    A published file never changes: ``build`` writes a new one beside it and moves it in, and readers of
    the old one go on undisturbed. Never truncate or rewrite a file in place: a reader that has it mapped
    would be killed by the operating system.
    """

    def __init__(self, index: Any, ids: NDArray[np.int64]) -> None:
        self._index: Any = index
        self._ids = ids

    @classmethod
    def build(
        cls, ids: NDArray[np.int64], vectors: NDArray[np.float32] | NDArray[np.float16], path: Path
    ) -> None:
        """Publish a new index file at ``path``; one already there is replaced in one step.

        Args:
            ids: Shape (n,), unique, any int64; n may be 0.
            vectors: Shape (n, dim), float32 or float16, finite; stored as float16.
            path: The file; its folder must exist.

        Raises:
            ValueError: The arrays do not fit together, an id occurs twice, or a number does not fit float16.
            OSError: The file cannot be written.
        """
        ids, vectors = _ascending(ids, vectors)
        path = Path(path)
        aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
        try:
            write_sealed(ids, vectors, aside)
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)
        sync_folder(path.parent)

    @classmethod
    def open(cls, path: Path, *, mmap: bool = True, verify: bool | None = None) -> Self:
        """Open a file that ``build`` wrote.

        Args:
            path: The file.
            mmap: Map the file instead of reading it into memory: opening 200,000 vectors takes 2 ms
                instead of 100.
            verify: Whether to check every vector's bytes against the seal (about 1 ms for 2 MB). By
                default that is done for files up to 8 MB; the header and the ids are always checked.

        Raises:
            IndexDamaged: The file is missing, cut short, or not what ``build`` wrote.
        """
        path = Path(path)
        faiss = import_faiss()
        while True:
            try:
                before = path.stat()
                dim, count = check_seal(path, verify)
                outer = faiss.read_index(os.fspath(path), faiss.IO_FLAG_MMAP_IFC if mmap else 0)
                after = path.stat()
            except OSError as error:
                raise IndexDamaged(
                    f"The index file {path} cannot be read ({error.strerror}). Build it again."
                ) from error
            except RuntimeError as error:
                raise damaged(path, "FAISS cannot read it") from error
            if (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns):
                break  # else a new version was published between checking and reading
        inner = faiss.downcast_index(outer.index) if isinstance(outer, faiss.IndexIDMap) else None
        if not (
            isinstance(inner, faiss.IndexScalarQuantizer)
            and inner.sq.qtype == faiss.ScalarQuantizer.QT_fp16
            and outer.metric_type == inner.metric_type == faiss.METRIC_INNER_PRODUCT
            and outer.d == inner.d == dim
            and outer.ntotal == inner.ntotal == outer.id_map.size() == count
        ):
            raise damaged(path, "it holds another kind of index")
        return cls(outer, faiss.vector_to_array(outer.id_map))

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return int(self._opened().d)

    def __len__(self) -> int:
        return len(self._ids)

    def close(self) -> None:
        """Let go of the file. Searches under way finish; later ones raise ``ValueError``."""
        self._index = None

    def search(
        self,
        queries: NDArray[np.float32],
        k: int,
        allowed: NDArray[np.int64] | None = None,
        *,
        threads: int = 1,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Find the ``k`` nearest ids of each query, exactly.

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
        candidates, selector = len(self._ids), None
        if allowed is not None:
            mask = self._mask(allowed)
            candidates = int(np.count_nonzero(mask))
            selector = _selector(mask)
        width = min(k, candidates)
        if width == 0 or len(queries) == 0:
            return np.empty((len(queries), width), np.int64), np.empty((len(queries), width), np.float32)
        with _omp_threads(threads):
            positions, scores = _scan(index, queries, width, candidates, selector)
        return self._ids[positions], scores

    def _opened(self) -> Any:
        index = self._index
        if index is None:
            raise ValueError("the index is closed")
        return index

    def _mask(self, allowed: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which positions hold an allowed id."""
        allowed = np.asarray(allowed)
        if allowed.ndim != 1:
            raise ValueError(f"allowed ids must be one row, not an array of shape {allowed.shape}")
        mask = np.zeros(len(self._ids), dtype=np.bool_)
        if len(self._ids) and allowed.size:
            wanted = _int64(allowed)
            positions = np.searchsorted(self._ids, wanted)
            positions[positions == len(self._ids)] = 0
            mask[positions[self._ids[positions] == wanted]] = True
        return mask


def _scan(
    outer: Any, queries: NDArray[np.float32], width: int, candidates: int, selector: Any
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Best positions and their scores, ties by position.

    FAISS keeps any of the equal scores at the k-th place, so the scan is widened until the place after
    the last one fetched is known to be worse.
    """
    faiss = import_faiss()
    # The scan runs below the id map: FAISS's own translation of ids in a selector costs a set of them.
    inner = faiss.downcast_index(outer.index)
    parameters = None if selector is None else faiss.SearchParameters(sel=selector)
    fetch = min(candidates, width + _SPARE)
    while True:
        scores, positions = inner.search(queries, fetch, params=parameters)
        if fetch == candidates or not (scores[:, width - 1] == scores[:, -1]).any():
            break
        fetch = min(candidates, fetch * 4)
    order = np.lexsort((positions, -scores))[:, :width]
    return np.take_along_axis(positions, order, 1), np.take_along_axis(scores, order, 1)


def _selector(mask: NDArray[np.bool_]) -> Any:
    return import_faiss().IDSelectorBitmap(np.packbits(mask, bitorder="little"))


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
