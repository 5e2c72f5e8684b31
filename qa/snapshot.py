"""The derived files of one state of an archive: a vector index and a keyword index, sealed by a manifest.

A snapshot's folder is written aside, sealed, and moved in whole; it never changes afterwards. Which
folder belongs to the present state is recorded in the database, in the transaction that made it so.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from pathlib import Path
from typing import NamedTuple, Self

from embeddings import EmbeddingError, VectorIndex
from qa.chunking import header
from qa.keyword import VERSION as KEYWORD_VERSION
from qa.keyword import KeywordIndex, Row
from qa.transaction import Transaction

MANIFEST = "manifest.json"
VECTORS = "vectors.faiss"
KEYWORDS = "keywords"
HASHED_BYTES = 16 << 20
"""Files up to this size are hashed when a snapshot is opened (about 10 ms); of larger ones the size is checked."""


class SnapshotDamaged(Exception):
    """A derived file is missing, cut short or altered: the snapshot must be built again."""


class Snapshot(NamedTuple):
    """Both indexes of one state, open for search."""

    name: str
    vectors: VectorIndex
    keywords: KeywordIndex
    sources: tuple[str, ...]
    """Names of the articles' sources."""

    @classmethod
    def build(cls, transaction: Transaction, folder: Path) -> str:
        """Write a snapshot of what the transaction sees below ``folder``; return its name."""
        name = f"{transaction.generation:08d}-{uuid.uuid4().hex[:8]}"
        folder.mkdir(exist_ok=True)
        aside = folder / f".building-{name}"
        try:
            (aside / KEYWORDS).mkdir(parents=True)
            VectorIndex.build(*transaction.vectors(), aside / VECTORS)
            KeywordIndex.build(
                (
                    Row(number, header(article), text, article.published, article.source)
                    for number, _, article, text in transaction.keyword_rows()
                ),
                aside / KEYWORDS,
            )
            _seal(aside, transaction.sources())
            aside.replace(folder / name)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
        return name

    @classmethod
    def open(cls, folder: Path, name: str) -> Self:
        """Open a snapshot after checking its files against the manifest.

        Raises:
            SnapshotDamaged: Something is missing or not as it was written.
        """
        if not name:
            raise SnapshotDamaged("not built yet")
        root = folder / name
        sources = _check(root)
        try:
            return cls(name, VectorIndex.open(root / VECTORS), KeywordIndex.open(root / KEYWORDS), sources)
        except (EmbeddingError, ValueError, OSError) as error:
            raise SnapshotDamaged(str(error)) from error

    @staticmethod
    def prune(folder: Path, keep: set[str]) -> None:
        """Remove the folders of states that are gone; open files live on until they are closed."""
        for path in folder.iterdir():
            if path.name not in keep:
                shutil.rmtree(path, ignore_errors=True)


def _seal(root: Path, sources: list[str]) -> None:
    files = {}
    for path in sorted(p for p in root.rglob("*") if p.is_file()):
        with path.open("rb") as file:
            os.fsync(file.fileno())
        files[path.relative_to(root).as_posix()] = {"size": path.stat().st_size, "sha256": _sha256(path)}
    manifest = root / MANIFEST
    with manifest.open("w", encoding="utf-8") as file:
        json.dump({"keyword": KEYWORD_VERSION, "sources": sources, "files": files}, file, indent=1)
        file.flush()
        os.fsync(file.fileno())


def _check(root: Path) -> tuple[str, ...]:
    """Check the files against the manifest; return the sources it names."""
    try:
        manifest = json.loads((root / MANIFEST).read_text(encoding="utf-8"))
        if manifest["keyword"] != KEYWORD_VERSION:
            raise SnapshotDamaged("the keyword index was written by another version")
        for name, written in manifest["files"].items():
            path = root / name
            size = path.stat().st_size
            if size != written["size"]:
                raise SnapshotDamaged(f"{path.name} has {size:,} bytes instead of {written['size']:,}")
            if size <= HASHED_BYTES and _sha256(path) != written["sha256"]:
                raise SnapshotDamaged(f"{path.name} was altered")
        return tuple(manifest["sources"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SnapshotDamaged(f"{root.name} is incomplete ({error})") from error


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
