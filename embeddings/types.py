"""The types that encoders and their callers share."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from embeddings.encoding.openvino_encoder import FORMAT

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


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


Notify = Callable[[str], None]


class ModelSource(NamedTuple):
    """A model as it is named by a user."""

    name: str
    location: str
    """A folder, or a name on the Hugging Face Hub."""
    state: str
    """Changes when the model at the location does."""
    check: Callable[[], None] | None = None
    """Called before converting; raises what is wrong with the source."""

    @property
    def is_folder(self) -> bool:
        """Whether the model lies on this machine; nothing may then be fetched."""
        return Path(self.location).is_dir()

    def record(self, cache_dir: Path) -> Path:
        """The file that says what this source turned out to be."""
        key = hashlib.sha256(f"{FORMAT}\n{self.location}\n{self.state}".encode()).hexdigest()[:32]
        return cache_dir / "sources" / f"{key}.json"
