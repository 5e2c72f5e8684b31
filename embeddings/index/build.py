"""The files of a vector index: how they are written, batch by batch, and sealed.

Up to ``EXACT_UP_TO`` vectors are stored as float16 and scanned. More are stored as bytes (SQ8), and a second
file holds codes of 4 bits for every 4 dimensions (PQ fast scan), by which candidates are found first.

The format is FAISS's own. FAISS believes whatever a damaged header says, and can crash on it. So each file
ends with a seal, digests of what was written, and the seal is checked before FAISS reads the file.
"""

from __future__ import annotations

import hashlib
import os
import struct
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from embeddings.errors import IndexDamaged

EXACT_UP_TO = 50_000
"""Most vectors that are scanned exactly: that takes 2 ms. Twice as many take 5 to 9 ms, and by their codes 1 ms."""
TRAINED_ON = 16_384
"""How many vectors the codes of a larger index are trained on."""
CANDIDATES_SUFFIX = ".pq"
"""Ends the name of the file of codes."""
_ROWS = 16_384  # added to FAISS at a time
_DIMS_PER_CODE, _CODE_BITS = 4, 4
_VERSION = b"vecseal2"
_SEAL = struct.Struct("<8sQQQQ32s32s")  # version, the seal's four numbers, two digests
_CHECKED_BYTES = 8 << 20  # codes up to this size are hashed at every open: 5 ms, 11,000 passages

Batches = Iterable[tuple[NDArray[np.int64], NDArray[Any]]]


def write_index(
    batches: Batches, path: Path, *, count: int, dim: int, sample: Callable[[int], NDArray[Any]]
) -> None:
    """Publish an index file at ``path``; one already there is replaced in one step.

    Args:
        batches: Ids (n,) and vectors (n, dim), finite, the ids ascending throughout.
        path: The file; its folder must exist.
        count: How many vectors there are in all.
        dim: Length of a vector.
        sample: Returns about as many of the vectors as it is told to, at random.

    Raises:
        ValueError: The ids do not ascend, the count is wrong, or a number does not fit float16.
        OSError: A file cannot be written.
    """
    exact = count <= EXACT_UP_TO or dim % _DIMS_PER_CODE != 0
    faiss = import_faiss()
    kind = faiss.ScalarQuantizer.QT_fp16 if exact else faiss.ScalarQuantizer.QT_8bit
    quantizer = faiss.IndexScalarQuantizer(dim, kind, faiss.METRIC_INNER_PRODUCT)
    indexes = [faiss.IndexIDMap(quantizer)]
    if not exact:
        codes = dim // _DIMS_PER_CODE
        indexes.append(faiss.IndexPQFastScan(dim, codes, _CODE_BITS, faiss.METRIC_INNER_PRODUCT))
        learned = _finite(sample(TRAINED_ON))
        for index in indexes:
            index.train(learned)
    for ids, rows in _checked(batches):
        indexes[0].add_with_ids(rows, ids)
        for index in indexes[1:]:
            index.add(rows)
    if indexes[0].ntotal != count:
        raise ValueError(f"{indexes[0].ntotal} vectors came instead of {count}")
    path = Path(path)
    for index in reversed(indexes):  # the file that is opened first comes last
        stored = index is indexes[0]
        _publish(
            index,
            path if stored else path.with_name(path.name + CANDIDATES_SUFFIX),
            codes=count * quantizer.sq.code_size if stored else index.codes.size(),
            tail=8 + 8 * count if stored else 0,
        )


def _checked(batches: Batches) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    last: int | None = None
    for ids, vectors in batches:
        if len(ids) and ((ids[1:] <= ids[:-1]).any() or (last is not None and ids[0] <= last)):
            raise ValueError("the ids do not ascend")
        last = int(ids[-1]) if len(ids) else last
        for start in range(0, len(ids), _ROWS):
            yield ids[start : start + _ROWS], _finite(vectors[start : start + _ROWS])


def _finite(vectors: NDArray[Any]) -> NDArray[np.float32]:
    """Round to float16 as NumPy does (to even; FAISS rounds halves away from zero)."""
    with np.errstate(over="ignore"):
        rows = np.ascontiguousarray(vectors.astype(np.float16).astype(np.float32))
    if not np.isfinite(rows).all():
        raise ValueError("a vector holds a number that is not finite or does not fit float16")
    return rows


class Seal(NamedTuple):
    """What a file holds: a header, the vectors' codes, and what follows them."""

    dim: int
    vectors: int
    head: int
    """Bytes before the codes."""
    codes: int
    """Bytes of the codes."""


def import_faiss() -> Any:
    """FAISS, imported when first used. Untyped: its stubs do not know what its Python layer adds."""
    import faiss

    return faiss


def _publish(index: Any, path: Path, *, codes: int, tail: int) -> None:
    """Write an index and its seal down to the disk, and then move the file to its place.

    Args:
        index: A FAISS index that writes its codes in one piece, near its end.
        path: The file.
        codes: Bytes of the codes.
        tail: Bytes behind them.
    """
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        import_faiss().write_index(index, os.fspath(aside))
        with aside.open("r+b") as file:
            size = file.seek(0, os.SEEK_END)
            seal = Seal(index.d, index.ntotal, size - codes - tail, codes)
            digests = _digests(file, seal, size, with_codes=True)
            file.seek(size)
            file.write(_SEAL.pack(_VERSION, *seal, *digests))
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except RuntimeError as error:  # FAISS's
        raise OSError(f"cannot write {path}: {error}") from error
    finally:
        aside.unlink(missing_ok=True)
    sync_folder(path.parent)


def check_seal(path: Path) -> Seal:
    """Compare a file with its seal: all but its codes, and them too where there are few.

    Raises:
        IndexDamaged: They do not fit.
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END) - _SEAL.size
        if size < 0:
            raise damaged(path, "it is cut short")
        file.seek(size)
        version, dim, vectors, head, codes, *digests = _SEAL.unpack(file.read(_SEAL.size))
        if version != _VERSION or size < head + codes:
            raise damaged(path, "it is cut short or was overwritten")
        seal, with_codes = Seal(dim, vectors, head, codes), codes <= _CHECKED_BYTES
        seen = _digests(file, seal, size, with_codes=with_codes)
    if seen[0] != digests[0] or (with_codes and seen[1] != digests[1]):
        raise damaged(path, "it was cut short or overwritten")
    return seal


def _digests(file: BinaryIO, seal: Seal, size: int, *, with_codes: bool) -> tuple[bytes, bytes]:
    """SHA-256 of the frame (the seal's numbers, the size, all around the codes) and of the codes."""
    frame, codes = hashlib.sha256(repr((tuple(seal), size)).encode()), hashlib.sha256()
    file.seek(0)
    frame.update(file.read(seal.head))
    end = seal.head + seal.codes
    if with_codes:
        while block := file.read(min(1 << 20, end - file.tell())):
            codes.update(block)
    file.seek(end)
    frame.update(file.read(size - end))
    return frame.digest(), codes.digest()


def damaged(path: Path, why: str) -> IndexDamaged:
    """Make the error for an index file that cannot be used."""
    return IndexDamaged(f"The index file {path} is damaged: {why}. Build it again.")


def sync_folder(folder: Path) -> None:
    """Make a rename in ``folder`` survive a power cut, where folders can be synced (not on Windows)."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
