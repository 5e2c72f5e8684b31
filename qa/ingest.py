"""Articles → the database: what is new or changed is cut, encoded and stored, batch by batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby, islice
from pathlib import Path
from typing import cast

import numpy as np

from embeddings import Encoder
from qa import chunking
from qa.errors import InputError
from qa.readers import read_paths
from qa.readers.found import Found
from qa.store import Store
from qa.transaction import Transaction
from qa.types import Article, IngestReport, Skipped

BATCH_ARTICLES = 64

Source = str | Path | Article
ReadsPaths = Callable[[Iterable[str | Path]], Iterator[Found | Skipped]]


def ingest(
    sources: Source | Iterable[Source],
    store: Store,
    encoder: Encoder,
    read: ReadsPaths = read_paths,
    stored: Callable[[], None] = lambda: None,
) -> IngestReport:
    """Stage articles, or files and folders of articles, which ``read`` reads; each batch is committed by itself.

    ``stored`` is called after each batch: it may publish what has been staged.

    Raises:
        InputError: Nothing could be read at all.
    """
    counts: Counter[str] = Counter()
    skipped: list[Skipped] = []
    articles = _found(sources, skipped, read)
    while batch := list(islice(articles, BATCH_ARTICLES)):
        _store_batch(batch, store, encoder, counts)
        stored()
    if skipped and not counts:
        first = skipped[0]
        more = f" (and {len(skipped) - 1} more)" if len(skipped) > 1 else ""
        raise InputError(f"Nothing could be read. {first.where}: {first.why}{more}.")
    return IngestReport(**counts, skipped=skipped)


def _found(sources: Source | Iterable[Source], skipped: list[Skipped], read: ReadsPaths) -> Iterator[Found]:
    given = [sources] if isinstance(sources, str | Path | Article) else sources
    for are_articles, some in groupby(given, lambda source: isinstance(source, Article)):
        for found in (
            map(Found, cast(Iterable[Article], some))
            if are_articles
            else read(cast(Iterable[str | Path], some))
        ):
            if isinstance(found, Skipped):
                skipped.append(found)
            elif not found.article.text.strip():
                skipped.append(Skipped(found.article.id, "the article has no text"))
            else:
                yield found


def _store_batch(batch: Sequence[Found], store: Store, encoder: Encoder, counts: Counter[str]) -> None:
    """Cut and encode a batch outside any transaction, then store it in one."""
    fresh: dict[str, Found] = {}
    with store.read() as transaction:
        for found in batch:
            article, _ = found = _named(found, transaction)
            present = transaction.latest(article.id)
            if present == article and article.id not in fresh:
                counts["unchanged"] += 1
            else:
                counts["updated" if present is not None or article.id in fresh else "added"] += 1
                fresh[article.id] = found
    if not fresh:
        return
    spans = [chunking.chunk(f.article.text, encoder.token_spans, encoder.max_tokens) for f in fresh.values()]
    texts = [
        chunking.embedded_text(chunking.header(article), article.text[start:end])
        for (article, _), cut in zip(fresh.values(), spans, strict=True)
        for start, end in cut
    ]
    vectors = encoder.encode(texts).astype(np.float16)
    with store.write() as transaction:
        at = 0
        for (article, origin), cut in zip(fresh.values(), spans, strict=True):
            transaction.put(article, cut, vectors[at : at + len(cut)], origin)
            at += len(cut)


def _named(found: Found, transaction: Transaction) -> Found:
    """Keep two files of the same name apart: no article is updated from another file while its own exists."""
    article, origin = found
    if origin is None:
        return found
    earlier = transaction.origin(article.id)
    if earlier is None or earlier == origin or not Path(earlier).exists():
        return found
    if transaction.latest(article.id) == article:
        return Found(article, earlier)
    return Found(article.model_copy(update={"id": f"{Path(origin).parent.name}/{article.id}"}), origin)
