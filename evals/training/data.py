"""Questions and passages that the reader is trained and measured on, and hard negatives for the training.

Whole articles are held out, chosen by a seeded hash; nothing of them is mined or trained on. A hard negative is a
passage that retrieval ranks high for a question and that does not hold its answer.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evals.baselines import reciprocal_rank_fusion

SETS = (
    "squad2",
    "train/squadshifts_wiki",
    "train/squadshifts_reddit",
    "train/squadshifts_amazon",
    "train/qamr",
)
HELD_OUT_ARTICLES = 4
SPLIT_SEED = 3
"""Decides which articles are held out; the shipped reader was trained with this one."""
Embed = Callable[[Sequence[str]], NDArray[np.float32]]
"""Texts to unit vectors, shape (n, dim)."""


@dataclass(frozen=True)
class Document:
    """One passage of a training corpus; `article` groups the passages that are split together."""

    id: str
    title: str
    text: str
    article: str
    family: str


@dataclass(frozen=True)
class Question:
    """A question on one document; `spans` are its gold code-point ranges, empty when there is no answer."""

    id: str
    text: str
    doc_id: str
    answers: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]
    family: str

    @property
    def answerable(self) -> bool:
        """Whether the document answers the question."""
        return bool(self.spans)


@dataclass
class ReadingData:
    """Documents by id, and the questions of the training and held-out parts."""

    documents: dict[str, Document] = field(default_factory=dict)
    train: list[Question] = field(default_factory=list)
    dev: list[Question] = field(default_factory=list)
    held_out: tuple[str, ...] = ()

    def training_documents(self) -> list[Document]:
        """Documents of the articles that may be trained on, in a fixed order."""
        return [d for d in self.documents.values() if d.family != "squad2" or d.article not in self.held_out]


def occurrences(needle: str, text: str) -> list[tuple[int, int]]:
    """Ranges where `needle` stands in `text` as whole words, in order."""
    pattern = rf"(?<!\w){re.escape(needle)}(?!\w)"
    return [m.span() for m in re.finditer(pattern, text)] if needle else []


def gold_spans(row: dict[str, Any], text: str) -> tuple[tuple[int, int], ...]:
    """All ranges to accept as the answer: the marked one, and other answers wherever their place is certain.

    Where nothing is marked (squad2 gives no place for an answer that occurs twice), every occurrence counts.
    """
    marked = {(e["start"], e["end"]) for e in row["evidence"] if e.get("start") is not None}
    sure, doubtful = set(marked), set()
    for answer in row["answers"]:
        found = occurrences(answer, text) or [
            m.span() for m in re.finditer(re.escape(answer), text) if answer
        ]
        if len(found) == 1:
            sure.add(found[0])
        doubtful.update(found)
    return tuple(sorted(sure or doubtful))


def held_out_articles(articles: Sequence[str], *, count: int, seed: int) -> tuple[str, ...]:
    """The `count` articles whose seeded SHA-256 sorts first."""
    return tuple(
        sorted(sorted(articles, key=lambda a: hashlib.sha256(f"{seed}:{a}".encode()).hexdigest())[:count])
    )


def family_of(name: str) -> str:
    """Return the short name of a set."""
    return name.rsplit("/", 1)[-1].removeprefix("squadshifts_")


def load(root: Path, *, seed: int) -> ReadingData:
    """Read the five evaluation folders under `root` and splits squad2 by article."""
    data = ReadingData()
    for name in SETS:
        family = family_of(name)
        for line in (root / name / "corpus.jsonl").read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            title = (row.get("title") or "").replace("_", " ")
            article = row["id"].rsplit("-", 1)[0] if family == "squad2" else (row.get("title") or row["id"])
            data.documents[row["id"]] = Document(row["id"], title, row["text"], article, family)
        if family == "squad2":
            articles = sorted({d.article for d in data.documents.values()})
            data.held_out = held_out_articles(articles, count=HELD_OUT_ARTICLES, seed=seed)
        for line in (root / name / "queries.jsonl").read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            doc = data.documents[row["evidence"][0]["doc_id"]]
            spans = gold_spans(row, doc.text) if row["answerable"] else ()
            if row["answerable"] and not spans:
                continue
            question = Question(row["id"], row["question"], doc.id, tuple(row["answers"]), spans, family)
            part = data.dev if family == "squad2" and doc.article in data.held_out else data.train
            part.append(question)
    return data


def keyword_index(documents: Sequence[Document]) -> Callable[[str, int], list[int]]:
    """BM25 over titles and texts with English stemming: a function (question, k) -> positions, best first."""
    import tantivy

    builder = tantivy.SchemaBuilder()
    builder.add_text_field("body", tokenizer_name="en_stem")
    builder.add_integer_field("position", stored=True)
    index = tantivy.Index(builder.build())
    writer = index.writer(heap_size=50_000_000, num_threads=1)
    for position, doc in enumerate(documents):
        writer.add_document(tantivy.Document(body=f"{doc.title}\n{doc.text}", position=position))
    writer.commit()
    writer.wait_merging_threads()
    index.reload()
    searcher = index.searcher()

    def search(question: str, k: int) -> list[int]:
        words = " ".join(re.findall(r"\w+", question.lower()))
        hits = searcher.search(index.parse_query(words, ["body"]), limit=k).hits
        return [searcher.doc(address)["position"][0] for _, address in hits]

    return search


def mine_negatives(
    data: ReadingData,
    embed: Embed,
    *,
    families: Sequence[str] = ("squad2", "wiki", "reddit", "amazon"),
    k: int = 10,
    keep: int = 6,
) -> dict[str, list[str]]:
    """For each answerable training question, the ids of high-ranked documents without any of its answers.

    BM25 covers every question; the dense ranking only `families` (QAMR's many context-free questions are not
    worth the time).
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
        ranked = reciprocal_rank_fusion([search(question.text, k), dense.get(question.id, [])])
        negatives[question.id] = [
            documents[p].id
            for p in ranked
            if documents[p].id != question.doc_id and not any(a in folded[p] for a in answers)
        ][:keep]
    return negatives
