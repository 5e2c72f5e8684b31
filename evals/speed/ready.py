"""Vectors that are there at once, for archives whose encoding would take hours.

Made from real ones: a passage's vector is that of the real passage its first sentence comes from, moved by
noise with the covariance of real vectors. It depends on the passage's text alone, so that every system,
whatever order it asks in, gets the same vector for the same passage.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from embeddings import Encoder

NOISE = 0.75
"""Length of the noise against the covariance's own: leaves a cosine of about 0.8 to the real vector."""
BATCH = 2048
"""Vectors made at once: what memory a system takes must not be that of making them."""
ARRAYS, OPENINGS = "vectors.npz", "openings.json"


class ReadyVectors:
    """Passages to unit vectors, some ten microseconds each.

    Args:
        real: Vectors of real passages: (n, dim), rows of length 1.
        openings: Sentence → the row of ``real`` whose passage it stands in.
    """

    def __init__(self, real: NDArray[np.float32], openings: Mapping[str, int]) -> None:
        self.real = real
        self.openings = openings
        # A factor F of the covariance, F'F = C, has the rows of the centred vectors' own R of QR.
        centred = (real - real.mean(axis=0)) / np.sqrt(len(real))
        self._factor = np.asarray(np.linalg.qr(centred, mode="r"), np.float32)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load what :meth:`save` wrote."""
        with np.load(folder / ARRAYS, allow_pickle=False) as arrays:
            real = arrays["real"]
        return cls(real, json.loads((folder / OPENINGS).read_text(encoding="utf-8")))

    def save(self, folder: Path) -> None:
        """Write everything into a folder."""
        np.savez(folder / ARRAYS, real=self.real)
        (folder / OPENINGS).write_text(json.dumps(self.openings), encoding="utf-8")

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the vectors of passages as they are embedded, behind their header: (len(texts), dim)."""
        vectors = np.empty((len(texts), self.real.shape[1]), np.float32)
        for at in range(0, len(texts), BATCH):
            vectors[at : at + BATCH] = self._batch(texts[at : at + BATCH])
        return vectors

    def _batch(self, texts: Sequence[str]) -> NDArray[np.float32]:
        digests = [
            int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") for text in texts
        ]
        rows = [
            self.openings.get(opening(text), digest % len(self.real))
            for text, digest in zip(texts, digests, strict=True)
        ]
        drawn = np.empty((len(texts), len(self._factor)), np.float32)
        for row, digest in zip(drawn, digests, strict=True):
            np.random.Generator(np.random.SFC64(digest)).standard_normal(dtype=np.float32, out=row)
        vectors = self.real[rows] + NOISE * (drawn @ self._factor)
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def opening(text: str) -> str:
    """Return the first sentence of a passage that stands behind its header, one sentence a line."""
    return text.split("\n", 2)[1] if "\n" in text else text


class ReadyEncoder:
    """A real encoder whose passages are encoded already: only questions and tokens are its work."""

    def __init__(self, encoder: Encoder, ready: ReadyVectors) -> None:
        self._encoder = encoder
        self._ready = ready
        self.name = encoder.name
        self.fingerprint = encoder.fingerprint
        self.dim = encoder.dim
        self.max_tokens = encoder.max_tokens

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Look passages up: (len(texts), dim)."""
        return self._ready(texts)

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encode questions with the real encoder."""
        return self._encoder.encode_queries(texts)

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        """Return where each token stands, as the real encoder does."""
        return self._encoder.token_spans(text)
