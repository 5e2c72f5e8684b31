"""The manifest of a snapshot: what its files are, how long each is, and its hash."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from qa.errors import SnapshotDamaged

NAME = "manifest.json"
HASHED_BYTES = 16 << 20
"""Files up to this size are hashed when a snapshot is opened (about 10 ms); of larger ones the size is checked."""

_hashes: dict[tuple[int, int, int, int], str] = {}  # of files seen by this process: links share theirs


class File(BaseModel):
    """A file as it was written."""

    size: int
    sha256: str


class Segment(BaseModel):
    """A file of vectors: of passages with ids up to ``last``, above those of the part before it."""

    last: int
    count: int

    @property
    def file(self) -> str:
        """The file's name."""
        return f"{self.last:012d}.faiss"


class Manifest(BaseModel):
    """What a snapshot holds."""

    model_config = ConfigDict(frozen=True)

    keyword: str
    """Version of the keyword index."""
    dim: int
    last: int
    """Greatest passage id in it."""
    sources: tuple[str, ...]
    """Names of the articles' sources."""
    parts: tuple[Segment, ...]
    files: dict[str, File] = {}

    def seal(self, root: Path, before: Path | None, known: dict[str, File]) -> Self:
        """Add the files below a folder and write the manifest there.

        Some of them may be links to the ``known`` files of an earlier snapshot, whose folder is ``before``.
        """
        files = {}
        for path in sorted(p for p in root.rglob("*") if p.is_file() and p.suffix != ".lock"):
            name = path.relative_to(root).as_posix()
            if before and name in known and (before / name).exists() and path.samefile(before / name):
                files[name] = known[name]
            else:
                _sync(path)
                files[name] = File(size=path.stat().st_size, sha256=sha256(path))
        sealed = self.model_copy(update={"files": files})
        (root / NAME).write_text(sealed.model_dump_json(), encoding="utf-8")
        _sync(root / NAME)
        return sealed

    @classmethod
    def read(cls, root: Path) -> Self:
        """Read the manifest in a folder.

        Raises:
            SnapshotDamaged: There is none that can be understood.
        """
        try:
            return cls.model_validate_json((root / NAME).read_bytes())
        except (OSError, ValidationError) as error:
            raise SnapshotDamaged(f"{root.name} has no manifest that can be read") from error

    def check(self, root: Path, *, thorough: bool = False) -> None:
        """Compare the files in a folder with the manifest.

        If ``thorough``, files that are large, or were hashed before, are hashed too.

        Raises:
            SnapshotDamaged: One is missing or not as it was written.
        """
        for name, written in self.files.items():
            path = root / name
            try:
                size = path.stat().st_size
                if size != written.size:
                    raise SnapshotDamaged(f"{path.name} has {size:,} bytes instead of {written.size:,}")
                if thorough or size <= HASHED_BYTES:
                    found = sha256(path) if thorough else _known_hash(path)
                    if found != written.sha256:
                        raise SnapshotDamaged(f"{path.name} was altered")
            except OSError as error:
                raise SnapshotDamaged(f"{path.name} cannot be read ({error.strerror})") from error


def sha256(path: Path) -> str:
    """Return a file's SHA-256 in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _known_hash(path: Path) -> str:
    """Hash a file, unless this process has hashed it as it is, maybe under another name."""
    status = path.stat()
    key = status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
    if key not in _hashes:
        if len(_hashes) > 20_000:
            _hashes.clear()
        _hashes[key] = sha256(path)
    return _hashes[key]


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
