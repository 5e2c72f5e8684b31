"""What is measured: this program and what a user would take instead, each behind one interface.

A system runs in a process of its own. It is loaded once; then it indexes, or opens what it indexed before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from evals.speed.ready import ReadyVectors

OURS, PLAIN, TXTAI, LLAMA_INDEX = (
    "archive-qa",
    "sentence-transformers + FAISS + bm25s",
    "txtai",
    "llama-index",
)
PEERS = {
    PLAIN: ("bm25s", "PyStemmer", "sentence-transformers", "faiss-cpu"),
    TXTAI: ("txtai", "transformers", "faiss-cpu"),
    LLAMA_INDEX: (
        "llama-index-core",
        "llama-index-embeddings-huggingface",
        "llama-index-retrievers-bm25",
        "llama-index-vector-stores-faiss",
        "faiss-cpu",
    ),
}
"""The distributions that each needs."""


class Passages(Protocol):
    """What is indexed: the same passages, in articles of a file and one by one."""

    @property
    def jsonl(self) -> Path:
        """The articles."""

    def texts(self) -> Iterator[str]:
        """Yield the passages, each behind its header."""


class System(Protocol):
    """Hybrid search over passages with the bundled model's weights."""

    def load(self) -> None:
        """Import the libraries and load the model."""

    def encode(self, texts: list[str]) -> None:
        """Encode passages."""

    def encode_question(self, text: str) -> None:
        """Encode a question."""

    def index(self, passages: Passages, folder: Path, ready: ReadyVectors | None) -> None:
        """Index passages into an empty folder, encoding them unless there are ready vectors; end closed."""

    def open(self, folder: Path) -> None:
        """Open what :meth:`index` left in a folder."""

    def search(self, question: str, k: int) -> Sequence[str]:
        """Return the texts of the best passages by dense and keyword search, best first."""

    def nearest(self, vector: NDArray[np.float32], k: int) -> list[str]:
        """Return the passages that the dense search alone finds nearest to a vector, behind their headers."""


def load_system(name: str) -> System:
    """Make the system of that name; nothing of the others is imported."""
    if name == OURS:
        from evals.speed.ours import ArchiveQA

        return ArchiveQA()
    from evals.speed import peers

    kinds: dict[str, type[System]] = {PLAIN: peers.Plain, TXTAI: peers.Txtai, LLAMA_INDEX: peers.LlamaIndex}
    return kinds[name]()


def missing(name: str) -> list[str]:
    """Return the distributions that a peer needs and that are not installed."""
    return [needed for needed in PEERS[name] if installed(needed) is None]


def installed(distribution: str) -> str | None:
    """Return the version of a distribution, if it is installed."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None
