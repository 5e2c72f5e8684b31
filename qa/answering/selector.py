"""Passages → the sentences that answer, scored by words, meaning, the reader and the kind of answer asked for."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from qa.answering.models import Models
from qa.answering.short_answer import find_answer
from qa.query.encoded_query import EncodedQuery
from qa.retrieval.retriever import ScoredPassage
from qa.storage.view import View
from qa.text.sentences import split
from qa.text.tokens import terms
from qa.types import AnswerKind, Article, Query, header

if TYPE_CHECKING:
    from embeddings.reading.hub import HubReader
    from embeddings.reading.reader import Reader
    from embeddings.reading.reading import Reading

READ_AT_ONCE = 4
"""Passages the reader reads before the next look at whether to go on."""
SURE = 0.4
"""Confidence at which no further passages are read: past it, reading all changed 3 choices of 1,000."""
ENCODED = 8
"""Most promising sentences, whose vectors are compared with the question's."""

_LABELLED = re.compile(r"[\w ]{2,20}[:：]\s*\S")


class Features(NamedTuple):
    """What is measured of a sentence; each is weighed by the weight of its name in ``weights.json``."""

    words: float
    """Share of the question's words, weighed by rarity, that the sentence holds: 0..1."""
    context: float
    """The same with its passage and header: 0..1."""
    passage: float
    """Cosine similarity of question and passage: -1..1."""
    first: float
    """Reciprocal of the passage's rank: 0..1."""
    kind: float
    """1 if it holds a date, number or name where the question asks for one that it does not itself give."""
    fragment: float
    """1 for a heading or another piece that states nothing."""
    unknown: float
    """Share of the question's weight on words that stand nowhere in the archive: 0..1."""
    cosine: float = 0.0
    """Cosine similarity of question and sentence, for the most promising; else 0: -1..1."""
    relevance: float = 0.0
    """The reader's logit that the passage answers."""
    span: float = 0.0
    """The reader's best span inside the sentence against "no answer", in logits."""


class Candidate(NamedTuple):
    """A sentence that may answer."""

    article: Article
    start: int
    end: int
    features: Features
    score: float
    answer: tuple[int, int] | None
    """Where the short answer stands in the article's text."""

    @property
    def text(self) -> str:
        """The sentence, verbatim."""
        return self.article.text[self.start : self.end]

    @property
    def key(self) -> tuple[str, int]:
        """Names the sentence: its article and where it starts."""
        return self.article.id, self.start


class Rarity(NamedTuple):
    """The question's terms and how rare each is in the archive."""

    idf: dict[str, float]
    unknown: float
    """Share of the weight on terms that stand nowhere: 0..1."""

    @classmethod
    def of(cls, question: str, view: View) -> Rarity:
        """Weigh the terms of a question by BM25's idf, ``ln(1 + (N - df + 0.5) / (df + 0.5))``."""
        n = view.indexed
        df = {term: view.document_frequency(term) for term in terms(question)}
        idf = {term: math.log(1 + (n - f + 0.5) / (f + 0.5)) for term, f in df.items()}
        total = sum(idf.values())
        return cls(idf, sum(idf[t] for t, f in df.items() if not f) / total if total else 0.0)

    def share(self, text: str) -> float:
        """Return the share of the weight that a text's terms carry: 0..1."""
        total = sum(self.idf.values())
        held = set(terms(text))
        return sum(weight for term, weight in self.idf.items() if term in held) / total if total else 0.0


class Selector:
    """Scores sentences for one query."""

    def __init__(self, asked: EncodedQuery, view: View, models: Models, *, sure: float = SURE) -> None:
        self.asked = asked
        self.query = query = asked.query
        self.kind = query.intent.kind
        self.rarity = Rarity.of(query.reading_text, view)
        self._models = models
        self._sure = sure
        self.relevance: dict[int, float] = {}
        """Passage id → the reader's logit that the passage answers, for those it has read."""

    def select(self, passages: Sequence[ScoredPassage]) -> list[Candidate]:
        """Return the sentences of the passages, each once, best first.

        With the reader that the coefficients were fitted for, passages are read in their order until one
        answers beyond doubt. With another, all are read, for their order and the short answer only.
        """
        if not self._models.uses_reader:
            chosen = self._by_meaning(
                [c for rank, p in enumerate(passages, 1) for c in self._candidates(rank, p)]
            )
            return self._marked(chosen, passages)
        best: dict[tuple[str, int], Candidate] = {}
        for at in range(0, len(passages), READ_AT_ONCE):
            for candidate in self._read(passages[at : at + READ_AT_ONCE], at):
                held = best.get(candidate.key)
                if held is None or held.score < candidate.score:
                    best[candidate.key] = candidate
            promising = self._compared(sorted(best.values(), key=lambda c: -c.score)[:ENCODED])
            best.update((c.key, c) for c in promising)
            if promising and self.confidence(promising[0]) >= self._sure:
                break
        return sorted(best.values(), key=lambda c: -c.score)

    def confidence(self, candidate: Candidate) -> float:
        """Return the probability that a sentence answers: 0..1."""
        logit = self._models.weights.confidence.score(candidate.features._asdict())
        return 1 / (1 + math.exp(-max(-30.0, min(30.0, logit))))

    def _candidates(self, rank: int, located: ScoredPassage) -> list[Candidate]:
        ranked, passage, article = located
        context = self.rarity.share(f"{header(article)} {passage.text}")
        found = []
        for start, end in split(passage.text):
            sentence = passage.text[start:end]
            span = find_answer(self.kind, sentence, self.query.question)
            features = Features(
                words=self.rarity.share(sentence),
                context=context,
                passage=ranked.dense,
                first=1 / rank,
                kind=float(span is not None or self.kind in (AnswerKind.LIST, AnswerKind.OTHER)),
                fragment=float(_is_fragment(sentence)),
                unknown=self.rarity.unknown,
            )
            at = passage.start + start
            answer = (at + span[0], at + span[1]) if span else None
            found.append(Candidate(article, at, passage.start + end, features, self._score(features), answer))
        return found

    def _by_meaning(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Compare the vectors of the most promising sentences with the question's."""
        distinct = {c.key: c for c in sorted(candidates, key=lambda c: c.score)}
        ordered = sorted(distinct.values(), key=lambda c: -c.score)[:ENCODED]
        compared = self._compared(ordered)
        return self._rescored([c.features for c in compared], compared)

    def _compared(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Compare the sentences' vectors with the question's; their scores stay as they are."""
        if not candidates:
            return []
        cosines = self._models.sentences.encode([c.text for c in candidates]) @ self.asked.vector
        return [
            c._replace(features=c.features._replace(cosine=float(cosine)))
            for c, cosine in zip(candidates, cosines, strict=True)
        ]

    def _readings(self, passages: Sequence[ScoredPassage]) -> list[Reading]:
        readings = read(self.query, passages, self._models.reader) if self._models.reader else []
        for (_, passage, _), reading in zip(passages, readings, strict=False):
            self.relevance[passage.id] = reading.relevance_logit
        return readings

    def _marked(self, candidates: Sequence[Candidate], passages: Sequence[ScoredPassage]) -> list[Candidate]:
        """Mark the short answers that a reader finds in sentences chosen without it."""
        found: dict[tuple[str, int], tuple[int, int]] = {}
        for (_, passage, article), reading in zip(passages, self._readings(passages), strict=False):
            for start, end in split(passage.text):
                if span := reading.best_span(start, end):
                    at = passage.start
                    found.setdefault((article.id, at + start), (at + span.start, at + span.end))
        return [c._replace(answer=found.get(c.key, c.answer)) for c in candidates]

    def _read(self, passages: Sequence[ScoredPassage], before: int) -> list[Candidate]:
        readings = self._readings(passages)
        found: list[Candidate] = []
        for rank, (located, reading) in enumerate(zip(passages, readings, strict=True), before + 1):
            passage = located[1]
            candidates, features = [], []
            for c in self._candidates(rank, located):
                span = reading.best_span(c.start - passage.start, c.end - passage.start)
                if span is not None:
                    answer = (passage.start + span.start, passage.start + span.end)
                    candidates.append(c._replace(answer=answer))
                    features.append(c.features._replace(relevance=reading.relevance_logit, span=span.score))
            found.extend(self._rescored(features, candidates))
        return found

    def _rescored(self, features: Sequence[Features], candidates: Sequence[Candidate]) -> list[Candidate]:
        rescored = [
            c._replace(features=e, score=self._score(e)) for c, e in zip(candidates, features, strict=True)
        ]
        return sorted(rescored, key=lambda c: -c.score)

    def _score(self, features: Features) -> float:
        return self._models.weights.choice.score(features._asdict())


def read(query: Query, passages: Sequence[ScoredPassage], reader: Reader | HubReader) -> list[Reading]:
    """Read passages for an answer, each under its article's header."""
    texts = [passage.text for _, passage, _ in passages]
    return reader.read(query.reading_text, texts, [header(article) for _, _, article in passages])


def relevance(
    query: Query, passages: Sequence[ScoredPassage], reader: Reader | HubReader
) -> dict[int, float]:
    """Map passage ids to the reader's logit that the passage answers."""
    readings = read(query, passages, reader)
    return {p.id: r.relevance_logit for (_, p, _), r in zip(passages, readings, strict=True)}


def _is_fragment(sentence: str) -> bool:
    """Whether a piece is a heading: short, without an end, and not a credit such as ``Text: Song Liujin``."""
    return (
        len(sentence) < 60
        and not sentence.endswith((".", "!", "?", "。", "！", "？", ";", "；", "”", '"'))
        and not (_LABELLED.match(sentence))
    )
