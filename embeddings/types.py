"""The types and names that encoders, readers and their callers share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DEFAULT_MODEL = "all-MiniLM-L6-v2"
"""Name of the encoder that is used where no model is named."""
BUNDLED_READER = "bundled"
"""Name of the reader that comes with this package."""

Notify = Callable[[str], None]
"""Called with one sentence for the user: what takes time, or runs slower than it should."""


class Encoder(Protocol):
    """Text to unit vectors. Safe to use from several threads.

    Any ``str`` is accepted: empty, with NULs or lone surrogates, or longer than the window (which is
    cut to ``max_tokens``).
    """

    @property
    def name(self) -> str:
        """What the model is called, for people."""

    @property
    def fingerprint(self) -> str:
        """Hex digest of all that decides a vector: weights, tokenizer, pooling, prompts, window.

        The same on every machine; vectors of encoders with different fingerprints do not compare.
        """

    @property
    def dim(self) -> int:
        """Length of a vector."""

    @property
    def max_tokens(self) -> int:
        """The model's window in tokens, its special tokens included, less what a passage prompt takes."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encode passages: shape (len(texts), dim), each row of length 1."""

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encode questions, behind the model's query prompt where it has one; shaped as ``encode``."""

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        """Where each token stands in ``text``: half-open code point offsets, in order.

        The whole text is tokenised, not only the window; special tokens are left out.
        """
