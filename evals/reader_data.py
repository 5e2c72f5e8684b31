"""Questions, passages and hard negatives that the reader is trained and measured on.

Whole articles are held out, chosen by a seeded hash; nothing of them is mined or trained on.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from embeddings.reader_input import Pair, PairEncoder, Tokens

if TYPE_CHECKING:
    from collections.abc import Callable

SETS = (
    "squad2",
    "train/squadshifts_wiki",
    "train/squadshifts_reddit",
    "train/squadshifts_amazon",
    "train/qamr",
)
HELD_OUT_ARTICLES = 4
_RRF_K = 60


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


def load(root: Path, *, seed: int) -> ReadingData:
    """Reads the five evaluation folders under `root` and splits squad2 by article."""
    data = ReadingData()
    for name in SETS:
        family = name.rsplit("/", 1)[-1].removeprefix("squadshifts_")
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


@dataclass(frozen=True)
class Example:
    """One training row: the pair, gold token positions (0 means no answer), and 1.0 if it answers."""

    pair: Pair
    starts: tuple[int, ...]
    ends: tuple[int, ...]
    label: float


# Shares of each kind of example per phase; a phase lasts until its fraction of the time budget.
PHASES: tuple[tuple[float, dict[str, float]], ...] = (
    (0.12, {"qamr_pos": 0.42, "qamr_neg": 0.08, "shift_pos": 0.34, "shift_neg": 0.12, "shift_cut": 0.04}),
    (
        0.5,
        {
            "qamr_pos": 0.08, "qamr_neg": 0.02, "shift_pos": 0.28, "shift_neg": 0.10, "shift_cut": 0.03,
            "shift_swap": 0.05, "squad_pos": 0.20, "squad_none": 0.16, "squad_neg": 0.08,
        },
    ),
    (
        1.0,
        {
            "shift_pos": 0.12, "shift_neg": 0.04, "shift_swap": 0.03, "squad_pos": 0.38, "squad_none": 0.30,
            "squad_neg": 0.13,
        },
    ),
)  # fmt: skip
_NO_TITLE = 0.3
_TWO_PASSAGES = 0.12
_CROP = 208


class Sampler:
    """An endless, seeded stream of training examples whose mix follows `PHASES`."""

    def __init__(
        self, data: ReadingData, negatives: dict[str, list[str]], encoder: PairEncoder, *, seed: int
    ) -> None:
        """Groups the training questions by kind; the same seed gives the same stream."""
        self._data = data
        self._negatives = negatives
        self._encoder = encoder
        self._random = random.Random(seed)
        self._tokens = lru_cache(maxsize=20_000)(encoder.tokens)
        answerable = [q for q in data.train if q.answerable]
        squad = [q for q in answerable if q.family == "squad2"]
        shift = [q for q in answerable if q.family in ("wiki", "reddit", "amazon")]
        qamr = [q for q in answerable if q.family == "qamr"]
        groups = {
            "qamr_pos": qamr, "qamr_neg": qamr, "shift_pos": shift, "shift_neg": shift, "shift_cut": shift,
            "shift_swap": shift, "squad_pos": squad, "squad_neg": squad,
            "squad_none": [q for q in data.train if q.family == "squad2" and not q.answerable],
        }  # fmt: skip
        self._streams = {kind: self._cycle(group) for kind, group in groups.items()}
        ids = [d.id for d in data.training_documents()]
        self._next = {
            a: b
            for a, b in pairwise(ids)
            if data.documents[a].title and data.documents[a].article == data.documents[b].article
        }
        self._names: dict[str, list[str]] = {}
        for question in shift:
            article = data.documents[question.doc_id].article
            self._names.setdefault(article, []).extend(_names(question.text))

    def _cycle(self, group: Sequence[Question]) -> Iterator[Question]:
        while group:
            yield from self._random.sample(list(group), len(group))

    def batches(self, *, size: int, pool: int, progress: Callable[[], float]) -> Iterator[list[Example]]:
        """Yields batches of `size` examples of like length; `progress` is the elapsed share of the budget."""
        while True:
            shares = next((s for until, s in PHASES if progress() < until), PHASES[-1][1])
            kinds = self._random.choices(list(shares), weights=list(shares.values()), k=size * pool)
            examples = [e for kind in kinds if (e := self._example(kind)) is not None]
            examples.sort(key=lambda e: len(e.pair))
            cuts = [examples[i : i + size] for i in range(0, len(examples), size)]
            self._random.shuffle(cuts)
            yield from cuts

    def _example(self, kind: str) -> Example | None:
        question = next(self._streams[kind])
        doc = self._data.documents[question.doc_id]
        text, spans, title, asked = doc.text, question.spans, doc.title, question.text
        if kind.endswith("_neg"):
            candidates = self._negatives.get(question.id, [])
            if not candidates:
                return None
            doc = self._data.documents[self._random.choice(candidates)]
            text, spans, title = doc.text, (), doc.title
            if self._random.random() < _TWO_PASSAGES:
                text = f"{text}\n{self._data.documents[self._random.choice(candidates)].text}"
        elif kind == "shift_cut":
            rest = _without_answer(text, spans, question.answers)
            if rest is None:
                return None
            text, spans = rest, ()
        elif kind == "shift_swap":
            swapped = self._swapped(asked, doc)
            if swapped is None:
                return None
            asked, spans = swapped, ()
        elif kind.endswith("_pos") and doc.id in self._next and self._random.random() < _TWO_PASSAGES:
            other = self._data.documents[self._next[doc.id]].text
            if self._random.random() < 0.5:
                text = f"{text}\n{other}"
            else:
                text = f"{other}\n{text}"
                spans = tuple((s + len(other) + 1, e + len(other) + 1) for s, e in spans)
        if self._random.random() < _NO_TITLE:
            title = ""
        return self._row(asked, title, text, spans)

    def _row(self, asked: str, title: str, text: str, spans: tuple[tuple[int, int], ...]) -> Example:
        question, header, passage = self._tokens(asked), self._tokens(title), self._tokens(text)
        places = [token_range(passage, span) for span in spans]
        size = min(_CROP, self._encoder.room(question, header))
        begin = 0
        if len(passage) > size:
            low, high = 0, len(passage) - size
            if places:
                start, end = self._random.choice(places)
                low, high = max(0, min(end - size, high)), min(high, start)
            begin = self._random.randint(min(low, high), max(low, high))
        pair = self._encoder.pair(question, header, passage.ids[begin : begin + size])
        inside = [(s - begin, e - begin) for s, e in places if s >= begin and e <= begin + size]
        starts = tuple(pair.first + s for s, _ in inside) or (0,)
        ends = tuple(pair.first + e - 1 for _, e in inside) or (0,)
        return Example(pair, starts, ends, float(bool(inside)))

    def _swapped(self, asked: str, doc: Document) -> str | None:
        """The question with one of its names or numbers replaced by another of the article, absent here."""
        mine = _names(asked)
        others = [n for n in self._names[doc.article] if n not in doc.text and n not in asked]
        if not others:
            elsewhere = self._names[self._random.choice(list(self._names))]
            others = [n for n in elsewhere if n not in doc.text and n not in asked]
        if not mine or not others:
            return None
        old = self._random.choice(mine)
        alike = [n for n in others if n[0].isdigit() == old[0].isdigit()]
        return asked.replace(old, self._random.choice(alike), 1) if alike else None


def token_range(passage: Tokens, span: tuple[int, int]) -> tuple[int, int]:
    """The half-open token range that covers the code-point range `span`."""
    start = int(np.searchsorted(passage.offsets[:, 1], span[0], side="right"))
    end = int(np.searchsorted(passage.offsets[:, 0], span[1], side="left"))
    return min(start, len(passage) - 1), max(end, min(start, len(passage) - 1) + 1)


def _names(text: str) -> list[str]:
    """Capitalised word groups past the first word, and numbers."""
    return [m.group() for m in re.finditer(r"(?<=\s)(?:[A-Z]\w+(?:\s[A-Z]\w+)*|\d[\d,.]*\d|\d+)\b", text)]


def _without_answer(text: str, spans: Sequence[tuple[int, int]], answers: Sequence[str]) -> str | None:
    """`text` without the sentences that hold an answer; None when little is left or an answer remains."""
    bounds = [0, *(m.end() for m in re.finditer(r"(?<=[.!?])\s+", text)), len(text)]
    kept = [text[a:b] for a, b in pairwise(bounds) if not any(s < b and a < e for s, e in spans)]
    rest = "".join(kept).strip()
    gone = not any(a.casefold() in rest.casefold() for a in answers)
    return rest if len(rest) > 150 and gone else None
