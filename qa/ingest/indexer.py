"""Owns one run of adding: what is new or changed is cut into passages, encoded and stored, batch by batch.

Loading and cutting run in the caller's thread, encoding and writing beside it (:mod:`qa.ingest.pipeline`). The memory
this takes depends on the size of the batches in flight, not on the size of the archive.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from embeddings import Encoder
from qa.errors import InputError
from qa.ingest import near_duplicates
from qa.ingest.pipeline import Pipeline
from qa.ingest.progress import IngestProgress, Watcher
from qa.ingest.pruning import Pruner
from qa.loaders.loaded import LoadedArticle
from qa.loaders.registry import load_paths
from qa.loaders.walk import Survey
from qa.storage.database import Database
from qa.storage.write_transaction import WriteTransaction
from qa.text import chunking
from qa.text.sentences import Span
from qa.types import Article, IngestReport, Skipped, embedded_text, header

BATCH_PASSAGES = 256
"""Passages that are encoded together, sorted by length, and stored in one transaction; whole articles."""
FIRST_PASSAGES = 64
"""Passages of the first batch, so that encoding begins soon; each next batch has twice as many, up to the above."""
BATCH_ARTICLES = 1024
"""Articles of a batch at most, copies and articles that are stored already included."""

Input = str | Path | Article
LoadPaths = Callable[..., Iterator[LoadedArticle | Skipped]]
"""Called with paths and ``survey=…``: :func:`qa.loaders.registry.load_paths` with its other options set."""
Vectors = NDArray[np.float16] | Exception
"""The vectors of an article, (passages, dim), or why there are none."""


class ChunkedArticle(NamedTuple):
    """An article, new or changed, and the spans of its passages."""

    loaded: LoadedArticle
    new: bool
    text_hash: bytes
    spans: list[Span]
    bands: list[int]
    copy: bool = False
    """Whether another article with the same text is stored or in flight; then there are no spans yet."""

    @property
    def texts(self) -> list[str]:
        """What is embedded for each passage."""
        article = self.loaded.article
        head = header(article)
        return [embedded_text(head, article.text[start:end]) for start, end in self.spans]


class Batch(NamedTuple):
    """Articles that are encoded and stored together."""

    articles: list[ChunkedArticle]
    seen: list[tuple[str, str]]
    """File and id of each article that is stored already, but was not known to be in this file too."""
    fraction: float | None
    """Share of the input that is done with after this batch."""


Encoded = tuple[Batch, list[Vectors]]


class InFlight:
    """Articles that were loaded but are not stored yet: the last one of each id, and how many have each text."""

    def __init__(self) -> None:
        self._articles: dict[str, LoadedArticle] = {}
        self._texts: Counter[bytes] = Counter()
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        return bool(self._articles)

    def get(self, article_id: str) -> LoadedArticle | None:
        """Return the last article with this id, if there is one."""
        return self._articles.get(article_id)

    def has_text(self, text_hash: bytes) -> bool:
        """Whether an article has this text, under any id."""
        return text_hash in self._texts

    def add(self, loaded: LoadedArticle, text_hash: bytes) -> None:
        """Note an article that was put into a batch."""
        with self._lock:
            self._articles[loaded.article.id] = loaded
            self._texts[text_hash] += 1

    def remove(self, loaded: LoadedArticle, text_hash: bytes) -> None:
        """Forget an article that was stored or skipped."""
        with self._lock:
            self._texts[text_hash] -= 1
            if not self._texts[text_hash]:
                del self._texts[text_hash]
            if self._articles.get(loaded.article.id) is loaded:
                del self._articles[loaded.article.id]


def ingest(
    inputs: Input | Iterable[Input],
    database: Database,
    encoder: Encoder,
    load: LoadPaths = load_paths,
    stored: Callable[[], None] = lambda: None,
    watcher: Watcher | None = None,
    *,
    prune: bool = False,
) -> IngestReport:
    """Stage articles, or files and folders of articles, which ``load`` loads; each batch is committed by itself.

    ``stored`` is called in a thread after each batch; it may publish what has been staged. An exception stops the
    whole run; a note on it says how many articles are stored.

    Raises:
        InputError: Nothing could be read at all.
    """
    given = [inputs] if isinstance(inputs, str | Path | Article) else inputs
    pruner = Pruner(given := list(given)) if prune else None
    progress = IngestProgress(watcher)
    run = _Run(database, encoder, load, stored, progress, pruner)
    try:
        run.add(given)
        if pruner:
            pruner.prune(database, run.survey, progress)
    except InputError:
        raise
    except BaseException as error:
        count = progress.stored
        kept = f"{count:,} article{' is' if count == 1 else 's are'} stored. " if count else ""
        error.add_note(f"{kept}Run the same command again; it goes on where it stopped.")
        raise
    if progress.skipped and not (progress.added or progress.updated or progress.unchanged):
        first, *others = progress.skipped
        more = f" (and {len(others)} more)" if others else ""
        raise InputError(f"Nothing could be read. {first.where}: {first.why}{more}.")
    progress.notify("publishing", now=True)
    return progress.report()


@dataclass
class _Run:
    """One run of adding."""

    _database: Database
    _encoder: Encoder
    _load: LoadPaths
    _stored: Callable[[], None]
    _progress: IngestProgress
    _pruner: Pruner | None
    _in_flight: InFlight = field(default_factory=InFlight)
    survey: Survey = field(default_factory=Survey)

    def add(self, inputs: Iterable[Input]) -> None:
        """Load all inputs and store what is new or changed."""
        if (
            self._progress.watched
            and isinstance(inputs, Sequence)
            and not any(isinstance(given, Article) for given in inputs)
        ):
            self.survey.measure(cast(Sequence[str | Path], inputs))
        self._progress.notify(now=True)
        with Pipeline(self._encode, self._write, self._progress.notify) as pipeline:
            batch, passages, enough = Batch([], [], None), 0, min(FIRST_PASSAGES, BATCH_PASSAGES)
            for loaded in self._loaded(inputs):
                self._progress.notify()
                passages += self._put_into(batch, loaded)
                if passages >= enough or len(batch.articles) + len(batch.seen) >= BATCH_ARTICLES:
                    pipeline.put(batch._replace(fraction=self._fraction()))
                    batch, passages, enough = Batch([], [], None), 0, min(2 * enough, BATCH_PASSAGES)
            if batch.articles or batch.seen:
                pipeline.put(batch._replace(fraction=self._fraction()))

    def _fraction(self) -> float | None:
        total = self.survey.total
        return min(self.survey.done / total, 1.0) if total else None

    def _loaded(self, inputs: Iterable[Input]) -> Iterator[LoadedArticle]:
        for item in self._items(inputs):
            self._progress.read += 1
            if isinstance(item, Skipped):
                self._progress.skip(*item)
            elif not item.article.text.strip():
                self._progress.skip(item.article.id, "the article has no text")
                self.survey.incomplete.add(item.file)
            else:
                yield item

    def _items(self, inputs: Iterable[Input]) -> Iterator[LoadedArticle | Skipped]:
        for are_articles, some in groupby(inputs, lambda given: isinstance(given, Article)):
            if are_articles:
                yield from map(LoadedArticle, cast(Iterable[Article], some))
            else:
                yield from self._load(some, survey=self.survey)

    def _put_into(self, batch: Batch, loaded: LoadedArticle) -> int:
        """Cut an article that is new or changed and put it into a batch; return the number of its passages."""
        loaded = self._with_own_id(loaded)
        article = loaded.article
        if self._pruner:
            self._pruner.note(loaded.file, article.id)
        latest = self._latest(article.id)
        if latest and latest.article == article:
            self._progress.unchanged += 1
            if not self._in_flight:
                self._progress.fraction = self._fraction()
            if not self._seen(loaded):
                batch.seen.append((loaded.file, article.id))
            return 0
        text_hash = near_duplicates.text_hash(article.text)
        if self._in_flight.has_text(text_hash) or self._is_stored(text_hash, article.id):
            chunked = ChunkedArticle(loaded, latest is None, text_hash, [], [], copy=True)
        else:
            try:
                chunked = self._chunk(loaded, latest is None, text_hash)
            except Exception as error:  # noqa: BLE001 - a text that breaks the tokenizer costs only itself
                self._progress.skip(article.id, f"cannot be cut into passages: {error}")
                return 0
        self._in_flight.add(loaded, text_hash)
        batch.articles.append(chunked)
        return len(chunked.spans)

    def _chunk(self, loaded: LoadedArticle, new: bool, text_hash: bytes) -> ChunkedArticle:
        text = loaded.article.text
        spans = chunking.chunk(text, self._encoder.token_spans, self._encoder.max_tokens)
        return ChunkedArticle(loaded, new, text_hash, spans, near_duplicates.bands(text))

    def _is_stored(self, text_hash: bytes, article_id: str) -> bool:
        with self._database.read() as transaction:
            return transaction.holder(text_hash, article_id) is not None

    def _seen(self, loaded: LoadedArticle) -> bool:
        before = self._in_flight.get(loaded.article.id)
        if before and before.file == loaded.file:
            return True
        with self._database.read() as transaction:
            return transaction.seen(loaded.file, loaded.article.id)

    def _latest(self, article_id: str) -> LoadedArticle | None:
        """Return the article with this id as it will be once everything in flight is stored."""
        if in_flight := self._in_flight.get(article_id):
            return in_flight
        with self._database.read() as transaction:  # begun only now: it holds what is no longer in flight
            article = transaction.latest(article_id)
            return LoadedArticle(article, transaction.origin(article_id)) if article else None

    def _with_own_id(self, loaded: LoadedArticle) -> LoadedArticle:
        """Keep two files of the same name apart: no file updates the article of another file that still exists."""
        article, origin, _ = loaded
        if origin is None or not (latest := self._latest(article.id)):
            return loaded
        earlier = latest.origin
        if earlier is None or earlier == origin or not Path(earlier).exists():
            return loaded
        if latest.article == article:
            return loaded._replace(origin=earlier)
        renamed = article.model_copy(update={"id": f"{Path(origin).parent.name}/{article.id}"})
        return loaded._replace(article=renamed)

    def _encode(self, batch: Batch) -> Encoded:
        try:
            return batch, list(self._vectors(batch.articles))
        except Exception:  # noqa: BLE001 - raised again unless it is one text's fault
            self._encoder.encode([""])  # an encoder that cannot do this either is broken
        each: list[Vectors] = []
        for chunked in batch.articles:
            try:
                each.extend(self._vectors([chunked]))
            except Exception as error:  # noqa: BLE001 - a text that breaks the encoder costs only itself
                each.append(error)
        return batch, each

    def _vectors(self, articles: Sequence[ChunkedArticle]) -> list[NDArray[np.float16]]:
        texts = [text for chunked in articles for text in chunked.texts]
        vectors = np.empty((len(texts), self._encoder.dim), np.float16)
        for at in range(0, len(texts), 2 * BATCH_PASSAGES):
            part = slice(at, at + 2 * BATCH_PASSAGES)
            vectors[part] = self._encoder.encode(texts[part])
        ends = np.cumsum([len(chunked.spans) for chunked in articles], dtype=np.int64)
        return [vectors[end - len(cut.spans) : end] for cut, end in zip(articles, ends, strict=True)]

    def _write(self, encoded: Encoded) -> None:
        batch, vectors = encoded
        with self._database.write() as transaction:
            vectors = [self._put(*each, transaction) for each in zip(batch.articles, vectors, strict=True)]
            for file, article_id in batch.seen:
                transaction.see(file, article_id)
        self._stored()
        for chunked, rows in zip(batch.articles, vectors, strict=True):
            if isinstance(rows, Exception):
                self._progress.skip(chunked.loaded.article.id, f"cannot be encoded: {rows}")
            else:
                self._progress.count(new=chunked.new, copy=chunked.copy, passages=len(rows))
            self._in_flight.remove(chunked.loaded, chunked.text_hash)
        self._progress.fraction = batch.fraction

    def _put(self, chunked: ChunkedArticle, vectors: Vectors, transaction: WriteTransaction) -> Vectors:
        """Stage an article; return its vectors, or why it has none."""
        if isinstance(vectors, Exception):
            return vectors
        (article, origin, file), text_hash = chunked.loaded, chunked.text_hash
        if not (chunked.copy and transaction.put_copy(article, origin, text_hash)):
            if chunked.copy:  # the article that had the text has changed meanwhile, or was skipped
                try:
                    chunked = self._chunk(chunked.loaded, chunked.new, text_hash)
                    (vectors,) = self._vectors([chunked])
                except Exception as error:  # noqa: BLE001 - costs only itself here too
                    return error
            key = transaction.put(article, chunked.spans, vectors, origin, text_hash)
            near_duplicates.link(transaction, key, article.text, chunked.bands)
        transaction.see(file, article.id)
        return vectors
