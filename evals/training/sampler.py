"""Training examples drawn from the questions, in a mix that changes over the run.

It begins with answerable questions of all kinds, to learn what a span is, and ends on more of squad2's adversarial
unanswerable ones, to learn when there is none.
"""

from __future__ import annotations

import random
import re
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np

from embeddings.reading.inputs import Pair, PairEncoder, Tokens
from evals.training.adversary import altered, names
from evals.training.data import Document, Question, ReadingData


@dataclass(frozen=True)
class Example:
    """One training row: the pair, gold token positions (0 means no answer), and 1.0 if it answers."""

    pair: Pair
    starts: tuple[int, ...]
    ends: tuple[int, ...]
    label: float


_MIX = tomllib.loads(Path(__file__).with_name("mix.toml").read_text("utf-8"))
PHASES: tuple[tuple[float, dict[str, float]], ...] = tuple((p["until"], p["shares"]) for p in _MIX["phase"])
"""Until which share of the run each phase lasts, and the shares of each kind of example in it."""
_NO_TITLE = 0.3  # share of the examples without a title
_TWO_PASSAGES = 0.12  # share of those that can have a second passage and get one
_CROP = 208  # most tokens of a passage


class Sampler:
    """An endless, seeded stream of training examples whose mix follows `PHASES`."""

    def __init__(
        self, data: ReadingData, negatives: dict[str, list[str]], encoder: PairEncoder, *, seed: int
    ) -> None:
        """Group the training questions by kind; the same seed gives the same stream."""
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
            "shift_swap": shift, "squad_pos": squad, "squad_neg": squad, "squad_swap": squad,
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
        for question in answerable:
            article = data.documents[question.doc_id].article
            self._names.setdefault(article, []).extend(names(question.text))
        self._articles = list(self._names)

    def _cycle(self, group: Sequence[Question]) -> Iterator[Question]:
        while group:
            yield from self._random.sample(list(group), len(group))

    def batches(self, *, size: int, pool: int, progress: Callable[[], float]) -> Iterator[list[Example]]:
        """Yield batches of `size` examples of like length; `progress` is the share of the run that is done."""
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
        elif kind.endswith("_swap"):
            changed = self._altered(question, doc)
            if changed is None:
                return None
            asked, spans = changed, ()
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

    def _altered(self, question: Question, doc: Document) -> str | None:
        """The question changed, with names of its own article, or of any where those do not fit."""
        for article in (doc.article, self._random.choice(self._articles)):
            others = self._names[article]
            changed = altered(question.text, doc.text, question.answers, others, self._random)
            if changed is not None:
                return changed
        return None


def token_range(passage: Tokens, span: tuple[int, int]) -> tuple[int, int]:
    """The half-open token range that covers the code-point range `span`."""
    start = int(np.searchsorted(passage.offsets[:, 1], span[0], side="right"))
    end = int(np.searchsorted(passage.offsets[:, 0], span[1], side="left"))
    return min(start, len(passage) - 1), max(end, min(start, len(passage) - 1) + 1)


def _without_answer(text: str, spans: Sequence[tuple[int, int]], answers: Sequence[str]) -> str | None:
    """`text` without the sentences that hold an answer; None when little is left or an answer remains."""
    bounds = [0, *(m.end() for m in re.finditer(r"(?<=[.!?])\s+", text)), len(text)]
    kept = [text[a:b] for a, b in pairwise(bounds) if not any(s < b and a < e for s, e in spans)]
    rest = "".join(kept).strip()
    gone = not any(a.casefold() in rest.casefold() for a in answers)
    return rest if len(rest) > 150 and gone else None
