"""Text to vectors, and vectors to the nearest ids. Knows nothing of articles.

Importing this package is cheap: NumPy, FAISS, OpenVINO and the rest are imported by the names that need
them, when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from embeddings.encoder import Encoder, load_encoder
from embeddings.errors import ConversionError, EmbeddingError, IndexDamaged, ModelDamaged, ModelNotFound

if TYPE_CHECKING:
    from embeddings.index import VectorIndex
    from embeddings.index_parts import VectorParts
    from embeddings.tiny import TinyEncoder

__all__ = [
    "ConversionError",
    "EmbeddingError",
    "Encoder",
    "IndexDamaged",
    "ModelDamaged",
    "ModelNotFound",
    "TinyEncoder",
    "VectorIndex",
    "VectorParts",
    "load_encoder",
]


def __getattr__(name: str) -> type:
    """Import the classes that need NumPy when they are first asked for (PEP 562)."""
    if name == "TinyEncoder":
        from embeddings.tiny import TinyEncoder

        return TinyEncoder
    if name == "VectorIndex":
        from embeddings.index import VectorIndex

        return VectorIndex
    if name == "VectorParts":
        from embeddings.index_parts import VectorParts

        return VectorParts
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
