"""Models and vectors: text to vectors, vectors to the nearest ids, passages to short answers; nothing of articles.

Read ``types`` and ``errors`` first. ``encoding`` makes vectors of texts, ``index`` finds the nearest ones, and
``reading`` finds the answer to a question in a passage; all three run on ``runtime``, and none imports another.
``weights`` holds the bundled reader.

Importing this package is cheap: NumPy, FAISS, OpenVINO and the rest are imported by the names that need
them, when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from embeddings.encoding.load import load_encoder
from embeddings.errors import ConversionError, EmbeddingError, IndexDamaged, ModelDamaged, ModelNotFound
from embeddings.types import Encoder

if TYPE_CHECKING:
    from embeddings.encoding.tiny import TinyEncoder
    from embeddings.index.segments import SegmentedIndex
    from embeddings.index.vector_index import VectorIndex

__all__ = [
    "ConversionError",
    "EmbeddingError",
    "Encoder",
    "IndexDamaged",
    "ModelDamaged",
    "ModelNotFound",
    "SegmentedIndex",
    "TinyEncoder",
    "VectorIndex",
    "load_encoder",
]


_LATE = {
    "TinyEncoder": "embeddings.encoding.tiny",
    "SegmentedIndex": "embeddings.index.segments",
    "VectorIndex": "embeddings.index.vector_index",
}


def __getattr__(name: str) -> type:
    """Import the classes that need NumPy when they are first asked for (PEP 562)."""
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: type = getattr(import_module(_LATE[name]), name)
    return found
