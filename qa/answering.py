"""Query → answer: the fewest verbatim sentences that answer, or an abstention that says why."""

from __future__ import annotations

import math
from collections.abc import Sequence

from embeddings import Encoder
from qa.metadata import asked_field, field
from qa.retrieval import load_passages, search
from qa.selection import Candidate, Weights, candidates, weigh
from qa.sentences import split
from qa.settings import Settings
from qa.snapshot import Snapshot
from qa.spans import AnswerKind, asked_for
from qa.store import Transaction
from qa.types import Answer, Article, Citation, Coverage, Hit, Query

HITS = 10
"""Hits an answer carries."""
PASSAGES_READ = 8
MAX_SENTENCES = 3

# Confidence that the quoted words answer: a logistic model of what the selection measured.
BIAS, W_COSINE, W_COVERAGE, W_CONTEXT, W_PASSAGE, W_UNKNOWN, W_NO_ANSWER = -5.0, 5.0, 2.0, 1.5, 3.0, -2.5, -0.7


def answer(
    query: Query,
    notices: tuple[str, ...],
    transaction: Transaction,
    snapshot: Snapshot,
    encoder: Encoder,
    settings: Settings,
) -> Answer:
    """Answer a query from one state of the archive."""
    coverage = transaction.coverage(query.filters)
    if not coverage.articles:
        why = "No article matches the filters." if query.filters.active else "The archive is empty."
        return _abstain(query, notices, coverage, 0.0, why, None, ())
    hits, ranked = search(query, HITS, transaction, snapshot, encoder)
    if name := asked_field(query.question):
        return _from_metadata(name, query, notices, coverage, transaction, hits)
    kind, weights = asked_for(query.question), weigh(query.text, snapshot.keywords)
    passages = load_passages(ranked[:PASSAGES_READ], transaction)
    found = candidates(query, kind, weights, passages, encoder)
    confidence = _confidence(found[0], kind, weights) if found else 0.0
    if not found or confidence < settings.refuse:
        closest = _cite(1, found[0]) if found else None
        return _abstain(query, notices, coverage, confidence, _reason(weights, found), closest, tuple(hits))
    citations = _citations(_choose(found, kind, weights))
    return Answer(
        question=query.question,
        text=" ".join(f"“{c.quote}” [{c.n}]" for c in citations),
        citations=citations,
        confidence=confidence,
        abstained=False,
        coverage=coverage,
        hits=tuple(hits),
        query=query,
        notices=notices,
    )


def _confidence(best: Candidate, kind: AnswerKind, weights: Weights) -> float:
    asks_name_or_number = kind in (AnswerKind.PERSON, AnswerKind.DATE, AnswerKind.NUMBER)
    logit = (
        BIAS
        + W_COSINE * best.cosine
        + W_COVERAGE * best.coverage
        + W_CONTEXT * best.context
        + W_PASSAGE * best.passage_cosine
        + W_UNKNOWN * weights.unknown
        + W_NO_ANSWER * (asks_name_or_number and best.answer is None)
    )
    return 1 / (1 + math.exp(-logit))


def _choose(found: Sequence[Candidate], kind: AnswerKind, weights: Weights) -> list[Candidate]:
    """Take the best sentence, and others only for what it leaves open."""
    best = found[0]
    chosen = [best]
    for other in found[1:6]:
        if len(chosen) == MAX_SENTENCES:
            break
        held = {t for c in chosen for t in weights.idf if t in c.text.casefold()}
        new = {t for t in weights.idf if t in other.text.casefold()} - held
        close = other.score >= 0.9 * best.score
        adds = weights.coverage(new) >= 0.15 and other.score >= 0.75 * best.score
        if (close or adds or kind is AnswerKind.LIST) and not _repeats(other, chosen):
            chosen.append(other)
    return chosen


def _repeats(candidate: Candidate, chosen: Sequence[Candidate]) -> bool:
    words = set(candidate.text.casefold().split())
    return any(len(words & set(c.text.casefold().split())) > 0.8 * len(words) for c in chosen)


def _citations(chosen: Sequence[Candidate]) -> tuple[Citation, ...]:
    """Number the quotes in reading order; sentences that follow one another are one quote."""
    order: dict[str, int] = {}
    for candidate in chosen:
        order.setdefault(candidate.article.id, len(order))
    marked = chosen[0]
    runs: list[Candidate] = []
    for candidate in sorted(chosen, key=lambda c: (order[c.article.id], c.start)):
        last = runs[-1] if runs else None
        if last and last.article.id == candidate.article.id and candidate.start - last.end <= 2:
            runs[-1] = last._replace(end=candidate.end, answer=last.answer or candidate.answer)
        else:
            runs.append(candidate)
    return tuple(
        _cite(n, run, mark=run.article.id == marked.article.id and run.start <= marked.start < run.end)
        for n, run in enumerate(runs, 1)
    )


def _cite(n: int, candidate: Candidate, *, mark: bool = True) -> Citation:
    answer = candidate.answer if mark else None
    return _citation(n, candidate.article, candidate.start, candidate.end, answer)


def _citation(
    n: int, article: Article, start: int, end: int, answer: tuple[int, int] | None = None, field: str | None = None
) -> Citation:
    return Citation(
        n=n,
        article_id=article.id,
        title=article.title,
        source=article.source,
        author=article.author,
        published=article.published,
        section=article.section,
        url=article.url,
        quote=article.text[start:end],
        start=start,
        end=end,
        text_sha256=article.text_sha256,
        answer_start=answer[0] if answer else None,
        answer_end=answer[1] if answer else None,
        kind="metadata" if field else "text",
        field=field,
    )


def _from_metadata(
    name: str,
    query: Query,
    notices: tuple[str, ...],
    coverage: Coverage,
    transaction: Transaction,
    hits: Sequence[Hit],
) -> Answer:
    """Answer from a field of the best article, cited to its opening sentence."""
    article = transaction.article(hits[0].article_id)
    assert article is not None, "a hit's article is in the same transaction"
    start, end = split(article.text)[0]
    stated = field(article, name)
    citation = _citation(1, article, start, end, field=name)
    title = article.title or article.id
    if stated.value is None:
        reason = f"“{title}” states no {stated.label}."
        return _abstain(query, notices, coverage, 0.2, reason, citation, tuple(hits))
    value = stated.value
    if article.published and name == "published":
        value = f"{article.published:%B} {article.published.day}, {article.published.year} ({value})"
    return Answer(
        question=query.question,
        text=f"The {stated.label} of “{title}” is {value}. [1]",
        citations=(citation,),
        confidence=0.9,
        abstained=False,
        coverage=coverage,
        hits=tuple(hits),
        query=query,
        notices=notices,
    )


def _reason(weights: Weights, found: Sequence[Candidate]) -> str:
    if not found:
        return "No passage resembles the question."
    if weights.unknown > 0.5:
        return "Most of the question's words appear nowhere in the archive."
    if found[0].context < 0.5:
        return "No article is about this."
    return "Articles come near the subject, but no sentence states what is asked."


def _abstain(
    query: Query,
    notices: tuple[str, ...],
    coverage: Coverage,
    confidence: float,
    reason: str,
    closest: Citation | None,
    hits: tuple[Hit, ...],
) -> Answer:
    return Answer(
        question=query.question,
        text=f"The archive does not say. {reason} {describe(coverage)}",
        confidence=confidence,
        abstained=True,
        reason=reason,
        closest=closest,
        coverage=coverage,
        hits=hits,
        query=query,
        notices=notices,
    )


def describe(coverage: Coverage) -> str:
    """Say in a sentence what articles there are and when they were published."""
    count = f"{coverage.articles:,} article{'' if coverage.articles == 1 else 's'}"
    if coverage.first and coverage.last:
        undated = f", {coverage.undated:,} of them undated" if coverage.undated else ""
        return f"It was searched in {count} published from {coverage.first} to {coverage.last}{undated}."
    return f"It was searched in {count} without dates." if coverage.articles else ""
