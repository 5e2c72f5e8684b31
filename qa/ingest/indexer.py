"""Articles → the database: what is new or changed is cut, encoded and stored, batch by batch.

Reading and cutting run in the caller's thread, encoding and writing beside it (:mod:`qa.ingest.pipeline`). What is
in memory is bounded by the batches on their way, not by the archive.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from embeddings import Encoder
from qa.errors import InputError
from qa.ingest import near_duplicates as duplicates
from qa.ingest.pipeline import Pipeline
from qa.ingest.progress import IngestProgress, Watcher
from qa.ingest.pruning import Pruner
from qa.loaders.loaded import LoadedArticle
from qa.loaders.registry import read_paths
from qa.loaders.survey import Survey
from qa.storage.database import Database
from qa.storage.write_transaction import WriteTransaction
from qa.text import chunking
from qa.text.sentences import Span
from qa.types import Article, IngestReport, Skipped, embedded_text, header

BATCH_PASSAGES = 256
"""Passages that are encoded together, sorted by length, and stored in one transaction; whole articles."""
FIRST_PASSAGES = 64
"""Passages of the first batch; the next ones hold twice as many each, up to the above: so encoding begins soon."""
BATCH_ARTICLES = 1024

Input = str | Path | Article


class ReadsPaths(Protocol):
    """Reads files; :func:`qa.loaders.registry.read_paths` with its options set."""

    def __call__(self, paths: Iterable[str | Path], *, survey: Survey) -> Iterator[LoadedArticle | Skipped]:
        """Yield the articles of files, and why something is skipped."""


class ChunkedArticle(NamedTuple):
    """An article, new or changed, and the spans of its passages."""

    found: LoadedArticle
    new: bool
    text_hash: bytes
    spans: list[Span]
    bands: list[int]
    copy: bool = False
    """Whether the text is stored already, or will be, with another article."""

    @property
    def texts(self) -> list[str]:
        """What is embedded for each passage."""
        article = self.found.article
        head = header(article)
        return [embedded_text(head, article.text[start:end]) for start, end in self.spans]


class Batch(NamedTuple):
    """Articles that are encoded and stored together; ``fraction`` of the input is done with after them.

    ``seen`` holds the files and ids of articles that are there already, but were not known to stand there, too.
    """

    cuts: list[ChunkedArticle]
    seen: list[tuple[str, str]]
    fraction: float | None


Vectors = NDArray[np.float16] | Exception
"""The vectors of an article, (passages, dim), or why there are none."""
Encoded = tuple[Batch, list[Vectors]]


class InFlight:
    """Articles between the thread that reads and the one that writes: the last of each id, how many of each text."""

    def __init__(self) -> None:
        self._found: dict[str, LoadedArticle] = {}
        self._texts: Counter[bytes] = Counter()
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        return bool(self._found)

    def get(self, article_id: str) -> LoadedArticle | None:
        """Return the last of an article that is on its way, if there is one."""
        return self._found.get(article_id)

    def holds(self, hashed: bytes) -> bool:
        """Whether a text is on its way, under any id."""
        return hashed in self._texts

    def add(self, found: LoadedArticle, hashed: bytes) -> None:
        """Take note of an article that sets out."""
        with self._lock:
            self._found[found.article.id] = found
            self._texts[hashed] += 1

    def remove(self, found: LoadedArticle, hashed: bytes) -> None:
        """Take note of one that has arrived, or was skipped."""
        with self._lock:
            self._texts[hashed] -= 1
            if not self._texts[hashed]:
                del self._texts[hashed]
            if self._found.get(found.article.id) is found:
                del self._found[found.article.id]


def ingest(
    sources: Input | Iterable[Input],
    store: Database,
    encoder: Encoder,
    read: ReadsPaths = read_paths,
    stored: Callable[[], None] = lambda: None,
    progress: Watcher | None = None,
    *,
    prune: bool = False,
) -> IngestReport:
    """Stage articles, or files and folders of articles, which ``read`` reads; each batch is committed by itself.

    ``stored`` is called after each batch, in a thread: it may publish what has been staged. An exception stops
    all that runs; a note on it says what is kept.

    Raises:
        InputError: Nothing could be read at all.
    """
    given = [sources] if isinstance(sources, str | Path | Article) else sources
    pruner = Pruner(given := list(given)) if prune else None
    run = _Run(store, encoder, read, stored, IngestProgress(progress), pruner)
    try:
        run.go(given)
        if pruner:
            pruner.prune(store, run.survey, run.tally)
    except InputError:
        raise
    except BaseException as error:
        count = run.tally.stored
        kept = f"{count:,} article{' is' if count == 1 else 's are'} stored. " if count else ""
        error.add_note(f"{kept}Run the same command again; it goes on where it stopped.")
        raise
    tally = run.tally
    if tally.skipped and not (tally.added or tally.updated or tally.unchanged):
        first = tally.skipped[0]
        more = f" (and {len(tally.skipped) - 1} more)" if len(tally.skipped) > 1 else ""
        raise InputError(f"Nothing could be read. {first.where}: {first.why}{more}.")
    tally.tell("publishing", now=True)
    return tally.report()


class _Run:
    """One run of adding."""

    def __init__(
        self,
        store: Database,
        encoder: Encoder,
        read: ReadsPaths,
        stored: Callable[[], None],
        tally: IngestProgress,
        pruner: Pruner | None,
    ) -> None:
        self.tally = tally
        self._stored = stored
        self._store = store
        self._encoder = encoder
        self._read = read
        self._pruner = pruner
        self.survey = Survey()
        self._pending = InFlight()

    def go(self, sources: Iterable[Input]) -> None:
        """Read all sources and store what is new or changed."""
        if (
            self.tally.watched
            and isinstance(sources, Sequence)
            and not any(isinstance(source, Article) for source in sources)
        ):
            self.survey.measure(cast(Sequence[str | Path], sources))
        self.tally.tell(now=True)
        with Pipeline(self._encode, self._write, self.tally.tell) as pipeline:
            batch, passages, enough = Batch([], [], None), 0, min(FIRST_PASSAGES, BATCH_PASSAGES)
            for found in self._found(sources):
                self.tally.tell()
                passages += self._take(found, batch)
                if passages >= enough or len(batch.cuts) + len(batch.seen) >= BATCH_ARTICLES:
                    pipeline.put(batch._replace(fraction=self._fraction()))
                    batch, passages, enough = Batch([], [], None), 0, min(2 * enough, BATCH_PASSAGES)
            if batch.cuts or batch.seen:
                pipeline.put(batch._replace(fraction=self._fraction()))

    def _fraction(self) -> float | None:
        total = self.survey.total
        return min(self.survey.done / total, 1.0) if total else None

    def _found(self, sources: Iterable[Input]) -> Iterator[LoadedArticle]:
        for are_articles, some in groupby(sources, lambda source: isinstance(source, Article)):
            for found in (
                map(LoadedArticle, cast(Iterable[Article], some))
                if are_articles
                else self._read(cast(Iterable[str | Path], some), survey=self.survey)
            ):
                self.tally.read += 1
                if isinstance(found, Skipped):
                    self.tally.skip(*found)
                elif not found.article.text.strip():
                    self.tally.skip(found.article.id, "the article has no text")
                    self.survey.incomplete.add(found.file)
                else:
                    yield found

    def _take(self, found: LoadedArticle, batch: Batch) -> int:
        """ChunkedArticle an article that is new or changed into a batch; return the number of its passages."""
        article, _, file = found = self._named(found)
        if self._pruner:
            self._pruner.note(file, article.id)
        present = self._present(article.id)
        if present and present.article == article:
            self.tally.unchanged += 1
            if not self._pending:
                self.tally.fraction = self._fraction()
            if not self._seen(found):
                batch.seen.append((file, article.id))
            return 0
        hashed = duplicates.text_hash(article.text)
        if self._pending.holds(hashed) or self._held(hashed, article.id):
            cut = ChunkedArticle(found, present is None, hashed, [], [], copy=True)
        else:
            try:
                cut = self._cut(found, present is None, hashed)
            except Exception as error:  # noqa: BLE001 - a text that breaks the tokenizer costs only itself
                self.tally.skip(article.id, f"cannot be cut into passages: {error}")
                return 0
        self._pending.add(found, hashed)
        batch.cuts.append(cut)
        return len(cut.spans)

    def _cut(self, found: LoadedArticle, new: bool, hashed: bytes) -> ChunkedArticle:
        text = found.article.text
        spans = chunking.chunk(text, self._encoder.token_spans, self._encoder.max_tokens)
        return ChunkedArticle(found, new, hashed, spans, duplicates.bands(text))

    def _held(self, hashed: bytes, article_id: str) -> bool:
        with self._store.read() as transaction:
            return transaction.holder(hashed, article_id) is not None

    def _seen(self, found: LoadedArticle) -> bool:
        pending = self._pending.get(found.article.id)
        if pending and pending.file == found.file:
            return True
        with self._store.read() as transaction:
            return transaction.seen(found.file, found.article.id)

    def _present(self, article_id: str) -> LoadedArticle | None:
        """Return an article as it will be once all that is on its way is stored."""
        if pending := self._pending.get(article_id):
            return pending
        with self._store.read() as transaction:  # begun only now: what is no longer on its way is in it
            article = transaction.latest(article_id)
            return LoadedArticle(article, transaction.origin(article_id)) if article else None

    def _named(self, found: LoadedArticle) -> LoadedArticle:
        """Keep two files of the same name apart: no article is updated from another file while its own exists."""
        article, origin, _ = found
        if origin is None or not (present := self._present(article.id)):
            return found
        earlier = present.origin
        if earlier is None or earlier == origin or not Path(earlier).exists():
            return found
        if present.article == article:
            return found._replace(origin=earlier)
        renamed = article.model_copy(update={"id": f"{Path(origin).parent.name}/{article.id}"})
        return found._replace(article=renamed)

    def _encode(self, batch: Batch) -> Encoded:
        try:
            return batch, list(self._vectors(batch.cuts))
        except Exception:  # noqa: BLE001 - raised again unless it is one text's fault
            self._encoder.encode([""])  # an encoder that cannot do this either is broken
        each: list[Vectors] = []
        for cut in batch.cuts:
            try:
                each.extend(self._vectors([cut]))
            except Exception as error:  # noqa: BLE001 - a text that breaks the encoder costs only itself
                each.append(error)
        return batch, each

    def _vectors(self, cuts: Sequence[ChunkedArticle]) -> list[NDArray[np.float16]]:
        texts = [text for cut in cuts for text in cut.texts]
        vectors = np.empty((len(texts), self._encoder.dim), np.float16)
        for at in range(0, len(texts), 2 * BATCH_PASSAGES):
            part = slice(at, at + 2 * BATCH_PASSAGES)
            vectors[part] = self._encoder.encode(texts[part])
        ends = np.cumsum([len(cut.spans) for cut in cuts], dtype=np.int64)
        return [vectors[end - len(cut.spans) : end] for cut, end in zip(cuts, ends, strict=True)]

    def _write(self, encoded: Encoded) -> None:
        batch, vectors = encoded
        with self._store.write() as transaction:
            vectors = [self._put(*each, transaction) for each in zip(batch.cuts, vectors, strict=True)]
            for file, article_id in batch.seen:
                transaction.see(file, article_id)
        self._stored()
        for cut, rows in zip(batch.cuts, vectors, strict=True):
            article_id = cut.found.article.id
            if isinstance(rows, Exception):
                self.tally.skip(article_id, f"cannot be encoded: {rows}")
            else:
                self.tally.count(new=cut.new, copy=cut.copy, passages=len(rows))
            self._pending.remove(cut.found, cut.text_hash)
        self.tally.fraction = batch.fraction

    def _put(self, cut: ChunkedArticle, vectors: Vectors, transaction: WriteTransaction) -> Vectors:
        """Stage an article; return its vectors, or why it has none."""
        if isinstance(vectors, Exception):
            return vectors
        (article, origin, file), hashed = cut.found, cut.text_hash
        if not (cut.copy and transaction.put_copy(article, origin, hashed)):
            if cut.copy:  # the article that held the text has changed meanwhile, or was skipped
                try:
                    cut = self._cut(cut.found, cut.new, hashed)
                    (vectors,) = self._vectors([cut])
                except Exception as error:  # noqa: BLE001 - costs only itself here too
                    return error
            key = transaction.put(article, cut.spans, vectors, origin, hashed)
            duplicates.link(transaction, key, article.text, cut.bands)
        transaction.see(file, article.id)
        return vectors
