"""The derived files of one state of an archive: vector indexes and a keyword index, sealed by a manifest.

A snapshot's folder is written aside, sealed, and moved in whole; it never changes afterwards. The next one
links to those of its files that stay as they are and adds what is new, so that it costs what has changed.
Which folder belongs to the present state is recorded in the database, in the transaction that made it so.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from embeddings import EmbeddingError, SegmentedIndex, VectorIndex
from embeddings.index.build import sync_folder, write_index
from qa.errors import SnapshotDamaged
from qa.storage.keyword_index import VERSION as KEYWORD_VERSION
from qa.storage.keyword_index import KeywordIndex, Row
from qa.storage.manifest import Manifest, Segment
from qa.storage.transaction import Transaction
from qa.types import header

VECTORS, KEYWORDS, GONE = "vectors", "keywords", "gone.npy"
_ASIDE = ".building-"

LOOSE_PASSAGES = 20_000
LOOSE_SHARE = 0.1
"""Vectors added, or gone, since the first file of vectors was written: past this many, or this share of them
where that is more, it is written anew."""

Ids = NDArray[np.int64]
NOTHING_GONE: Ids = np.empty(0, np.int64)


class Snapshot(NamedTuple):
    """Both indexes of one state, open for search."""

    name: str
    vectors: SegmentedIndex
    keywords: KeywordIndex
    sources: tuple[str, ...]
    """Names of the articles' sources."""

    @classmethod
    def build(cls, transaction: Transaction, folder: Path) -> str:
        """Write a snapshot of what the transaction sees below ``folder``; return its name."""
        return _write(transaction, folder, None, NOTHING_GONE)

    @classmethod
    def extend(cls, transaction: Transaction, folder: Path, before: str, gone: Ids) -> str:
        """Write a snapshot that shares what it can with the one named ``before``; return its name.

        Passages that are in the earlier one and not in what the transaction sees are ``gone``.

        Raises:
            SnapshotDamaged: The earlier one is not as it was written.
        """
        root = folder / before
        manifest = checked(root)
        try:
            return _write(transaction, folder, (root, manifest), gone)
        except (ValueError, EmbeddingError):
            manifest.check(root, thorough=True)  # if that is why, it says so
            raise

    @classmethod
    def open(cls, folder: Path, name: str) -> Self:
        """Open a snapshot after checking its files against the manifest.

        Raises:
            SnapshotDamaged: Something is missing or not as it was written.
        """
        if not name:
            raise SnapshotDamaged("not built yet")
        root = folder / name
        manifest = checked(root)
        try:
            gone = _gone(root)
            vectors = [
                VectorIndex.open(root / VECTORS / part.file, gone=gone[(gone > after) & (gone <= part.last)])
                for part, after in _ranges(manifest.parts)
            ]
            keywords = KeywordIndex.open(root / KEYWORDS)
            # A writer may have removed files while they were opened, and tantivy opens without some of them.
            manifest.check(root)
        except (EmbeddingError, ValueError, OSError) as error:
            raise SnapshotDamaged(str(error)) from error
        return cls(name, SegmentedIndex(vectors, manifest.dim), keywords, manifest.sources)

    @staticmethod
    def prune(folder: Path, keep: set[str]) -> None:
        """Remove the folders of states that are gone; open files live on until they are closed."""
        for path in folder.iterdir() if folder.exists() else ():
            if path.name not in keep:
                shutil.rmtree(path, ignore_errors=True)


def checked(root: Path) -> Manifest:
    """Read a snapshot's manifest and compare the files with it; large ones by their size.

    Raises:
        SnapshotDamaged: Something is missing or not as it was written.
    """
    manifest = Manifest.read(root)
    if manifest.keyword != KEYWORD_VERSION:
        raise SnapshotDamaged("the keyword index was written by another version")
    manifest.check(root)
    return manifest


def _write(transaction: Transaction, folder: Path, earlier: tuple[Path, Manifest] | None, gone: Ids) -> str:
    """Write a snapshot from an earlier one and what has changed since, or from nothing."""
    name = f"{transaction.generation:08d}-{uuid.uuid4().hex[:8]}"
    folder.mkdir(exist_ok=True)
    aside = folder / f"{_ASIDE}{name}"
    try:
        (aside / KEYWORDS).mkdir(parents=True)
        (aside / VECTORS).mkdir()
        if earlier is None:
            KeywordIndex.build(_rows(transaction, 0), aside / KEYWORDS)
        else:
            root, manifest = earlier
            _link(root / KEYWORDS, aside / KEYWORDS)
            added = _rows(transaction, manifest.last)
            KeywordIndex.update(aside / KEYWORDS, added, gone)
            gone = np.union1d(_gone(root), gone)
        parts, gone = _write_vectors(transaction, aside, earlier, gone)
        with (aside / GONE).open("wb") as file:
            np.save(file, gone, allow_pickle=False)
        Manifest(
            keyword=KEYWORD_VERSION,
            dim=int(transaction.meta("dim")),
            last=transaction.last_passage(),
            sources=tuple(transaction.sources()),
            parts=tuple(parts),
        ).seal(aside, *((root, manifest.files) if earlier else (None, {})))
        for inner in (aside / KEYWORDS, aside / VECTORS, aside):
            sync_folder(inner)
        aside.replace(folder / name)
        sync_folder(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return name


def _write_vectors(
    transaction: Transaction, aside: Path, earlier: tuple[Path, Manifest] | None, gone: Ids
) -> tuple[list[Segment], Ids]:
    """Link to the files of vectors that stay, and write one of all that come behind them.

    Returns the parts, and which of their ids are gone.

    A file is written again together with the new vectors where it holds no more than they are: so the files
    grow geometrically, few are searched, and a vector is seldom written.
    """
    parts = list(earlier[1].parts) if earlier else []
    living = [
        part.count - int(np.count_nonzero((gone > after) & (gone <= part.last)))
        for part, after in _ranges(parts)
    ]
    fresh = transaction.passage_count(earlier[1].last if earlier else 0)
    limit = max(LOOSE_PASSAGES, LOOSE_SHARE * living[0]) if living else 0
    if fresh + sum(living[1:]) > limit or sum(part.count for part in parts) - sum(living) > limit:
        parts, fresh = [], fresh + sum(living)
    while parts and living[len(parts) - 1] <= fresh:
        fresh += living[len(parts) - 1]
        parts.pop()
    for part in parts:
        assert earlier
        for path in (earlier[0] / VECTORS).glob(f"{part.file}*"):
            _share(path, aside / VECTORS / path.name)
    after = parts[-1].last if parts else 0
    if fresh:
        new = Segment(last=transaction.last_passage(), count=transaction.passage_count(after))
        write_index(
            transaction.vector_batches(after),
            aside / VECTORS / new.file,
            count=new.count,
            dim=int(transaction.meta("dim")),
            sample=transaction.vector_sample,
        )
        parts.append(new)
    return parts, gone[gone <= after]


def _ranges(parts: tuple[Segment, ...] | list[Segment]) -> Iterator[tuple[Segment, int]]:
    """Yield each part with the last id of the one before it."""
    return zip(parts, [0, *(part.last for part in parts)], strict=False)


def _rows(transaction: Transaction, after: int) -> Iterator[Row]:
    for number, articles, text in transaction.keyword_rows(after):
        headers = dict.fromkeys(map(header, articles))
        days = tuple(article.published for article in articles if article.published)
        yield Row(number, "\n".join(headers), text, days, tuple(article.source for article in articles))


def _gone(root: Path) -> Ids:
    return np.asarray(np.load(root / GONE, allow_pickle=False), np.int64)


def _link(source: Path, target: Path) -> None:
    """Give a folder the files of another; the locks in it are each one's own."""
    for path in source.iterdir():
        if path.suffix != ".lock":
            _share(path, target / path.name)


def _share(path: Path, target: Path) -> None:
    try:
        os.link(path, target)
    except OSError:  # a file system without links
        shutil.copy2(path, target)
