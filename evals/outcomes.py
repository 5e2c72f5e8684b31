"""Outcomes: what the archive did with each question, and how each metric judges it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from evals import metrics
from evals.dataset import Dataset, GoldEvidence, Question
from qa.archive import Archive
from qa.types import Answer, Article, Citation

DEPTH = 10
Part = Literal["all", "retrieval", "answers"]


class Outcome(BaseModel):
    """One question, what came of it, and its value in each metric that applies to it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    type: str
    answerable: bool
    judged: bool
    question: str
    answers: tuple[str, ...]
    ranking: tuple[str, ...] | None = None
    answer: str | None = None
    marked: str | None = None
    quotes: tuple[str, ...] = ()
    abstained: bool | None = None
    confidence: float | None = None
    citations: int = 0
    inexact: tuple[str, ...] = ()
    milliseconds: float | None = None
    scores: dict[str, float] = {}

    @property
    def faults(self) -> list[str]:
        """What went wrong, in words; empty when all is well."""
        wanted = ("hit@1", "contained answer", "right article")
        found = [name for name in wanted if self.scores.get(name, 1) < 1]
        if self.judged and self.abstained is not None and self.abstained == self.answerable:
            found.append("refused" if self.abstained else "answered")
        return found


def examine(archive: Archive, dataset: Dataset, part: Part = "all") -> Iterator[Outcome]:
    """Put each question to the archive and score what comes back, one outcome a question."""
    get = lru_cache(maxsize=4096)(archive.get)
    if part != "retrieval":
        archive.ask(dataset.questions[0].question)  # so that no latency holds the loading of a model
    for question in dataset.questions:
        relevant = dataset.relevant(question)
        scores: dict[str, float] = {}
        found: dict[str, Any] = {}
        history = question.history or None
        if relevant and part != "answers":
            hits = archive.search(question.question, k=DEPTH, history=history, collapse=False)
            found["ranking"] = order = tuple(dict.fromkeys(hit.article_id for hit in hits))
            scores |= metrics.ranking({"": order}, {"": relevant})[""]
        if part != "retrieval":
            started = time.perf_counter()
            answer = archive.ask(question.question, history=history)
            found["milliseconds"] = 1000 * (time.perf_counter() - started)
            found |= _reply(answer)
            shown = [*answer.citations, *filter(None, [answer.closest])]
            found["citations"] = len(shown)
            found["inexact"] = tuple(why for c in shown if (why := inexactness(c, get(c.article_id))))
            if question.answerable and question.judged:
                gold = [(e.doc_id, s) for e in question.evidence for s in gold_spans(e, get(e.doc_id))]
                scores |= _answer_scores(question, answer, gold, relevant)
        yield Outcome(
            **question.model_dump(include={"id", "type", "answerable", "question", "answers"}),
            judged=question.judged,
            scores=scores,
            **found,
        )


def inexactness(citation: Citation, article: Article) -> str | None:
    """Say how a citation differs from what it cites; ``None`` when it is exact."""
    where = f"{citation.article_id}[{citation.start}:{citation.end}]"
    if article.text[citation.start : citation.end] != citation.quote:
        return f"{where} does not read {citation.quote[:60]!r}"
    if citation.text_sha256 != article.text_sha256:
        return f"{where} was cut from another revision"
    return None


def gold_spans(evidence: GoldEvidence, article: Article) -> list[tuple[metrics.Span, ...]]:
    """Return where each gold quote or sentence stands: all its places, when its offsets are not given."""
    if evidence.quote and evidence.start is not None and evidence.end is not None:
        return [((evidence.start, evidence.end),)]
    quotes = evidence.sentences or ((evidence.quote,) if evidence.quote else ())
    return [spans for quote in quotes if (spans := tuple(_places(article.text, quote)))]


def _places(text: str, quote: str) -> Iterator[metrics.Span]:
    start = text.find(quote)
    while start >= 0:
        yield start, start + len(quote)
        start = text.find(quote, start + 1)


def _reply(answer: Answer) -> dict[str, Any]:
    return {
        "answer": answer.text,
        "marked": next((c.answer for c in answer.citations if c.answer), None),
        "quotes": tuple(c.quote for c in answer.citations),
        "abstained": answer.abstained,
        "confidence": answer.confidence,
    }


def _answer_scores(
    question: Question,
    answer: Answer,
    gold: Sequence[tuple[str, tuple[metrics.Span, ...]]],
    relevant: frozenset[str],
) -> dict[str, float]:
    """Score the answer to an answerable question; an abstention is an answer with no quote."""
    citations = answer.citations
    by_field = any(c.kind == "metadata" for c in citations)
    # No answer holds the character between the quotes, so that none is pieced together from two quotes.
    quoted = " \0 ".join(c.quote for c in citations if c.kind == "text")
    said = f"{quoted} \0 {answer.text}" if by_field else quoted
    short = [a for a in question.answers if metrics.is_short(a)]
    scores: dict[str, float] = {}
    if short:
        marked = next((c.answer for c in citations if c.answer), answer.text if by_field else quoted)
        scores["contained answer"] = float(any(metrics.contains(said, a) for a in short))
        scores["answer F1"] = metrics.token_f1(marked or "", short)
    elif any(len(metrics.normalise(a).split()) > metrics.LONGEST_SHORT_ANSWER for a in question.answers):
        scores["long answer F1"] = metrics.token_f1(said, question.answers)
    if relevant:
        scores["right article"] = float(bool(citations) and citations[0].article_id in relevant)
        scores["articles cited"] = len(relevant & {c.article_id for c in citations}) / len(relevant)
    if gold:
        cited = [(c.article_id, (c.start, c.end)) for c in citations if c.kind == "text"]
        scores["citation recall"] = _mean(any(_same_place(c, g) for c in cited) for g in gold)
        if cited:
            scores["citation precision"] = _mean(any(_same_place(c, g) for g in gold) for c in cited)
        if any(e.sentences for e in question.evidence):
            sentences = _by_article((article_id, places[0]) for article_id, places in gold)
            scores["sentence F1"] = metrics.span_f1(_by_article(cited), sentences)
    return scores


def _same_place(cited: tuple[str, metrics.Span], gold: tuple[str, tuple[metrics.Span, ...]]) -> bool:
    return cited[0] == gold[0] and any(metrics.matches(cited[1], span) for span in gold[1])


def _by_article(spans: Iterable[tuple[str, metrics.Span]]) -> dict[str, list[metrics.Span]]:
    grouped: dict[str, list[metrics.Span]] = {}
    for article_id, span in spans:
        grouped.setdefault(article_id, []).append(span)
    return grouped


def _mean(values: Iterable[bool]) -> float:
    found = list(values)
    return sum(found) / len(found)
