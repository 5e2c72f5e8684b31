"""What was chosen → an answer: its parts, and the plain text rendered from them."""

from __future__ import annotations

from collections.abc import Sequence

from qa.answering.citations import Quote, cited
from qa.types import Answer, AnswerForm, Citation, Coverage, Hit, Query
from qa.words import words_for

STATED = 0.95
"""Confidence in an answer taken from an article's own data."""


class Composer:
    """Makes the answers to one query; what they share is kept here."""

    def __init__(self, query: Query, coverage: Coverage) -> None:
        self.query = query
        self.coverage = coverage
        self.words = words_for(query.question)
        self.hits: tuple[Hit, ...] = ()

    def quote(
        self, confidence: float, quotes: Sequence[Quote], silent: Sequence[str] = (), *, differ: bool = False
    ) -> Answer:
        """Answer by quotes.

        Args:
            confidence: That they answer: 0..1.
            quotes: In the order in which they are shown.
            silent: The parts of the question that the archive does not answer.
            differ: Whether the articles quoted contradict each other.
        """
        lead = self.words.differ if differ else ""
        return self._answer("quotes", quotes, confidence, lead, tuple(silent), differ=differ)

    def count(self, lead: str, quotes: Sequence[Quote]) -> Answer:
        """Answer by an exact count, said in ``lead``, with quotes as examples."""
        return self._answer("count", quotes, 1.0, lead)

    def state(self, field: str, value: str, beside: Quote) -> Answer:
        """Answer by a field of an article's own data, with the article's opening words beside it."""
        title = beside.article.title or beside.article.id
        lead = self.words.field.format(label=self.words.fields[field], title=title, value=value)
        return self._answer("metadata", [beside], STATED, lead, field=field, short=value)

    def abstain(self, confidence: float, reason: str, closest: Sequence[Quote] = ()) -> Answer:
        """Say that the archive does not answer, why, and what comes closest."""
        held = self.words.coverage(self.coverage, filtered=self.query.filters.active)
        return Answer(
            question=self.query.question,
            text=" ".join(filter(None, [self.words.silent, reason, held])),
            confidence=confidence,
            abstained=True,
            reason=reason,
            closest=cited(1, closest[0]._replace(answer=None)) if closest else None,
            coverage=self.coverage,
            hits=self.hits,
            query=self.query,
            notices=self.query.notices,
        )

    def _answer(
        self,
        kind: AnswerForm,
        quotes: Sequence[Quote],
        confidence: float,
        lead: str,
        silent: tuple[str, ...] = (),
        *,
        differ: bool = False,
        field: str | None = None,
        short: str | None = None,
    ) -> Answer:
        citations = tuple(cited(n, quote, field) for n, quote in enumerate(quotes, 1))
        marked = citations[0].answer if citations and kind == "quotes" else None
        return Answer(
            question=self.query.question,
            kind=kind,
            text=self._text(kind, lead, citations, silent, dated=differ),
            short=short or marked,
            lead=lead,
            citations=citations,
            confidence=confidence,
            abstained=False,
            coverage=self.coverage,
            hits=self.hits,
            query=self.query,
            differ=differ,
            unanswered=silent,
            notices=self.query.notices,
        )

    def _text(
        self,
        kind: AnswerForm,
        lead: str,
        citations: Sequence[Citation],
        silent: Sequence[str],
        *,
        dated: bool,
    ) -> str:
        """Render an answer as one paragraph: quotes are numbered ``[1]``, ``[2]`` and, if ``dated``, have their day."""
        if kind == "metadata":
            return f"{lead} [1]"
        parts = [lead] if lead else []
        for citation in citations:
            day = self.words.published.format(day=citation.published) if citation.published and dated else ""
            parts.append(f"“{citation.quote}” [{citation.n}] {day}".rstrip())
        parts += [self.words.silent_on.format(question=question) for question in silent]
        return " ".join(parts)
