"""Query → answer: the fewest verbatim sentences that answer, or an abstention that says why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from qa.answering import lists
from qa.answering.article_facts import field_value, find_credit
from qa.answering.citations import Quote, distinct, in_reading_order, newest, newest_first, opening, repeats
from qa.answering.composing import STATED, Composer
from qa.answering.contradiction import contradicting
from qa.answering.models import Models
from qa.answering.selector import Candidate, Selector
from qa.errors import QuestionError
from qa.query.encoded_query import EncodedQuery
from qa.query.glossary import Glossary
from qa.query.intent import speaks_of_article
from qa.retrieval import occurrences
from qa.retrieval.fusion import boost
from qa.retrieval.retriever import ScoredPassage, retrieve
from qa.storage.view import View
from qa.text.sentences import split
from qa.types import Answer, AnswerKind, Hit, Query

HITS = 10
"""Hits an answer carries."""
MAX_SENTENCES = 3
"""Sentences that answer one question."""
MAX_ITEMS = 12
"""Items of a list that are quoted."""
MOST_EACH = 5
"""Sentences quoted for a question about several articles."""
ALSO_SURE = 0.5
"""Share of the best sentence's confidence that lets another one join it."""
ALSO_SURE_OF_MARKED = 0.8
"""The same where the best sentence holds the short answer."""
ADDS = 0.2
"""Share of the question's weight that a sentence must add to be quoted as the third."""
UNKNOWN = 0.5
"""Share of the question's weight on words the archive lacks that makes it a question about something else."""
ABOUT = 0.5
"""Share of the question's weight that an article must hold to be about it."""


class Answerer:
    """Answers from one state of the archive, where a glossary may name words that mean the same.

    It abstains below a confidence of ``refuse``, 0..1; by default as the models' coefficients say.
    """

    def __init__(
        self, view: View, models: Models, refuse: float | None = None, glossary: Glossary | None = None
    ) -> None:
        self._view = view
        self._models = models
        self._refuse = models.weights.refuse if refuse is None else refuse
        self._glossary = glossary or Glossary()

    def answer(self, query: Query) -> Answer:
        """Answer a query, or abstain."""
        compose = Composer(query, self._view.coverage(query.filters))
        if not compose.coverage.articles:
            words = compose.words
            return compose.abstain(0.0, words.no_match if query.filters.active else words.empty)
        if counted := self._count(compose):
            return counted
        results = [self._select(part) for part in query.parts or (query,)]
        compose.hits = results[0].hits if len(results) == 1 else self._hits(query)
        return self._fact(compose) or self._quote(compose, results)

    def _count(self, compose: Composer) -> Answer | None:
        """Count the mentions of a term where the question asks for them and there are any."""
        query = compose.query
        if query.intent.term is None:
            return None
        with suppress(QuestionError):
            found = occurrences.find(self._glossary.same(query.intent.term), query.filters, self._view)
            if quotes := newest(found, MOST_EACH, self._view):
                return compose.count(compose.words.mentions(found), quotes)
        return None

    def _fact(self, compose: Composer) -> Answer | None:
        """Answer a question about an article itself from its fields, or from the credits in its text."""
        question, name = compose.query.question, compose.query.intent.field
        found = (self._view.article(hit.article_id) for hit in compose.hits[:3])
        article = next(filter(None, found), None)
        if article is None or not speaks_of_article(question, article):
            return None
        if name and (value := field_value(article, name)):
            return compose.state(name, value, opening(article))
        if credit := find_credit(question, article):
            return compose.quote(STATED, [Quote(article, *credit.line, credit.name)])
        if name is None:
            return None
        words = compose.words
        why = words.no_field.format(title=article.title or article.id, label=words.fields[name])
        return compose.abstain(1 - STATED, why, [opening(article)])

    def _quote(self, compose: Composer, results: Sequence[PartResult]) -> Answer:
        """Quote what answers each part of the question, or abstain where nothing does."""
        answered = [part for part in results if part.best and part.confidence >= self._refuse]
        if not answered:
            best = max(results, key=lambda part: part.confidence)
            return compose.abstain(best.confidence, _why_not(best, compose), best.quotes()[:1])
        confidence = min(part.confidence for part in answered)
        silent = [part.query.question for part in results if part not in answered]
        if len(results) == 1 and (differing := results[0].differing(self._refuse)):
            return compose.quote(confidence, newest_first(differing), silent, differ=True)
        quotes = distinct([quote for part in answered for quote in self._quotes(part)])
        return compose.quote(confidence, in_reading_order(quotes), silent)

    def _select(self, query: Query) -> PartResult:
        """Retrieve passages for one part of a question, and choose among their sentences."""
        asked = EncodedQuery.of(query, self._models.encoder)
        selector = Selector(asked, self._view, self._models)
        candidates: list[Candidate] = []
        passages: list[ScoredPassage] = []

        def read(found: Sequence[ScoredPassage]) -> Mapping[int, float]:
            passages.extend(found)
            candidates.extend(selector.select(found))
            return selector.relevance

        hits = retrieve(asked, HITS, self._view, read)
        confidence = selector.confidence(candidates[0]) if candidates else 0.0
        return PartResult(query, tuple(hits), selector, passages, candidates, confidence)

    def _hits(self, query: Query) -> tuple[Hit, ...]:
        return tuple(retrieve(EncodedQuery.of(query, self._models.encoder), HITS, self._view, None))

    def _quotes(self, part: PartResult) -> list[Quote]:
        each = self._from_each(part)
        return [*part.quotes()[:1], *each][:MOST_EACH] if each else part.quotes()

    def _from_each(self, part: PartResult) -> list[Quote]:
        """Quote the sentence nearest to each clause of a question, from the articles that the clause names.

        Sentences are compared by words and meaning alone: a clause is not a question that a reader could answer.
        None where the question speaks of one article.
        """
        by_meaning = self._models.without_reader()
        quotes = []
        for clause in part.selector.asked.clauses():
            fits = [boost(clause.query.scope, a.source, a.published) for _, _, a in part.passages]
            meant = [p for p, fit in zip(part.passages, fits, strict=True) if fit == max(fits)]
            if found := Selector(clause, self._view, by_meaning).select(meant):
                quotes.append(Quote(found[0].article, found[0].start, found[0].end))
        return quotes


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
        """The sentence that answers best."""
        return self.candidates[0] if self.candidates else None

    def quotes(self) -> list[Quote]:
        """Quote the best sentence, and others only for what it leaves open; of a list, all its items."""
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
        """Quote the best sentence and those of other articles that contradict it; none where nothing does."""
        if self.best is None:
            return []
        least = max(refuse, ALSO_SURE_OF_MARKED * self.confidence)
        rivals = [c for c in self.candidates[1:] if self.selector.confidence(c) >= least]
        others = contradicting(self.query.intent.kind, self.best, rivals)[: MAX_SENTENCES - 1]
        return [Quote(c.article, c.start, c.end, c.answer) for c in (self.best, *others)] if others else []

    def _completes(self, other: Candidate, chosen: Sequence[Candidate]) -> bool:
        """Whether a sentence says something of what is asked that those chosen leave open."""
        best = chosen[0]
        if other.features.fragment or repeats(other.text, [c.text for c in chosen]):
            return False
        sure = self.selector.confidence(other)
        enough = ALSO_SURE if best.answer is None else ALSO_SURE_OF_MARKED
        share = self.selector.rarity.share
        held = share(" ".join(c.text for c in chosen))
        gain = share(" ".join([*(c.text for c in chosen), other.text])) - held
        adds = gain >= ADDS and sure >= ALSO_SURE * self.confidence
        return adds or (len(chosen) == 1 and sure >= enough * self.confidence)

    def _items(self, best: Candidate) -> list[Quote]:
        text = best.article.text
        own = lists.number(best.text)
        if not (self.query.intent.kind is AnswerKind.LIST and (own or lists.announces(best.text))):
            return []
        spans = lists.items(text, split(text), (best.start, best.end))[:MAX_ITEMS]
        announcement = [] if own or not spans or spans[0][0] == best.start else [(best.start, best.end)]
        return [Quote(best.article, *span) for span in [*announcement, *spans]]


def _why_not(part: PartResult, compose: Composer) -> str:
    """Say why the best that was found does not answer."""
    if part.best is None:
        return compose.words.nothing_alike
    if part.selector.rarity.unknown > UNKNOWN:
        return compose.words.unknown_words
    return compose.words.nothing_about if part.best.features.context < ABOUT else compose.words.near
