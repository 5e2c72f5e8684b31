"""The file of a vector index: FAISS's own format, sealed.

FAISS believes whatever a damaged header says, and can crash on it. So the file ends with a seal, digests of
what was written, and nothing is handed to FAISS before the seal has been checked.
"""

from __future__ import annotations

import hashlib
import os
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embeddings.errors import IndexDamaged

_VERSION = b"vecseal1"
_SEAL = struct.Struct("<8sQQQ32s32s")  # version, dim, vectors, bytes before the codes, two digests
_ADD_ROWS = 16_384
_CHECKED_BYTES = 8 << 20  # vectors up to this size are hashed at every open: 5 ms, 11,000 passages


def import_faiss() -> Any:
    """FAISS, imported when first used. Untyped: its stubs do not know what its Python layer adds."""
    import faiss

    return faiss


def write_sealed(ids: NDArray[np.int64], vectors: Any, path: Path) -> None:
    """Write an index and its seal, down to the disk.

    Raises:
        ValueError: A number is not finite or does not fit float16.
        OSError: The file cannot be written.
    """
    faiss = import_faiss()
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


def check_seal(path: Path, verify: bool | None) -> tuple[int, int]:
    """Compare a file with its seal; return dimension and number of vectors.

    Raises:
        IndexDamaged: They do not fit.
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END) - _SEAL.size
        if size < 0:
            raise damaged(path, "it is cut short")
        file.seek(size)
        version, dim, count, head, frame, codes = _SEAL.unpack(file.read(_SEAL.size))
        if version != _VERSION or size != head + 8 * count + 2 * dim * count:
            raise damaged(path, "it is cut short or was overwritten")
        if verify is None:
            verify = 2 * dim * count <= _CHECKED_BYTES
        seen = _digests(file, (version, dim, count, head), size, with_codes=verify)
    if seen[0] != frame or (verify and seen[1] != codes):
        raise damaged(path, "it was overwritten")
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
