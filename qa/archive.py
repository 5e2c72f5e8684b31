"""An archive: one folder of articles that can be searched and asked."""

from __future__ import annotations

import logging
import os
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar

import numpy as np
from filelock import FileLock, Timeout

from embeddings import Encoder, load_encoder
from qa import chunking, examples
from qa.answering import Answerer
from qa.errors import (
    ArchiveError,
    ArchiveExists,
    ArchiveIncompatible,
    ArchiveNotFound,
    ArchiveReadOnly,
    ArticleNotFound,
    InputError,
)
from qa.readers import read_paths
from qa.readers.found import Found
from qa.retrieval import search
from qa.settings import BUNDLED_READER, NO_READER, Settings
from qa.snapshot import Snapshot, SnapshotDamaged
from qa.store import Store, Transaction
from qa.types import Answer, Article, Coverage, Filters, Hit, IngestReport, Skipped, Turn
from qa.understanding import understand

if TYPE_CHECKING:
    from embeddings.reader import Reader

log = logging.getLogger("qa")

DATABASE = "archive.sqlite"
DERIVED = "derived"
LOCK = ".writer"
BATCH_ARTICLES = 64
WRITER_WAIT = 60.0
"""Seconds a writer waits for another one before it gives up."""

ATTEMPTS = 3
"""How often a question is tried while indexes are being rebuilt under it."""

Source = str | Path | Article
Result = TypeVar("Result")


class Archive:
    """A folder with a database and the indexes derived from it. Safe to use from several threads.

    Make one with :meth:`create` or :meth:`open`.
    """

    def __init__(self, path: Path, store: Store, settings: Settings) -> None:
        self.path = path
        self.settings = settings
        self._store = store
        self._snapshot: Snapshot | None = None
        self._snapshot_lock = threading.Lock()
        self._private: tempfile.TemporaryDirectory[str] | None = None

    # -- opening ------------------------------------------------------------------------------

    @classmethod
    def create(cls, path: str | Path, model: str | None = None, *, settings: Settings | None = None) -> Self:
        """Make an empty archive.

        Args:
            path: A folder that does not exist yet, or is empty.
            model: The embedding model; by default ``settings.model``, else the bundled one.
            settings: By default read from the environment.

        Raises:
            ArchiveExists: Something is there already.
            ArchiveReadOnly: The folder cannot be made.
        """
        path, settings = Path(path), settings or Settings.from_environ()
        if path.is_file() or (path.is_dir() and any(path.iterdir())):
            what = "an archive" if (path / DATABASE).exists() else "something else"
            raise ArchiveExists(
                f"{path} already holds {what}. Name another folder, or open the archive there."
            )
        model = model or settings.model
        encoder = load_encoder(model, settings.cache_dir, notify=log.warning)
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ArchiveReadOnly(
                f"{path} cannot be made ({error.strerror}). Name a folder of your own."
            ) from None
        store = Store.create(
            path / DATABASE,
            model=model or "",
            fingerprint=encoder.fingerprint,
            dim=encoder.dim,
            chunker=chunking.VERSION,
        )
        archive = cls(path, store, settings)
        archive.__dict__["encoder"] = encoder
        return archive

    @classmethod
    def open(cls, path: str | Path, *, settings: Settings | None = None) -> Self:
        """Open an archive.

        Raises:
            ArchiveNotFound: There is none at the path.
            ArchiveIncompatible: Another model or a newer version made it.
            ArchiveDamaged: Its database cannot be read.
        """
        path, settings = Path(path), settings or Settings.from_environ()
        if not (path / DATABASE).is_file():
            what = "is not a folder" if path.exists() and not path.is_dir() else "holds no archive"
            raise ArchiveNotFound(f"{path} {what}. Make one with: qa index FILES --archive FOLDER")
        store = Store(
            path / DATABASE, writable=os.access(path, os.W_OK) and os.access(path / DATABASE, os.W_OK)
        )
        store.check()
        archive = cls(path, store, settings)
        with store.read() as transaction:
            model, chunker = transaction.meta("model"), transaction.meta("chunker")
        if settings.model is not None and settings.model != model:
            raise ArchiveIncompatible(
                f"{path} was made with the model {model or 'all-MiniLM-L6-v2'}, not {settings.model}. "
                "Unset QA_MODEL, or index the articles into a new folder."
            )
        if chunker != chunking.VERSION:
            log.warning(
                "%s was cut into passages by another version; it works, a fresh index may find more.", path
            )
        return archive

    def close(self) -> None:
        """Close the files; the archive is not used afterwards."""
        with self._snapshot_lock:
            if self._snapshot:
                self._snapshot.vectors.close()
                self._snapshot = None
            if self._private:
                self._private.cleanup()
                self._private = None
        self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @cached_property
    def encoder(self) -> Encoder:
        """The model the archive was made with, loaded when first needed.

        Raises:
            ArchiveIncompatible: The model has changed since.
            embeddings.EmbeddingError: It cannot be loaded.
        """
        with self._store.read() as transaction:
            model, fingerprint = transaction.meta("model"), transaction.meta("fingerprint")
        encoder = load_encoder(model or None, self.settings.cache_dir, notify=log.warning)
        if encoder.fingerprint != fingerprint:
            raise ArchiveIncompatible(
                f"{self.path} was made with another version of the model {encoder.name}: its vectors do not "
                "compare. Index the articles into a new folder."
            )
        return encoder

    @cached_property
    def reader(self) -> Reader | None:
        """The model that reads passages for the answer, or ``None`` where the settings want none."""
        name = self.settings.reader
        if name is None or name == NO_READER:
            return None
        from embeddings.reader import BUNDLED, Reader

        return Reader.load(BUNDLED if name == BUNDLED_READER else Path(name))

    # -- articles -----------------------------------------------------------------------------

    def __len__(self) -> int:
        """Return the number of articles."""
        return self.coverage().articles

    def __iter__(self) -> Iterator[Article]:
        """Yield the articles in the order they were added."""
        with self._store.read() as transaction:
            yield from transaction.articles()

    def get(self, article_id: str) -> Article:
        """Return an article.

        Raises:
            ArticleNotFound: There is none with that id.
        """
        with self._store.read() as transaction:
            article = transaction.article(article_id)
        if article is None:
            raise ArticleNotFound(f"The archive holds no article {article_id!r}.")
        return article

    def coverage(self, filters: Filters | None = None) -> Coverage:
        """Return how many articles there are, or a filter leaves, and the days they span."""
        with self._store.read() as transaction:
            return transaction.coverage(filters)

    def sources(self) -> list[str]:
        """Return the names of the articles' sources, the most frequent first."""
        with self._store.read() as transaction:
            return transaction.sources()

    def examples(self, n: int = 4) -> list[str]:
        """Return up to ``n`` questions that this archive answers."""
        with self._store.read() as transaction:
            return examples.questions(transaction.articles(), n)

    def describe(self) -> dict[str, str | int]:
        """Return what ``qa info`` shows: counts, days covered, model, generation."""
        with self._store.read() as transaction:
            coverage = transaction.coverage()
            return {
                "path": str(self.path),
                "articles": coverage.articles,
                "passages": transaction.passage_count(),
                "undated": coverage.undated,
                "first": str(coverage.first or ""),
                "last": str(coverage.last or ""),
                "sources": len(transaction.sources()),
                "model": transaction.meta("model") or "all-MiniLM-L6-v2",
                "fingerprint": transaction.meta("fingerprint"),
                "generation": transaction.generation,
                "bytes": sum(p.stat().st_size for p in self.path.rglob("*") if p.is_file()),
            }

    # -- changing -----------------------------------------------------------------------------

    def add(self, sources: Source | Iterable[Source]) -> IngestReport:
        """Add articles, or files and folders of articles; what is there already is updated or left alone.

        Raises:
            InputError: Nothing could be read at all.
            ArchiveReadOnly: The folder cannot be written.
        """
        counts = {"added": 0, "updated": 0, "unchanged": 0}
        skipped: list[Skipped] = []
        with self._writing():
            articles = self._found(sources, skipped)
            while batch := list(islice(articles, BATCH_ARTICLES)):
                self._put_batch(batch, counts)
            self._publish()
        if skipped and not any(counts.values()):
            first = skipped[0]
            more = f" (and {len(skipped) - 1} more)" if len(skipped) > 1 else ""
            raise InputError(f"Nothing could be read. {first.where}: {first.why}{more}.")
        return IngestReport(**counts, skipped=tuple(skipped))

    def remove(self, ids: str | Iterable[str]) -> int:
        """Remove articles; ids that are not there are passed over. Return how many were removed."""
        with self._writing():
            with self._store.write() as transaction:
                removed = sum(map(transaction.remove, [ids] if isinstance(ids, str) else ids))
                if removed:
                    transaction.set_meta(generation=transaction.generation + 1)
            self._publish()
        return removed

    def _found(self, sources: Source | Iterable[Source], skipped: list[Skipped]) -> Iterator[Found]:
        for source in [sources] if isinstance(sources, str | Path | Article) else sources:
            for found in [Found(source)] if isinstance(source, Article) else read_paths([source]):
                if isinstance(found, Skipped):
                    skipped.append(found)
                elif not found.article.text.strip():
                    skipped.append(Skipped(found.article.id, "the article has no text"))
                else:
                    yield found

    def _put_batch(self, batch: Sequence[Found], counts: dict[str, int]) -> None:
        """Cut and encode a batch outside any transaction, then store it in one."""
        with self._store.read() as transaction:
            fresh = {}
            for found in batch:
                article, origin = self._named(found, transaction)
                present = transaction.article(article.id)
                if present == article and article.id not in fresh:
                    counts["unchanged"] += 1
                else:
                    known = present is not None or article.id in fresh
                    counts["updated" if known else "added"] += 1
                    fresh[article.id] = article, origin
        if not fresh:
            return
        encoder = self.encoder
        spans = [chunking.chunk(a.text, encoder.token_spans, encoder.max_tokens) for a, _ in fresh.values()]
        texts = [
            chunking.embedded_text(chunking.header(article), article.text[start:end])
            for (article, _), cut in zip(fresh.values(), spans, strict=True)
            for start, end in cut
        ]
        vectors = encoder.encode(texts).astype(np.float16)
        with self._store.write() as transaction:
            at = 0
            for (article, origin), cut in zip(fresh.values(), spans, strict=True):
                transaction.put(article, cut, vectors[at : at + len(cut)], origin)
                at += len(cut)
            transaction.set_meta(generation=transaction.generation + 1)

    @staticmethod
    def _named(found: Found, transaction: Transaction) -> tuple[Article, str | None]:
        """Keep two files of the same name apart: an article is not updated from another file that still exists."""
        article, origin = found
        if origin is None:
            return article, None
        earlier = transaction.origin(article.id)
        if earlier in (None, origin) or not Path(earlier).exists():
            return article, origin
        present = transaction.article(article.id)
        if present == article:
            return article, earlier
        parent = Path(origin).parent.name
        return article.model_copy(update={"id": f"{parent}/{article.id}"}), origin

    @contextmanager
    def _writing(self) -> Iterator[None]:
        if not self._store.writable:
            raise ArchiveReadOnly(f"{self.path} cannot be written. Copy the archive to a folder of your own.")
        try:
            with FileLock(self.path / LOCK, timeout=WRITER_WAIT):
                yield
        except Timeout:
            raise ArchiveError(
                f"Another process is writing to {self.path}. Run this again when it is done."
            ) from None

    def _publish(self) -> None:
        """Build the indexes of the present state and record them as its own."""
        folder = self.path / DERIVED
        with self._store.write() as transaction:
            before = transaction.meta("derived")
            name = Snapshot.build(transaction, folder)
            transaction.set_meta(derived=name, derived_generation=transaction.generation)
        Snapshot.prune(folder, keep={before, name})

    # -- asking -------------------------------------------------------------------------------

    def search(
        self,
        question: str,
        k: int = 10,
        history: Sequence[Turn] | None = None,
        filters: Filters | None = None,
    ) -> list[Hit]:
        """Return the best passage of each of the best ``k`` articles, best first.

        Exactly ``min(k, articles the filters leave)`` hits.

        Raises:
            QuestionError: The question is empty.
        """
        query, _ = understand(question, history or (), filters, self.settings)
        return self._reading(
            lambda transaction, snapshot: search(query, k, transaction, snapshot, self.encoder)[0]
        )

    def ask(
        self,
        question: str,
        history: Sequence[Turn] | None = None,
        filters: Filters | None = None,
    ) -> Answer:
        """Answer a question by verbatim quotes, or say that the archive does not.

        Raises:
            QuestionError: The question is empty.
        """
        query, notices = understand(question, history or (), filters, self.settings)
        return self._reading(
            lambda transaction, snapshot: Answerer(
                transaction, snapshot, self.encoder, self.reader, self.settings
            ).answer(query, notices)
        )

    def _reading(self, work: Callable[[Transaction, Snapshot], Result]) -> Result:
        """Do some reading in one transaction, with the indexes of its state; damaged ones are rebuilt."""
        for _ in range(ATTEMPTS):
            try:
                with self._store.read() as transaction:
                    stale = transaction.meta("derived_generation") != transaction.meta("generation")
                    if not (stale and self._catch_up()):
                        return work(transaction, self._current_snapshot(transaction))
            except SnapshotDamaged as error:
                self._repair(error)
        raise ArchiveError(f"{self.path}: its indexes cannot be built. Free some disk space, then try again.")

    def _current_snapshot(self, transaction: Transaction) -> Snapshot:
        name = transaction.meta("derived")
        with self._snapshot_lock:
            if self._snapshot is None or not (self._snapshot.name == name or self._private):
                self._snapshot = Snapshot.open(self.path / DERIVED, name)
            return self._snapshot

    def _catch_up(self) -> bool:
        """Index what a writer left unindexed when it was cut off, unless one is at work; tell whether it was done."""
        if not self._store.writable or self._private:
            return False
        try:
            with FileLock(self.path / LOCK, timeout=0):
                self._publish()
                return True
        except Timeout:
            return False

    def _repair(self, error: SnapshotDamaged) -> None:
        with self._store.read() as transaction:
            broken = transaction.meta("derived")
        log.warning("The search index of %s is being rebuilt (%s).", self.path, error)
        if not self._store.writable:
            with self._snapshot_lock, self._store.read() as transaction:
                self._private = self._private or tempfile.TemporaryDirectory(prefix="qa-index-")
                folder = Path(self._private.name)
                self._snapshot = Snapshot.open(folder, Snapshot.build(transaction, folder))
            return
        with self._writing():
            with self._store.read() as transaction:
                if transaction.meta("derived") != broken:
                    return
            self._publish()
        with self._snapshot_lock:
            self._snapshot = None
