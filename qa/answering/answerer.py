"""Query → answer: the fewest verbatim sentences that answer, or an abstention that says why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from qa.answering import lists as listing
from qa.answering.article_facts import field_value, find_credit
from qa.answering.citations import (
    Quote,
    cited,
    distinct,
    in_reading_order,
    newest,
    newest_first,
    opening,
    repeats,
)
from qa.answering.comparison import from_each
from qa.answering.contradiction import contradicting
from qa.answering.models import Models
from qa.answering.selector import Candidate, Selector
from qa.answering.wording import words_for
from qa.errors import QuestionError
from qa.query.encoded_query import EncodedQuery
from qa.query.glossary import Glossary
from qa.query.intent import AnswerKind, asked_field, asked_term, speaks_of_article
from qa.query.understanding import parts
from qa.retrieval import occurrences
from qa.retrieval.retriever import ScoredPassage, retrieve
from qa.storage.snapshot import Snapshot
from qa.storage.transaction import Transaction
from qa.text.sentences import split
from qa.types import Answer, Citation, Coverage, Hit, Query

HITS = 10
"""Hits an answer carries."""
MAX_SENTENCES = 3
MAX_ITEMS = 12
MOST_EACH = 5
"""Sentences quoted for a question about several articles."""
ALSO_SURE, ALSO_SURE_OF_MARKED = 0.5, 0.8
"""Share of the best sentence's confidence that lets another join it; more where it holds the short answer."""
ADDS = 0.2
"""Share of the question's weight that a sentence must add to be quoted as the third."""
UNKNOWN, ABOUT = 0.5, 0.5
"""Shares of the question's weight: unknown words that make it a question about something else, and words
that an article must hold to be about it."""
STATED = 0.95
"""Confidence in an answer taken from an article's own data."""


class Answerer:
    """Answers from one state of the archive."""

    def __init__(
        self,
        transaction: Transaction,
        snapshot: Snapshot,
        models: Models,
        refuse: float,
        glossary: Glossary | None = None,
    ) -> None:
        self._glossary = glossary or Glossary()
        self._transaction = transaction
        self._snapshot = snapshot
        self._models = models
        self._refuse = refuse

    def answer(self, query: Query, notices: tuple[str, ...] = ()) -> Answer:
        """Answer a query, or abstain."""
        draft = _Draft(query, notices, self._transaction.coverage(query.filters))
        if not draft.coverage.articles:
            words = draft.words
            return draft.abstain(0.0, words.no_match if query.filters.active else words.empty)
        if (answer := self._from_mentions(draft)) is not None:
            return answer
        asked = [self._glossary.expand(part) for part in parts(query)]
        found = [self._search(part) for part in asked]
        draft.hits = found[0].hits if len(found) == 1 else self._hits(self._glossary.expand(query))
        if (answer := self._from_metadata(draft)) is not None:
            return answer
        answered = [part for part in found if part.best and part.confidence >= self._refuse]
        if not answered:
            first = max(found, key=lambda part: part.confidence)
            return draft.abstain(first.confidence, draft.reason(first), first.quotes()[:1])
        confidence = min(part.confidence for part in answered)
        silent = [part.query.question for part in found if part not in answered]
        differing = found[0].differing(self._refuse) if len(found) == 1 else []
        if differing:
            return draft.cite(confidence, newest_first(differing), silent, differ=True)
        quotes = distinct([quote for part in answered for quote in self._quotes(part)])
        return draft.cite(confidence, in_reading_order(quotes), silent)

    def _search(self, query: Query) -> PartResult:
        asked = self._encoded(query)
        selector = Selector(asked, self._snapshot.keywords, self._models)
        candidates: list[Candidate] = []
        passages: list[ScoredPassage] = []

        def read(found: Sequence[ScoredPassage]) -> Mapping[int, float]:
            passages.extend(found)
            candidates.extend(selector.select(found))
            return selector.relevance

        hits = retrieve(asked, HITS, self._transaction, self._snapshot, read)
        confidence = selector.confidence(candidates[0]) if candidates else 0.0
        return PartResult(query, tuple(hits), selector, passages, candidates, confidence)

    def _encoded(self, query: Query) -> EncodedQuery:
        return EncodedQuery.of(query, self._snapshot, self._models.encoder)

    def _quotes(self, found: PartResult) -> list[Quote]:
        each = from_each(found.selector.asked, found.passages, self._snapshot.keywords, self._models)
        return [*found.quotes()[:1], *each][:MOST_EACH] if each else found.quotes()

    def _hits(self, query: Query) -> tuple[Hit, ...]:
        return tuple(retrieve(self._encoded(query), HITS, self._transaction, self._snapshot, None))

    def _from_mentions(self, draft: _Draft) -> Answer | None:
        """Answer a question for the articles that mention a term by counting them; ``None`` where none does."""
        term = asked_term(draft.query.question)
        if term is None:
            return None
        with suppress(QuestionError):
            terms = self._glossary.same(term)
            found = occurrences.find(terms, draft.query.filters, self._transaction, self._snapshot)
            if quotes := newest(found, MOST_EACH, self._transaction):
                return draft.cite(1.0, quotes, lead=draft.words.mentions(found))
        return None

    def _from_metadata(self, draft: _Draft) -> Answer | None:
        """Answer a question about an article itself from its fields, or from the credits in its text."""
        question = draft.query.question
        articles = [a for h in draft.hits[:3] if (a := self._transaction.article(h.article_id)) is not None]
        if not articles or not speaks_of_article(question, articles[0]):
            return None
        article, name = articles[0], asked_field(question)
        if name and (value := field_value(article, name)):
            return draft.state(name, value, opening(article))
        if credit := find_credit(question, articles[:1]):
            credited, (line, made_by) = credit
            return draft.cite(STATED, [Quote(credited, *line, made_by)])
        if name is None:
            return None
        words = draft.words
        why = words.no_field.format(title=article.title or article.id, label=words.fields[name])
        return draft.abstain(1 - STATED, why, [opening(article)])


class PartResult(NamedTuple):
    """What was found for one part of a question."""

    query: Query
    hits: tuple[Hit, ...]
    selector: Selector
    passages: list[ScoredPassage]
    candidates: list[Candidate]
    confidence: float

    @property
    def best(self) -> Candidate | None:
        return self.candidates[0] if self.candidates else None

    def quotes(self) -> list[Quote]:
        """The best sentence, and others only for what it leaves open; of a list, all its items."""
        if self.best is None:
            return []
        if items := self._items(self.best):
            return items
        chosen = [self.best]
        for other in self.candidates[1:6]:
            if len(chosen) < MAX_SENTENCES and self._completes(other, chosen):
                chosen.append(other)
        return [Quote(c.article, c.start, c.end, c.answer if c is self.best else None) for c in chosen]

    def differing(self, refuse: float) -> list[Quote]:
        """The best sentence and those of other articles that contradict it; none where nothing does."""
        if self.best is None:
            return []
        least = max(refuse, ALSO_SURE_OF_MARKED * self.confidence)
        rivals = [c for c in self.candidates[1:] if self.selector.confidence(c) >= least]
        others = contradicting(self.selector.kind, self.best, rivals)[: MAX_SENTENCES - 1]
        return [Quote(c.article, c.start, c.end, c.answer) for c in (self.best, *others)] if others else []

    def _completes(self, other: Candidate, chosen: Sequence[Candidate]) -> bool:
        """Whether a sentence says something of what is asked that those chosen leave open."""
        best = chosen[0]
        if other.evidence.fragment or repeats(other.text, [c.text for c in chosen]):
            return False
        sure = self.selector.confidence(other)
        enough = ALSO_SURE if best.answer is None else ALSO_SURE_OF_MARKED
        held = self.selector.rarity.share(" ".join(c.text for c in chosen))
        gain = self.selector.rarity.share(" ".join([*(c.text for c in chosen), other.text])) - held
        adds = gain >= ADDS and sure >= ALSO_SURE * self.confidence
        return adds or (len(chosen) == 1 and sure >= enough * self.confidence)

    def _items(self, best: Candidate) -> list[Quote]:
        text = best.article.text
        own = listing.number(best.text)
        if not (self.selector.kind is AnswerKind.LIST and (own or listing.announces(best.text))):
            return []
        spans = listing.items(text, split(text), (best.start, best.end))[:MAX_ITEMS]
        opening = [] if own or not spans or spans[0][0] == best.start else [(best.start, best.end)]
        return [Quote(best.article, *span) for span in [*opening, *spans]]


class _Draft:
    """The parts of an answer that are the same however it ends."""

    def __init__(self, query: Query, notices: tuple[str, ...], coverage: Coverage) -> None:
        self.query = query
        self.notices = notices
        self.coverage = coverage
        self.words = words_for(query.question)
        self.hits: tuple[Hit, ...] = ()

    def cite(
        self,
        confidence: float,
        quotes: Sequence[Quote],
        silent: Sequence[str] = (),
        *,
        differ: bool = False,
        lead: str = "",
    ) -> Answer:
        citations = tuple(cited(n, quote) for n, quote in enumerate(quotes, 1))
        said = [self.words.differ] if differ else [lead] if lead else []
        for c in citations:
            day = f" {self.words.published.format(day=c.published)}" if differ and c.published else ""
            said.append(f"“{c.quote}” [{c.n}]{day}")
        said += [self.words.silent_on.format(question=question) for question in silent]
        return self._answer(" ".join(said), citations, confidence, tuple(silent), differ=differ)

    def state(self, name: str, value: str, beside: Quote) -> Answer:
        citation = cited(1, beside, name)
        label, title = self.words.fields[name], citation.title or citation.article_id
        text = self.words.field.format(label=label, title=title, value=value)
        return self._answer(text, (citation,), STATED)

    def reason(self, found: PartResult) -> str:
        """Why the best that was found does not answer."""
        if found.best is None:
            return self.words.nothing_alike
        if found.selector.rarity.unknown > UNKNOWN:
            return self.words.unknown_words
        return self.words.nothing_about if found.best.evidence.context < ABOUT else self.words.near

    def abstain(self, confidence: float, reason: str, closest: Sequence[Quote] = ()) -> Answer:
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
            notices=self.notices,
        )

    def _answer(
        self,
        text: str,
        citations: tuple[Citation, ...],
        confidence: float,
        unanswered: tuple[str, ...] = (),
        *,
        differ: bool = False,
    ) -> Answer:
        return Answer(
            question=self.query.question,
            text=text,
            citations=citations,
            confidence=confidence,
            abstained=False,
            coverage=self.coverage,
            hits=self.hits,
            query=self.query,
            differ=differ,
            unanswered=unanswered,
            notices=self.notices,
        )
