"""The archive with one of its parts left out, so that what the part gives can be measured.

Nothing here is an option of the product: each variant is made of the product's own parts, less one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Self

import numpy as np

import qa
from embeddings import SegmentedIndex, VectorIndex
from embeddings.reading.hub import HubReader
from embeddings.reading.reader import Reader
from embeddings.reading.reading import Reading
from evals.dataset import Question
from qa.query.encoded_query import EncodedQuery
from qa.query.scope import Scope, find
from qa.storage.database import Database
from qa.storage.folder import DATABASE
from qa.storage.generations import Generations, Result
from qa.storage.keyword_index import KeywordIndex, Row
from qa.storage.snapshot import Snapshot
from qa.storage.transaction import Transaction
from qa.text import chunking
from qa.types import Query


class RememberingReader(Reader):
    """A reader that reads nothing twice: most variants of an archive read the same passages."""

    def __init__(self, reader: Reader | HubReader) -> None:
        self.fingerprint = reader.fingerprint
        self._reader = reader
        self._known: dict[tuple[str, str, str], Reading] = {}

    def read(
        self, question: str, passages: Sequence[str], titles: Sequence[str] | None = None
    ) -> list[Reading]:
        """Read as the reader does; only what is new is read."""
        keys = [(question, *pair) for pair in zip(titles or [""] * len(passages), passages, strict=True)]
        new = [key for key in dict.fromkeys(keys) if key not in self._known]
        readings = self._reader.read(question, [key[2] for key in new], [key[1] for key in new])
        self._known.update(zip(new, readings, strict=True))
        return [self._known[key] for key in keys]

    def reads(self, question: str) -> bool:
        """Whether the reader can read a question."""
        return self._reader.reads(question)


def reopened(archive: qa.Archive, **changes: object) -> qa.Archive:
    """Open an archive once more under other settings; with the same reader, where they name the same."""
    settings = archive.settings.model_copy(update=changes)
    other = qa.Archive.open(archive.path, settings=settings)
    if settings.reader == archive.settings.reader:
        other.reader = archive.reader
    return other


def names_articles(archive: qa.Archive, question: Question) -> bool:
    """Whether a question names a source, a date or several articles of the archive."""
    return any(find(question.question, tuple(archive.sources()), date.today()))


class WithoutScope(qa.Archive):
    """An archive whose search takes no notice of the sources, dates and parts a question names.

    Answers are as ever: mentions bear on the order of the articles only.
    """

    @classmethod
    def of(cls, archive: qa.Archive) -> Self:
        """Open the same archive so."""
        other = cls.open(archive.path, settings=archive.settings)
        other.reader = archive.reader
        return other

    def _encoded(self, query: Query, snapshot: Snapshot) -> EncodedQuery:
        return EncodedQuery.meaning(query, Scope((), (), ()), self.encoder)


class _Fixed(Generations):
    """The one state of an archive that never changes, with indexes made elsewhere."""

    def __init__(self, folder: Path, store: Database, snapshot: Snapshot) -> None:
        super().__init__(folder, store)
        self._fixed = snapshot

    def reading(self, work: Callable[[Transaction, Snapshot], Result]) -> Result:
        """Do some reading in one transaction."""
        with self._store.read() as transaction:
            return work(transaction, self._fixed)

    def close(self) -> None:
        """Close the files."""
        self._fixed.vectors.close()


class WithoutHeaders(qa.Archive):
    """An archive whose passages are embedded and indexed without their article's title, source and date.

    The reader, and the weighing of sentences, see the header as ever.
    """

    @classmethod
    def of(cls, archive: qa.Archive, folder: Path) -> Self:
        """Index the articles of an archive so, in an empty folder."""
        encoder = archive.encoder
        store = Database.create(
            folder / DATABASE,
            model=str(archive.settings.model or ""),
            fingerprint=encoder.fingerprint,
            dim=encoder.dim,
            chunker=chunking.VERSION,
        )
        articles = list(archive)
        cut = [chunking.chunk(a.text, encoder.token_spans, encoder.max_tokens) for a in articles]
        texts = [a.text[start:end] for a, spans in zip(articles, cut, strict=True) for start, end in spans]
        ends = np.cumsum([len(spans) for spans in cut])
        embedded = np.split(encoder.encode(texts).astype(np.float16), ends[:-1])
        with store.write() as transaction:
            for article, spans, own in zip(articles, cut, embedded, strict=True):
                transaction.put(article, spans, own, None)
            transaction.publish()
            ids, stored = zip(*transaction.vector_batches(), strict=True)
            VectorIndex.build(np.concatenate(ids), np.concatenate(stored), folder / "vectors")
            (folder / "keywords").mkdir()
            rows = (
                Row(number, "", text, (article.published,) if article.published else (), (article.source,))
                for number, (article, *_), text in transaction.keyword_rows()
            )
            KeywordIndex.build(rows, folder / "keywords")
            sources = tuple(transaction.sources())
        made = cls(folder, store, archive.settings)
        made.encoder, made.reader = encoder, archive.reader
        vectors = SegmentedIndex([VectorIndex.open(folder / "vectors")], encoder.dim)
        keywords = KeywordIndex.open(folder / "keywords")
        made._published = _Fixed(folder, store, Snapshot("", vectors, keywords, sources))
        return made
