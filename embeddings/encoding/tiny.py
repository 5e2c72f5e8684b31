"""An encoder without a model: hashed words and letter groups. Deterministic, instant, for tests."""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

# A run of word characters is a token, so is any other visible character; scripts written without
# spaces (kana, Han, Hangul) count one token a character, as the big models' tokenizers do.
_UNSPACED = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uac00-\ud7af"
_TOKEN = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+|[^\w\s]")
_SUFFIX = re.compile(r"(?<=...)(?:ations?|ings?|ies|ed|es|s|ly|e|y)$")
_SPECIAL_TOKENS = 2


class TinyEncoder:
    """A bag of word stems and letter trigrams, hashed into a few dimensions.

    Texts that share words, or forms of a word, are near each other; meaning plays no part. Vectors are the
    same on every machine and in every process (CRC-32, not ``hash``).
    """

    name = "tiny"

    def __init__(self, dim: int = 64, max_tokens: int = 256) -> None:
        if dim < 1 or max_tokens <= _SPECIAL_TOKENS:
            raise ValueError(f"dim={dim} and max_tokens={max_tokens} leave no room for a text")
        self.dim = dim
        self.max_tokens = max_tokens
        self.fingerprint = hashlib.sha256(f"tiny 1 {dim} {max_tokens}".encode()).hexdigest()

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encode passages: shape (len(texts), dim), each row of length 1."""
        rows = np.zeros((len(texts), self.dim), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            for token in self._window(text):
                for hashed, weight in _features(token):
                    row[hashed % self.dim] += weight if hashed & 0x8000_0000 else -weight
            if not row.any():  # no words, or a full cancellation: any fixed direction will do
                row[0] = 1.0
            row /= np.linalg.norm(row)
        return rows

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encode questions; there is no query prompt, so this is ``encode``."""
        return self.encode(texts)

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        """Code point offsets of each word and each other visible character."""
        return [match.span() for match in _TOKEN.finditer(text)]

    def _window(self, text: str) -> Iterator[str]:
        for _, match in zip(range(self.max_tokens - _SPECIAL_TOKENS), _TOKEN.finditer(text), strict=False):
            yield match[0]


@lru_cache(maxsize=1 << 16)
def _features(token: str) -> tuple[tuple[int, float], ...]:
    """Hash a token's stem and trigrams; longer words weigh more, as they are rarer."""
    word = token.lower()
    if not word.isalnum() and not word.isidentifier():
        return ()
    stem = _SUFFIX.sub("", word)
    weight = min(len(stem), 8) / 8 if word.isascii() else 1.0
    framed = f"<{stem}>"
    trigrams = [framed[i : i + 3] for i in range(len(framed) - 2)]
    share = 0.5 * weight / len(trigrams)
    return ((_hash(stem), weight), *((_hash(trigram), share) for trigram in trigrams))


def _hash(feature: str) -> int:
    return zlib.crc32(feature.encode("utf-8", "surrogatepass"))
