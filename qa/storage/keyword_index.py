"""Keyword search (BM25) over passages, by tantivy. Queries are built from tokens, never parsed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tantivy
from numpy.typing import NDArray

from qa.errors import SnapshotDamaged
from qa.storage.transaction import source_key
from qa.text.tokens import all_terms, analyzer, is_unspaced, pairs_for_unspaced, terms
from qa.types import Filters

VERSION = "keyword-2"
_ANALYZER = "archive"
HEADER_BOOST = 0.6
"""Weight of a match in the header (title, source, date) against one in the passage."""
_HEAP = 64_000_000


@cache
def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    builder.add_integer_field("passage", fast=True, indexed=True)
    builder.add_integer_field("day", fast=True, indexed=True)
    builder.add_text_field("source", tokenizer_name="raw", index_option="basic")
    builder.add_text_field("header", tokenizer_name=_ANALYZER, index_option="freq")
    builder.add_text_field("body", tokenizer_name=_ANALYZER, index_option="position")
    return builder.build()


class Row(NamedTuple):
    """A passage as it is indexed."""

    passage: int
    header: str
    body: str
    published: tuple[date, ...]
    sources: tuple[str | None, ...]


def _write(index: tantivy.Index, rows: Iterable[Row], gone: Iterable[int]) -> None:
    index.register_tokenizer(_ANALYZER, analyzer())
    writer = index.writer(_HEAP, 1)
    for number in gone:
        writer.delete_documents_by_term("passage", int(number))
    for row in rows:
        document = tantivy.Document()
        document.add_integer("passage", row.passage)
        for day in row.published:
            document.add_integer("day", day.toordinal())
        for source in row.sources:
            document.add_text("source", source_key(source))
        document.add_text("header", pairs_for_unspaced(row.header))
        document.add_text("body", pairs_for_unspaced(row.body))
        writer.add_document(document)
    with _panic_is_damage():
        writer.commit()
        writer.wait_merging_threads()


@contextmanager
def _panic_is_damage() -> Iterator[None]:
    """Raise :class:`SnapshotDamaged` where tantivy panics, as it does on a file with other bytes than it wrote."""
    try:
        yield
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise SnapshotDamaged(f"the keyword index cannot be read: {error}") from error


class KeywordIndex:
    """A folder of segments that are never rewritten; its readers see what it held when they opened it."""

    def __init__(self, index: tantivy.Index) -> None:
        self._searcher = index.searcher()
        self._schema = index.schema

    @classmethod
    def build(cls, rows: Iterable[Row], folder: Path) -> None:
        """Index the rows into an empty folder."""
        _write(tantivy.Index(_schema(), path=str(folder)), rows, ())

    @classmethod
    def update(cls, folder: Path, rows: Iterable[Row], gone: Iterable[int]) -> None:
        """Add rows, and take away the passages that are gone.

        tantivy adds files and replaces its lists of them by renaming: in a folder of hard links, the files
        linked to stay as they are.

        Raises:
            SnapshotDamaged: The index cannot be read.
            ValueError: It cannot be read, or not be written.
        """
        _write(tantivy.Index.open(str(folder)), rows, gone)

    @classmethod
    def open(cls, folder: Path) -> KeywordIndex:
        """Open an index that :meth:`build` wrote.

        Raises:
            ValueError: The folder holds no readable index.
        """
        with _panic_is_damage():
            index = tantivy.Index.open(str(folder))
            index.register_tokenizer(_ANALYZER, analyzer())
            return cls(index)

    def __len__(self) -> int:
        """Return the number of passages."""
        return int(self._searcher.num_docs)

    def ids_between(self, first: int, last: int) -> NDArray[np.int64]:
        """Return the ids of the passages from ``first`` to ``last``, ascending."""
        query = tantivy.Query.range_query(self._schema, "passage", tantivy.FieldType.Integer, first, last)
        return np.sort(self._found(query, max(1, len(self)))[0])

    def search(self, text: str, k: int, filters: Filters) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return at most ``k`` passage ids and their BM25 scores, best first; ties by ascending id."""
        words = terms(text)
        if not words or not len(self):
            return np.empty(0, np.int64), np.empty(0, np.float32)
        query = _any_of([clause for word in words for clause in self._clauses(word)])
        if filters.active:
            query = tantivy.Query.boolean_query([(tantivy.Occur.Must, query), *self._conditions(filters)])
        ids, scores = self._found(query, k)
        order = np.lexsort((ids, -scores))
        return ids[order], scores[order]

    def holding(self, text: str, filters: Filters) -> NDArray[np.int64]:
        """Return the ids of all passages that hold the rarest term of a text, in body or header, ascending.

        All terms count, stop words too. Empty where the text has none that is indexed.
        """
        found = all_terms(text)
        rare = [word for word in found if not (len(word) == 1 and is_unspaced(word))]
        if rare:
            rarest = min(rare, key=self._frequency)
            either = [tantivy.Query.term_query(self._schema, field, rarest) for field in ("body", "header")]
        elif found:  # a lone Chinese character stands in the index only inside its pairs
            pattern = f"{found[0]}.?|.{found[0]}"
            either = [tantivy.Query.regex_query(self._schema, field, pattern) for field in ("body", "header")]
        else:
            return np.empty(0, np.int64)
        query = tantivy.Query.boolean_query(
            [(tantivy.Occur.Must, _any_of(either)), *self._conditions(filters)]
        )
        return np.sort(self._found(query, max(1, len(self)))[0])

    def _found(self, query: tantivy.Query, k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        with _panic_is_damage():
            hits = self._searcher.search(query, limit=k, count=False).hits
            ids = self._searcher.fast_field_values("passage", [at for _, at in hits])
        return np.array(ids, np.int64), np.array([score for score, _ in hits], np.float32)

    def _frequency(self, word: str) -> int:
        return sum(int(self._searcher.doc_freq(field, word)) for field in ("body", "header"))

    def document_frequency(self, word: str) -> int:
        """Return in how many passages a term (as :func:`terms` gives it) stands."""
        return int(self._searcher.doc_freq("body", word))

    def _clauses(self, word: str) -> list[tantivy.Query]:
        body = tantivy.Query.term_query(self._schema, "body", word, "freq")
        header = tantivy.Query.term_query(self._schema, "header", word, "freq")
        return [body, tantivy.Query.boost_query(header, HEADER_BOOST)]

    def _conditions(self, filters: Filters) -> list[tuple[tantivy.Occur, tantivy.Query]]:
        clauses = []
        if filters.after or filters.before:
            first = filters.after.toordinal() if filters.after else None
            last = filters.before.toordinal() if filters.before else None
            clauses.append(
                tantivy.Query.range_query(self._schema, "day", tantivy.FieldType.Integer, first, last)
            )
        if filters.sources:
            names = [tantivy.Query.term_query(self._schema, "source", source_key(s)) for s in filters.sources]
            clauses.append(_any_of(names))
        return [(tantivy.Occur.Must, tantivy.Query.const_score_query(clause, 0.0)) for clause in clauses]


def _any_of(queries: Iterable[tantivy.Query]) -> tantivy.Query:
    return tantivy.Query.boolean_query([(tantivy.Occur.Should, query) for query in queries])
