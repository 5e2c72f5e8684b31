"""The files of a vector index: FAISS's own format, sealed.

FAISS believes whatever a damaged header says, and can crash on it. So each file ends with a seal, digests of
what was written, and nothing is handed to FAISS before the seal has been checked.
"""

from __future__ import annotations

import hashlib
import os
import struct
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from embeddings.errors import IndexDamaged

_VERSION = b"vecseal2"
_SEAL = struct.Struct("<8sQQQQ32s32s")  # version, the seal's four numbers, two digests
_CHECKED_BYTES = 8 << 20  # codes up to this size are hashed at every open: 5 ms, 11,000 passages


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


def write_sealed(index: Any, path: Path, *, codes: int, tail: int) -> None:
    """Write an index and its seal, down to the disk.

    Args:
        index: A FAISS index that writes its codes in one piece, near its end.
        path: The file.
        codes: Bytes of the codes.
        tail: Bytes behind them.

    Raises:
        OSError: The file cannot be written.
    """
    try:
        import_faiss().write_index(index, os.fspath(path))
    except RuntimeError as error:
        raise OSError(f"cannot write {path}: {error}") from error
    with path.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        seal = Seal(index.d, index.ntotal, size - codes - tail, codes)
        digests = _digests(file, seal, size, with_codes=True)
        file.seek(size)
        file.write(_SEAL.pack(_VERSION, *seal, *digests))
        file.flush()
        os.fsync(file.fileno())


def check_seal(path: Path, verify: bool | None) -> Seal:
    """Compare a file with its seal.

    Args:
        path: The file.
        verify: Whether to read the codes too; by default where there are few.

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
        if verify is None:
            verify = codes <= _CHECKED_BYTES
        seal = Seal(dim, vectors, head, codes)
        seen = _digests(file, seal, size, with_codes=verify)
    if seen[0] != digests[0] or (verify and seen[1] != digests[1]):
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
