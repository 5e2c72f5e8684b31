"""A query with the vectors of all its texts, each encoded once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from embeddings import Encoder
from qa.types import Query, Scope

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class EncodedQuery:
    """A query, ready to be searched for and compared with sentences.

    Attributes:
        query: The query.
        texts: Those that are searched for: the question, its context, and the clauses of the question.
        vectors: Theirs, shape (texts, dim).
        encoder: What made them.
    """

    query: Query
    texts: tuple[str, ...]
    vectors: Floats
    encoder: Encoder

    @classmethod
    def of(cls, query: Query, encoder: Encoder) -> Self:
        """Encode a query."""
        clauses = query.scope.clauses
        texts = (*(text for text, _ in query.searched), *(clause.text for clause in clauses))
        return cls(query, texts, encoder.encode_queries(texts), encoder)

    @cached_property
    def vector(self) -> Floats:
        """The vector of the words in which passages are read, shape (dim,)."""
        words = self.query.reading_text
        if words in self.texts:
            return np.asarray(self.vectors[self.texts.index(words)])
        return np.asarray(self.encoder.encode_queries([words])[0])

    def clauses(self) -> Iterator[EncodedQuery]:
        """Yield each clause of a question about several articles as a query of its own; else none."""
        for row, clause in enumerate(self.query.scope.clauses, len(self.query.searched)):
            query = self.query.model_copy(
                update={
                    "question": clause.text,
                    "text": clause.text,
                    "context": (),
                    "reading": None,
                    "scope": Scope(clause.sources, clause.periods),
                }
            )
            yield EncodedQuery(query, (clause.text,), self.vectors[[row]], self.encoder)
