"""What an encoder is, and which one a model's name means."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from embeddings.errors import ModelNotFound

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TINY = "tiny"


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
        """The model's window in tokens, its special tokens included."""

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encode passages: shape (len(texts), dim), each row of length 1."""

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encode questions, behind the model's query prompt where it has one; shaped as ``encode``."""

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        """Where each token stands in ``text``: half-open code point offsets, in order.

        The whole text is tokenised, not only the window; special tokens are left out.
        """


def load_encoder(
    model: str | None, cache_dir: Path, *, notify: Callable[[str], None] | None = None
) -> Encoder:
    """Load the encoder that ``model`` names.

    Args:
        model: ``None`` for the bundled all-MiniLM-L6-v2, ``"tiny"`` for the test encoder, the path of a
            sentence-transformers model's folder, or the name of one on the Hugging Face Hub.
        cache_dir: Where converted models are kept; made when first needed.
        notify: Told, in one sentence each, what takes time or falls back.

    Raises:
        ModelNotFound: There is no such model, or the Hub cannot be reached.
        ModelDamaged: The model's files are not the ones expected.
    """
    if model == TINY:
        from embeddings.tiny import TinyEncoder

        return TinyEncoder()
    raise ModelNotFound(f"There is no model {model!r}.")
