"""A query with what is worked out of it once: the articles it means, and its vectors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from embeddings import Encoder
from qa.query.scope import Scope, find
from qa.storage.snapshot import Snapshot
from qa.types import Query

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class EncodedQuery:
    """A query, ready to be searched for and compared with sentences.

    Attributes:
        query: The query.
        mentions: What its question says of the articles it means.
        texts: Those that are searched for: the question, its context, and the parts of the question.
        vectors: Theirs, shape (texts, dim).
        encoder: What made them.
    """

    query: Query
    mentions: Scope
    texts: tuple[str, ...]
    vectors: Floats
    encoder: Encoder

    @classmethod
    def of(cls, query: Query, snapshot: Snapshot, encoder: Encoder) -> Self:
        """Encode a query to one state of an archive, whose sources it may name."""
        return cls.meaning(query, find(query.question, snapshot.sources, query.today), encoder)

    @classmethod
    def meaning(cls, query: Query, mentions: Scope, encoder: Encoder) -> Self:
        """Encode a query that is known to mean these articles."""
        texts = (*(text for text, _ in query.searched), *(part.text for part in mentions.parts))
        return cls(query, mentions, texts, encoder.encode_queries(texts), encoder)

    @cached_property
    def vector(self) -> Floats:
        """The vector of the words in which passages are read, shape (dim,)."""
        words = self.query.read
        if words in self.texts:
            return np.asarray(self.vectors[self.texts.index(words)])
        return np.asarray(self.encoder.encode_queries([words])[0])

    def parts(self) -> Iterator[EncodedQuery]:
        """Yield each part of a question about several articles as a query of its own; else none."""
        for row, part in enumerate(self.mentions.parts, len(self.query.searched)):
            own = {"question": part.text, "text": part.text, "context": (), "reading": None}
            query = self.query.model_copy(update=own)
            mentions = Scope(part.sources, part.periods, ())
            yield EncodedQuery(query, mentions, (part.text,), self.vectors[[row]], self.encoder)
