"""The models an answer is made with: encoder, reader, and the coefficients that go with them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from embeddings import Encoder
from qa.answering import weights
from qa.answering.weights import Weights

if TYPE_CHECKING:
    from embeddings.reading.hub import HubReader
    from embeddings.reading.reader import Reader


class SentenceVectors:
    """Encodes sentences and keeps the latest, for the same articles are asked about again and again."""

    def __init__(self, encoder: Encoder, size: int = 8192) -> None:
        """Keep at most ``size`` vectors: 12 MB of 384 dimensions."""
        self._encoder = encoder
        self._size = size
        self._kept: OrderedDict[str, NDArray[np.float32]] = OrderedDict()
        self._lock = Lock()

    def encode(self, sentences: Sequence[str]) -> NDArray[np.float32]:
        """Return the vectors of the sentences, shape (n, dim); n must not be 0."""
        with self._lock:
            known = {s: self._kept[s] for s in sentences if s in self._kept}
        new = [s for s in dict.fromkeys(sentences) if s not in known]
        known.update(zip(new, self._encoder.encode(new), strict=True))
        with self._lock:
            for sentence in sentences:
                self._kept[sentence] = known[sentence]
                self._kept.move_to_end(sentence)
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)
        return np.stack([known[s] for s in sentences])


class Models(NamedTuple):
    """What sentences are judged with."""

    encoder: Encoder
    sentences: SentenceVectors
    reader: Reader | HubReader | None
    weights: Weights

    @classmethod
    def of(cls, encoder: Encoder, sentences: SentenceVectors, reader: Reader | HubReader | None) -> Self:
        """Join models by the coefficients that come with the package for them."""
        return cls(encoder, sentences, reader, weights.of(reader, encoder))

    def without_reader(self) -> Models:
        """Return the same, to judge sentences by words and meaning alone."""
        return Models.of(self.encoder, self.sentences, None)

    @property
    def uses_reader(self) -> bool:
        """Whether the coefficients were fitted for this reader; without it sentences are chosen by meaning."""
        return self.reader is not None and self.weights.reader == self.reader.fingerprint
