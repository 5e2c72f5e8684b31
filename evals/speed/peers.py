"""What is measured: this program and what a user would take instead, each behind one interface.

A system runs in a process of its own. It is loaded once; then it indexes, or opens what it indexed before. The others
have their own defaults, the bundled model's weights, and hybrid search. Each imports what it needs when it is loaded,
so that no cold start pays for another system.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from evals.machine import installed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from embeddings import Encoder
    from evals.speed.corpus import Corpus, ReadyVectors

    Vector = NDArray[np.float32]

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


DEPTH, RRF_K = 100, 60
NODES = 2048
"""Nodes that llama-index inserts at once, its own default."""


class System(Protocol):
    """Hybrid search over passages with the bundled model's weights."""

    def load(self) -> None:
        """Import the libraries and load the model."""

    def encode(self, texts: list[str]) -> None:
        """Encode passages."""

    def encode_question(self, text: str) -> None:
        """Encode a question."""

    def index(self, corpus: Corpus, folder: Path, ready: ReadyVectors | None) -> None:
        """Index passages into an empty folder, encoding them unless vectors are ready; all is written in the end."""

    def open(self, folder: Path) -> None:
        """Open what :meth:`index` left in a folder."""

    def search(self, question: str, k: int) -> Sequence[str]:
        """Return the texts of the best passages by dense and keyword search, best first."""

    def nearest(self, vector: Vector, k: int) -> list[str]:
        """Return the passages that the dense search alone finds nearest to a vector, behind their headers."""


class _ArchiveQA:
    """This program: an archive, filled from JSON Lines and searched."""

    def load(self) -> None:
        import qa
        from embeddings import load_encoder

        self._qa, self._settings = qa, qa.Settings.from_environ()
        self._encoder = load_encoder(self._settings.model, self._settings.cache_dir)

    def encode(self, texts: list[str]) -> None:
        self._encoder.encode(texts)

    def encode_question(self, text: str) -> None:
        self._encoder.encode_queries([text])

    def index(self, corpus: Corpus, folder: Path, ready: ReadyVectors | None) -> None:
        with self._qa.Archive.create(folder, settings=self._settings) as archive:
            archive.encoder = self._encoding(ready)
            archive.add(corpus.jsonl)

    def open(self, folder: Path) -> None:
        self._archive = self._qa.Archive.open(folder, settings=self._settings)
        self._archive.encoder = self._encoder

    def search(self, question: str, k: int, *, read: bool = False) -> list[str]:
        """Return the best passage of each article; unless the reader reads, in the order that fusion gives them."""
        return [hit.text for hit in self._archive.search(question, k=k, read=read)]

    def nearest(self, vector: Vector, k: int) -> list[str]:
        from evals.internals import nearest_passages

        return nearest_passages(self._archive, vector, k)

    def add(self, file: Path, ready: ReadyVectors | None) -> tuple[float, float]:
        """Add a file of articles and remove them again; return the seconds of each."""
        self._archive.encoder = self._encoding(ready)
        ids = [json.loads(line)["id"] for line in file.read_text(encoding="utf-8").splitlines()]
        started = time.perf_counter()
        self._archive.add(file)
        added = time.perf_counter()
        self._archive.remove(ids)
        return added - started, time.perf_counter() - added

    def _encoding(self, ready: ReadyVectors | None) -> Encoder:
        from evals.speed.corpus import ReadyEncoder

        return ReadyEncoder(self._encoder, ready) if ready else self._encoder


class _Plain:
    """sentence-transformers, an exact FAISS index and bm25s, fused by reciprocal rank: fifty lines by hand."""

    def load(self) -> None:
        import bm25s
        import faiss
        import Stemmer
        from sentence_transformers import SentenceTransformer

        self._bm25s, self._faiss = bm25s, faiss
        self._stemmer = Stemmer.Stemmer("english")
        self._model = SentenceTransformer(_bundled(), device="cpu")

    def encode(self, texts: list[str]) -> Any:
        return self._model.encode(texts, normalize_embeddings=True, show_progress_bar=False)

    def encode_question(self, text: str) -> Any:
        return self.encode([text])

    def index(self, corpus: Corpus, folder: Path, ready: ReadyVectors | None) -> None:
        """Index the passages in memory, then write everything out."""
        texts = list(corpus.texts())
        vectors = ready(texts) if ready else self.encode(texts)
        dense = self._faiss.IndexFlatIP(vectors.shape[1])
        dense.add(vectors)
        keyword = self._bm25s.BM25()
        keyword.index(self._words(texts), show_progress=False)
        folder.mkdir(parents=True)
        self._faiss.write_index(dense, str(folder / "dense.faiss"))
        keyword.save(str(folder / "bm25"), show_progress=False)
        (folder / "texts.json").write_text(json.dumps(texts), encoding="utf-8")

    def open(self, folder: Path) -> None:
        """Read everything back into memory."""
        self._dense = self._faiss.read_index(str(folder / "dense.faiss"))
        self._keyword = self._bm25s.BM25.load(str(folder / "bm25"))
        self._texts: list[str] = json.loads((folder / "texts.json").read_text(encoding="utf-8"))

    def search(self, question: str, k: int) -> list[str]:
        """Take the best 100 of each search and fuse their ranks."""
        depth = min(DEPTH, len(self._texts))
        dense = self._dense.search(self.encode_question(question), depth)[1][0]
        keyword = self._keyword.retrieve(self._words([question]), k=depth, show_progress=False)[0][0]
        scores: dict[int, float] = {}
        for ranking in (dense.tolist(), keyword.tolist()):
            for rank, row in enumerate(ranking, 1):
                scores[row] = scores.get(row, 0.0) + 1 / (RRF_K + rank)
        return [self._texts[row] for row in sorted(scores, key=lambda row: -scores[row])[:k]]

    def nearest(self, vector: Vector, k: int) -> list[str]:
        """Ask FAISS alone."""
        return [self._texts[row] for row in self._dense.search(vector[None], k)[1][0]]

    def _words(self, texts: list[str]) -> Any:
        return self._bm25s.tokenize(texts, stopwords="en", stemmer=self._stemmer, show_progress=False)


class _Txtai:
    """txtai's hybrid index with stored content."""

    def load(self) -> None:
        self._models: dict[str, Any] = {}
        self._embeddings = self._new()

    def encode(self, texts: list[str]) -> None:
        self._embeddings.batchtransform(texts, "data")

    def encode_question(self, text: str) -> None:
        self._embeddings.transform(text, "query")

    def index(self, corpus: Corpus, folder: Path, ready: ReadyVectors | None) -> None:
        """Stream the passages into an index and save it."""
        embeddings = self._new()
        if ready:
            embeddings.model.encode = lambda texts, category=None: ready(texts)
        embeddings.index(enumerate(corpus.texts()))
        embeddings.save(str(folder))
        embeddings.close()

    def open(self, folder: Path) -> None:
        """Load the index; the model is there already."""
        self._embeddings.load(str(folder))

    def search(self, question: str, k: int) -> list[str]:
        """Ask txtai."""
        return [row["text"] for row in self._embeddings.search(question, k)]

    def nearest(self, vector: Vector, k: int) -> list[str]:
        """Ask txtai's vector index alone."""
        rows = ", ".join(str(row) for row, _ in self._embeddings.ann.search(vector[None], k)[0])
        found = self._embeddings.search(f"SELECT text FROM txtai WHERE indexid IN ({rows})", k)
        return [row["text"] for row in found]

    def _new(self) -> Any:
        from txtai import Embeddings

        model = _bundled()
        return Embeddings(path=model, content=True, hybrid=True, gpu=False, models=self._models)


class _LlamaIndex:
    """llama-index: its FAISS store and its BM25 retriever, fused by reciprocal rank."""

    def load(self) -> None:
        from llama_index.embeddings.huggingface import HuggingFaceEmbedding

        self._model = HuggingFaceEmbedding(model_name=_bundled(), device="cpu")

    def encode(self, texts: list[str]) -> None:
        self._model.get_text_embedding_batch(texts)

    def encode_question(self, text: str) -> None:
        self._model.get_query_embedding(text)

    def index(self, corpus: Corpus, folder: Path, ready: ReadyVectors | None) -> None:
        """Insert the passages batch by batch, then build the keyword index over all of them."""
        import faiss
        from llama_index.core import StorageContext, VectorStoreIndex
        from llama_index.core.schema import TextNode
        from llama_index.retrievers.bm25 import BM25Retriever
        from llama_index.vector_stores.faiss import FaissVectorStore

        dim = self._model._model.get_embedding_dimension()
        store = FaissVectorStore(faiss_index=faiss.IndexFlatIP(dim))
        storage = StorageContext.from_defaults(vector_store=store)
        index = VectorStoreIndex([], storage_context=storage, embed_model=self._model)
        texts = enumerate(corpus.texts())
        while batch := list(islice(texts, NODES)):
            nodes = [TextNode(id_=str(number), text=text) for number, text in batch]
            if ready:
                for node, vector in zip(nodes, ready([text for _, text in batch]), strict=True):
                    node.embedding = vector.tolist()
            index.insert_nodes(nodes)
        folder.mkdir(parents=True)
        storage.persist(str(folder))
        BM25Retriever.from_defaults(docstore=index.docstore).persist(str(folder / "bm25"))

    def open(self, folder: Path) -> None:
        """Read everything back into memory."""
        from llama_index.core import StorageContext, load_index_from_storage
        from llama_index.retrievers.bm25 import BM25Retriever
        from llama_index.vector_stores.faiss import FaissVectorStore

        store = FaissVectorStore.from_persist_dir(str(folder))
        storage = StorageContext.from_defaults(vector_store=store, persist_dir=str(folder))
        self._index = load_index_from_storage(storage, embed_model=self._model)
        self._keyword = BM25Retriever.from_persist_dir(str(folder / "bm25"))

    def search(self, question: str, k: int) -> list[str]:
        """Fuse the best ``k`` of both retrievers, as its documentation does."""
        from llama_index.core.llms import MockLLM
        from llama_index.core.retrievers import QueryFusionRetriever

        self._keyword.similarity_top_k = k
        both = QueryFusionRetriever(
            [self._index.as_retriever(similarity_top_k=k), self._keyword],
            mode="reciprocal_rerank", similarity_top_k=k, num_queries=1, use_async=False, llm=MockLLM(),
        )  # fmt: skip
        return [found.node.get_content() for found in both.retrieve(question)]

    def nearest(self, vector: Vector, k: int) -> list[str]:
        """Ask its vector index alone."""
        from llama_index.core.schema import QueryBundle

        retriever = self._index.as_retriever(similarity_top_k=k)
        found = retriever.retrieve(QueryBundle("", embedding=vector.tolist()))
        return [entry.node.get_content() for entry in found]


def _bundled() -> str:
    from embeddings.encoding.load import bundled_folder

    return str(bundled_folder())


def load_system(name: str) -> System:
    """Make the system of that name."""
    kinds: dict[str, type[System]] = {
        OURS: _ArchiveQA,
        PLAIN: _Plain,
        TXTAI: _Txtai,
        LLAMA_INDEX: _LlamaIndex,
    }
    return kinds[name]()


def missing(name: str) -> list[str]:
    """Return the distributions that a peer needs and that are not installed."""
    return [needed for needed in PEERS[name] if installed(needed) is None]
