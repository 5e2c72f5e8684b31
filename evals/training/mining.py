"""Hard negatives: passages that retrieval ranks high for a question and that do not hold its answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from evals.training.data import Document, ReadingData

_RRF_K = 60


def keyword_index(documents: Sequence[Document]) -> Callable[[str, int], list[int]]:
    """BM25 over titles and texts with English stemming: a function (question, k) -> positions, best first."""
    import tantivy

    builder = tantivy.SchemaBuilder()
    builder.add_text_field("body", tokenizer_name="en_stem")
    builder.add_integer_field("position", stored=True)
    schema = builder.build()
    index = tantivy.Index(schema)
    writer = index.writer(heap_size=50_000_000, num_threads=1)
    for position, doc in enumerate(documents):
        writer.add_document(tantivy.Document(body=f"{doc.title}\n{doc.text}", position=position))
    writer.commit()
    writer.wait_merging_threads()
    index.reload()
    searcher = index.searcher()

    def search(question: str, k: int) -> list[int]:
        words = " ".join(re.findall(r"\w+", question.lower()))
        query = index.parse_query(words, ["body"])
        hits = searcher.search(query, limit=k).hits
        return [searcher.doc(address)["position"][0] for _, address in hits]

    return search


def fuse(rankings: Sequence[Sequence[int]]) -> list[int]:
    """Reciprocal rank fusion, 1 / (60 + rank), of several rankings of positions."""
    scores: dict[int, float] = {}
    for ranking in rankings:
        for rank, position in enumerate(ranking, start=1):
            scores[position] = scores.get(position, 0.0) + 1.0 / (_RRF_K + rank)
    return sorted(scores, key=lambda p: (-scores[p], p))


def mine_negatives(
    data: ReadingData,
    embed: Callable[[Sequence[str]], NDArray[np.float32]],
    *,
    families: Sequence[str] = ("squad2", "wiki", "reddit", "amazon"),
    k: int = 10,
    keep: int = 6,
) -> dict[str, list[str]]:
    """For each answerable training question, the ids of high-ranked documents without any of its answers.

    BM25 covers every question; the dense ranking only `families` (QAMR's many context-free questions are not
    worth the time). `embed` returns unit vectors, shape (n, dim).
    """
    documents = data.training_documents()
    search = keyword_index(documents)
    folded = [d.text.casefold() for d in documents]
    asked = [q for q in data.train if q.answerable]
    dense_questions = [q for q in asked if q.family in families]
    vectors = embed([f"{d.title}\n{d.text}" for d in documents])
    question_vectors = embed([q.text for q in dense_questions])
    dense: dict[str, list[int]] = {}
    for begin in range(0, len(dense_questions), 1024):
        block = slice(begin, begin + 1024)
        top = np.argsort(-(question_vectors[block] @ vectors.T), axis=1)[:, :k]
        dense.update({q.id: row.tolist() for q, row in zip(dense_questions[block], top, strict=True)})
    negatives = {}
    for question in asked:
        answers = [a.casefold() for a in question.answers]
        ranked = fuse([search(question.text, k), dense.get(question.id, [])])
        negatives[question.id] = [
            documents[p].id
            for p in ranked
            if documents[p].id != question.doc_id and not any(a in folded[p] for a in answers)
        ][:keep]
    return negatives
