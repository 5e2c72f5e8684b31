"""Vectors to the nearest ids: an exact FAISS scan over an immutable, memory-mapped file.

A file is FAISS's own format (``IDMap,SQfp16``, inner product) followed by a seal: FAISS believes whatever
a damaged header says and can crash on it, so nothing is handed to FAISS before the seal has been checked.
Ids are stored in ascending order, so that a lower position means a lower id and ties break by id.

An exact scan serves to about 200,000 vectors. A second kind of index for more than that would be chosen in
``build`` and told apart in ``open`` by the seal's version.
"""

from __future__ import annotations

import hashlib
import os
import struct
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from embeddings.errors import IndexDamaged

_VERSION = b"vecseal1"
_SEAL = struct.Struct("<8sQQQ32s32s")  # version, dim, vectors, bytes before the codes, two digests
_ADD_ROWS = 16_384
_CHECKED_BYTES = 8 << 20  # vectors up to this size are hashed at every open: 5 ms, 11,000 passages
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
            _write(ids, vectors, aside)
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)
        _sync_folder(path.parent)

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
        try:
            dim, count = _check_seal(path, verify)
        except OSError as error:
            raise IndexDamaged(
                f"The index file {path} cannot be read ({error.strerror}). Build it again."
            ) from error
        faiss = _faiss()
        try:
            outer = faiss.read_index(os.fspath(path), faiss.IO_FLAG_MMAP_IFC if mmap else 0)
        except RuntimeError as error:
            raise _damaged(path, "FAISS cannot read it") from error
        inner = faiss.downcast_index(outer.index) if isinstance(outer, faiss.IndexIDMap) else None
        if not (
            isinstance(inner, faiss.IndexScalarQuantizer)
            and inner.sq.qtype == faiss.ScalarQuantizer.QT_fp16
            and outer.metric_type == inner.metric_type == faiss.METRIC_INNER_PRODUCT
            and outer.d == inner.d == dim
            and outer.ntotal == inner.ntotal == outer.id_map.size() == count
        ):
            raise _damaged(path, "it holds another kind of index")
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


def _faiss() -> Any:
    """FAISS, imported when first used. Untyped: its stubs do not know what its Python layer adds."""
    import faiss

    return faiss


def _scan(
    outer: Any, queries: NDArray[np.float32], width: int, candidates: int, selector: Any
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Best positions and their scores, ties by position.

    FAISS keeps any of the equal scores at the k-th place, so the scan is widened until the place after
    the last one fetched is known to be worse.
    """
    faiss = _faiss()
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
    return _faiss().IDSelectorBitmap(np.packbits(mask, bitorder="little"))


@contextmanager
def _omp_threads(threads: int) -> Iterator[None]:
    """Set the number of OpenMP threads of the calling thread, and put it back."""
    faiss = _faiss()
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


def _write(ids: NDArray[np.int64], vectors: Any, path: Path) -> None:
    faiss = _faiss()
    count, dim = vectors.shape
    quantizer = faiss.IndexScalarQuantizer(dim, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
    index = faiss.IndexIDMap(quantizer)
    for start in range(0, count, _ADD_ROWS):
        # FAISS rounds halves away from zero, NumPy to even: rounded here, the codes are the caller's float16.
        with np.errstate(over="ignore"):
            rows = vectors[start : start + _ADD_ROWS].astype(np.float16).astype(np.float32)
        if not np.isfinite(rows).all():
            raise ValueError("a vector holds a number that is not finite or does not fit float16")
        index.add_with_ids(np.ascontiguousarray(rows), ids[start : start + _ADD_ROWS])
    try:
        faiss.write_index(index, os.fspath(path))
    except RuntimeError as error:
        raise OSError(f"cannot write {path}: {error}") from error
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        head = size - 8 * count - 2 * dim * count
        fields = _VERSION, dim, count, head
        frame, codes = _digests(file, fields, size, with_codes=True)
        file.seek(size)
        file.write(_SEAL.pack(*fields, frame, codes))
        file.flush()
        os.fsync(file.fileno())


def _check_seal(path: Path, verify: bool | None) -> tuple[int, int]:
    """Compare a file with its seal; return dimension and number of vectors."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END) - _SEAL.size
        if size < 0:
            raise _damaged(path, "it is cut short")
        file.seek(size)
        version, dim, count, head, frame, codes = _SEAL.unpack(file.read(_SEAL.size))
        if version != _VERSION or size != head + 8 * count + 2 * dim * count:
            raise _damaged(path, "it is cut short or was overwritten")
        if verify is None:
            verify = 2 * dim * count <= _CHECKED_BYTES
        seen = _digests(file, (version, dim, count, head), size, with_codes=verify)
    if seen[0] != frame or (verify and seen[1] != codes):
        raise _damaged(path, "it was overwritten")
    return dim, count


def _digests(
    file: Any, fields: tuple[bytes, int, int, int], size: int, *, with_codes: bool
) -> tuple[bytes, bytes]:
    """SHA-256 of the frame (seal fields, header, ids) and of the vectors' codes."""
    _version, _dim, count, head = fields
    file.seek(0)
    frame = hashlib.sha256(repr(fields).encode())
    frame.update(file.read(head))
    codes = hashlib.sha256()
    end = size - 8 * count
    if with_codes:
        while block := file.read(min(1 << 20, end - file.tell())):
            codes.update(block)
    file.seek(end)
    frame.update(file.read(size - end))
    return frame.digest(), codes.digest()


def _damaged(path: Path, why: str) -> IndexDamaged:
    return IndexDamaged(f"The index file {path} is damaged: {why}. Build it again.")


def _sync_folder(folder: Path) -> None:
    """Make a rename in ``folder`` survive a power cut, where folders can be synced (not on Windows)."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
