"""Passages → the sentences that answer, scored by words, meaning and the kind of answer asked for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from embeddings import Encoder
from qa.chunking import header
from qa.keyword import KeywordIndex, terms
from qa.retrieval import Ranked
from qa.sentences import split
from qa.spans import AnswerKind, find_answer
from qa.types import Article, Passage, Query

ENCODED = 8
"""Sentences whose vectors are compared with the question's."""
W_WORDS, W_CONTEXT, W_PASSAGE, W_KIND, W_RANK = 0.5, 0.15, 0.35, 0.12, 0.15


class Candidate(NamedTuple):
    """A sentence that may answer, with what speaks for it."""

    article: Article
    start: int
    end: int
    passage: int
    rank: int
    """Rank of its passage, from 1."""
    coverage: float
    """Share of the question's words, weighed by rarity, that the sentence holds: 0..1."""
    context: float
    """The same with the passage and its header."""
    passage_cosine: float
    cosine: float
    answer: tuple[int, int] | None
    """Where the short answer of the kind asked for stands in the article's text."""
    score: float

    @property
    def text(self) -> str:
        """The sentence, verbatim."""
        return self.article.text[self.start : self.end]


class Weights(NamedTuple):
    """The question's terms and how rare each is in the archive."""

    idf: dict[str, float]
    unknown: float
    """Share of the question's weight on terms that stand nowhere in the archive: 0..1."""

    def coverage(self, found: set[str]) -> float:
        """Return the share of the question's weight that the terms found carry: 0..1."""
        total = sum(self.idf.values())
        return sum(w for t, w in self.idf.items() if t in found) / total if total else 0.0


def weigh(question: str, keywords: KeywordIndex) -> Weights:
    """Weigh a question's terms by rarity: BM25's idf ``ln(1 + (N - df + 0.5) / (df + 0.5))``."""
    n = len(keywords)
    df = {term: keywords.document_frequency(term) for term in terms(question)}
    idf = {term: math.log(1 + (n - f + 0.5) / (f + 0.5)) for term, f in df.items()}
    total = sum(idf.values())
    return Weights(idf, sum(idf[t] for t, f in df.items() if not f) / total if total else 0.0)


def candidates(
    query: Query,
    kind: AnswerKind,
    weights: Weights,
    passages: Sequence[tuple[Ranked, Passage, Article]],
    encoder: Encoder,
) -> list[Candidate]:
    """Return the sentences of the passages, each once, best first."""
    rough: dict[tuple[str, int], Candidate] = {}
    for rank, (ranked, passage, article) in enumerate(passages, 1):
        context = weights.coverage(set(terms(f"{header(article)} {passage.text}")))
        for start, end in split(passage.text):
            at = article.id, passage.start + start
            if at in rough:
                continue
            sentence = passage.text[start:end]
            coverage = weights.coverage(set(terms(sentence)))
            span = find_answer(kind, sentence, query.question)
            score = W_WORDS * coverage + W_CONTEXT * context + W_PASSAGE * ranked.dense + W_RANK / rank
            rough[at] = Candidate(
                article, at[1], passage.start + end, passage.id, rank, coverage, context, ranked.dense, 0.0,
                (at[1] + span[0], at[1] + span[1]) if span else None, score + W_KIND * (span is not None),
            )  # fmt: skip
    ordered = sorted(rough.values(), key=lambda c: -c.score)
    if not ordered:
        return []
    head, tail = ordered[:ENCODED], ordered[ENCODED:]
    question = encoder.encode_queries([query.text])[0]
    cosines = encoder.encode([c.text for c in head]) @ question
    floor = float(np.min(cosines))
    scored = [c._replace(cosine=float(v), score=c.score + float(v)) for c, v in zip(head, cosines, strict=True)]
    scored += [c._replace(cosine=floor, score=c.score + floor - 0.1) for c in tail]
    return sorted(scored, key=lambda c: -c.score)
