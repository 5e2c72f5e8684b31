"""What a user would take instead: each with its own defaults, the bundled model's weights, hybrid search."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embeddings.runtime.source import bundled_folder
from evals.speed.ready import ReadyVectors
from evals.speed.systems import Passages

DEPTH, RRF_K = 100, 60
NODES = 2048
"""Nodes that llama-index inserts at once, its own default."""


class Plain:
    """sentence-transformers, an exact FAISS index and bm25s, fused by reciprocal rank: fifty lines by hand."""

    def load(self) -> None:
        """Load the model."""
        import bm25s
        import faiss
        import Stemmer
        from sentence_transformers import SentenceTransformer

        self._bm25s, self._faiss = bm25s, faiss
        self._stemmer = Stemmer.Stemmer("english")
        self._model = SentenceTransformer(str(bundled_folder()), device="cpu")

    def encode(self, texts: list[str]) -> Any:
        """Encode passages."""
        return self._model.encode(texts, normalize_embeddings=True, show_progress_bar=False)

    def encode_question(self, text: str) -> Any:
        """Encode a question."""
        return self.encode([text])

    def index(self, passages: Passages, folder: Path, ready: ReadyVectors | None) -> None:
        """Index the passages in memory, then write everything out."""
        texts = list(passages.texts())
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

    def nearest(self, vector: NDArray[np.float32], k: int) -> list[str]:
        """Ask FAISS alone."""
        return [self._texts[row] for row in self._dense.search(vector[None], k)[1][0]]

    def _words(self, texts: list[str]) -> Any:
        return self._bm25s.tokenize(texts, stopwords="en", stemmer=self._stemmer, show_progress=False)


class Txtai:
    """txtai's hybrid index with stored content."""

    def load(self) -> None:
        """Load the model."""
        self._models: dict[str, Any] = {}
        self._embeddings = self._new()

    def encode(self, texts: list[str]) -> None:
        """Encode passages."""
        self._embeddings.batchtransform(texts, "data")

    def encode_question(self, text: str) -> None:
        """Encode a question."""
        self._embeddings.transform(text, "query")

    def index(self, passages: Passages, folder: Path, ready: ReadyVectors | None) -> None:
        """Stream the passages into an index and save it."""
        embeddings = self._new()
        if ready:
            embeddings.model.encode = lambda texts, category=None: ready(texts)
        embeddings.index.vector_index(enumerate(passages.texts()))
        embeddings.save(str(folder))
        embeddings.close()

    def open(self, folder: Path) -> None:
        """Load the index; the model is there already."""
        self._embeddings.load(str(folder))

    def search(self, question: str, k: int) -> list[str]:
        """Ask txtai."""
        return [row["text"] for row in self._embeddings.search(question, k)]

    def nearest(self, vector: NDArray[np.float32], k: int) -> list[str]:
        """Ask txtai's vector index alone."""
        rows = ", ".join(str(row) for row, _ in self._embeddings.ann.search(vector[None], k)[0])
        found = self._embeddings.search(f"SELECT text FROM txtai WHERE indexid IN ({rows})", k)
        return [row["text"] for row in found]

    def _new(self) -> Any:
        from txtai import Embeddings

        model = str(bundled_folder())
        return Embeddings(path=model, content=True, hybrid=True, gpu=False, models=self._models)


class LlamaIndex:
    """llama-index: its FAISS store and its BM25 retriever, fused by reciprocal rank."""

    def load(self) -> None:
        """Load the model."""
        from llama_index.embeddings.huggingface import HuggingFaceEmbedding

        self._model = HuggingFaceEmbedding(model_name=str(bundled_folder()), device="cpu")

    def encode(self, texts: list[str]) -> None:
        """Encode passages."""
        self._model.get_text_embedding_batch(texts)

    def encode_question(self, text: str) -> None:
        """Encode a question."""
        self._model.get_query_embedding(text)

    def index(self, passages: Passages, folder: Path, ready: ReadyVectors | None) -> None:
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
        texts = enumerate(passages.texts())
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

    def nearest(self, vector: NDArray[np.float32], k: int) -> list[str]:
        """Ask its vector index alone."""
        from llama_index.core.schema import QueryBundle

        retriever = self._index.as_retriever(similarity_top_k=k)
        found = retriever.retrieve(QueryBundle("", embedding=vector.tolist()))
        return [entry.node.get_content() for entry in found]
