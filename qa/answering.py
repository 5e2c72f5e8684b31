"""Query → answer: the fewest verbatim sentences that answer, or an abstention that says why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from embeddings import Encoder
from embeddings.reader import Reader
from qa import listing, weights
from qa.metadata import LABELS, asked_field, field_value, find_credit, speaks_of_article
from qa.retrieval import best_hits, load_passages, rank, rerank
from qa.selection import Candidate, Selector, SentenceVectors
from qa.sentences import Span, split
from qa.settings import Settings
from qa.snapshot import Snapshot
from qa.spans import AnswerKind
from qa.transaction import Transaction
from qa.types import Answer, Article, Citation, Coverage, Hit, Query
from qa.understanding import parts

HITS = 10
"""Hits an answer carries."""
PASSAGES_READ = 12
MAX_SENTENCES = 3
MAX_ITEMS = 12
ALSO_SURE, ALSO_SURE_OF_MARKED = 0.5, 0.8
"""Share of the best sentence's confidence that lets another join it; more where it holds the short answer."""
STATED = 0.95
"""Confidence in an answer taken from an article's own data."""


class Quote(NamedTuple):
    """A stretch of an article that is to be cited."""

    article: Article
    start: int
    end: int
    answer: Span | None = None


class Answerer:
    """Answers from one state of the archive."""

    def __init__(
        self,
        transaction: Transaction,
        snapshot: Snapshot,
        encoder: Encoder,
        sentences: SentenceVectors,
        reader: Reader | None,
        settings: Settings,
    ) -> None:
        self._transaction = transaction
        self._snapshot = snapshot
        self._encoder = encoder
        self._sentences = sentences
        self._reader = reader
        self._refuse = settings.refuse
        models = weights.load()
        self._weights = models.reader if reader else models.no_reader

    def answer(self, query: Query, notices: tuple[str, ...] = ()) -> Answer:
        """Answer a query, or abstain."""
        draft = _Draft(query, notices, self._transaction.coverage(query.filters))
        if not draft.coverage.articles:
            why = "No article matches the filters." if query.filters.active else "The archive is empty."
            return draft.abstain(0.0, why)
        asked = parts(query)
        found = [self._search(part) for part in asked]
        draft.hits = found[0].hits if len(found) == 1 else self._search(query).hits
        if (answer := self._from_metadata(draft)) is not None:
            return answer
        answered = [part for part in found if part.best and part.confidence >= self._refuse]
        if not answered:
            first = max(found, key=lambda part: part.confidence)
            return draft.abstain(first.confidence, first.reason, first.quotes()[:1])
        quotes = [quote for part in answered for quote in part.quotes()]
        silent = [part.query.question for part in found if part not in answered]
        return draft.cite(min(part.confidence for part in answered), _distinct(quotes), silent)

    def _search(self, query: Query) -> _Found:
        ranked = rank(query, HITS, self._transaction, self._snapshot, self._encoder)
        passages = load_passages(ranked[:PASSAGES_READ], self._transaction)
        selector = Selector(
            query, self._snapshot.keywords, self._encoder, self._sentences, self._reader, self._weights
        )
        candidates = selector.select(passages)
        hits = best_hits(rerank(ranked, selector.relevance), HITS, self._transaction)
        confidence = selector.confidence(candidates[0]) if candidates else 0.0
        return _Found(query, tuple(hits), selector, candidates, confidence)

    def _from_metadata(self, draft: _Draft) -> Answer | None:
        """Answer a question about an article itself from its fields, or from the credits in its text."""
        question = draft.query.question
        articles = [a for h in draft.hits[:3] if (a := self._transaction.article(h.article_id)) is not None]
        if not articles or not speaks_of_article(question, articles[0]):
            return None
        name = asked_field(question)
        if name and (value := field_value(articles[0], name)):
            return draft.state(name, value, articles[0])
        if credit := find_credit(question, articles[:1]):
            article, (line, made_by) = credit
            return draft.cite(STATED, [Quote(article, *line, made_by)], [])
        if name is None:
            return None
        title = articles[0].title or articles[0].id
        return draft.abstain(0.2, f"“{title}” states no {LABELS[name]}.", [_opening(articles[0])])


class _Found(NamedTuple):
    """What was found for one part of a question."""

    query: Query
    hits: tuple[Hit, ...]
    selector: Selector
    candidates: list[Candidate]
    confidence: float

    @property
    def best(self) -> Candidate | None:
        return self.candidates[0] if self.candidates else None

    @property
    def reason(self) -> str:
        if self.best is None:
            return "No passage resembles the question."
        if self.selector.rarity.unknown > 0.5:
            return "Most of the question's words appear nowhere in the archive."
        if self.best.evidence.context < 0.5:
            return "No article is about this."
        return "Articles come near the subject, but no sentence states what is asked."

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

    def _completes(self, other: Candidate, chosen: Sequence[Candidate]) -> bool:
        """Whether a sentence says something of what is asked that those chosen leave open."""
        best = chosen[0]
        if other.evidence.fragment or _repeats(other.text, [c.text for c in chosen]):
            return False
        sure = self.selector.confidence(other)
        enough = ALSO_SURE if best.answer is None else ALSO_SURE_OF_MARKED
        held = self.selector.rarity.share(" ".join(c.text for c in chosen))
        gain = self.selector.rarity.share(" ".join([*(c.text for c in chosen), other.text])) - held
        return sure >= enough * self.confidence or (gain >= 0.2 and sure >= ALSO_SURE * self.confidence)

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
        self.hits: tuple[Hit, ...] = ()

    def cite(self, confidence: float, quotes: Sequence[Quote], silent: Sequence[str]) -> Answer:
        citations = tuple(_citation(n, quote) for n, quote in enumerate(_in_reading_order(quotes), 1))
        said = [f"“{c.quote}” [{c.n}]" for c in citations]
        said += [f"The archive does not say: {question}" for question in silent]
        return self._answer(" ".join(said), citations, confidence, tuple(silent))

    def state(self, name: str, value: str, article: Article) -> Answer:
        citation = _citation(1, _opening(article), name)
        text = f"The {LABELS[name]} of “{article.title or article.id}” is {value}. [1]"
        return self._answer(text, (citation,), STATED)

    def abstain(self, confidence: float, reason: str, closest: Sequence[Quote] = ()) -> Answer:
        return Answer(
            question=self.query.question,
            text=f"The archive does not say. {reason} {describe(self.coverage)}".strip(),
            confidence=confidence,
            abstained=True,
            reason=reason,
            closest=_citation(1, closest[0]) if closest else None,
            coverage=self.coverage,
            hits=self.hits,
            query=self.query,
            notices=self.notices,
        )

    def _answer(
        self, text: str, citations: tuple[Citation, ...], confidence: float, unanswered: tuple[str, ...] = ()
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
            unanswered=unanswered,
            notices=self.notices,
        )


def describe(coverage: Coverage) -> str:
    """Say in a sentence what articles there are and when they were published."""
    if not coverage.articles:
        return ""
    count = f"{coverage.articles:,} article{'' if coverage.articles == 1 else 's'}"
    if coverage.first and coverage.last:
        undated = f" ({coverage.undated:,} undated)" if coverage.undated else ""
        return f"It holds {count}, published from {coverage.first} to {coverage.last}{undated}."
    return f"It holds {count} without dates."


def _opening(article: Article) -> Quote:
    spans = split(article.text)
    return Quote(article, *(spans[0] if spans else (0, len(article.text))))


def _in_reading_order(quotes: Sequence[Quote]) -> list[Quote]:
    """Order by article, as first quoted, then by place; sentences that follow one another become one quote."""
    order: dict[str, int] = {}
    for quote in quotes:
        order.setdefault(quote.article.id, len(order))
    runs: list[Quote] = []
    for quote in sorted(quotes, key=lambda q: (order[q.article.id], q.start)):
        last = runs[-1] if runs else None
        if last and last.article.id == quote.article.id and _touch(quote.article.text, last.end, quote.start):
            runs[-1] = last._replace(end=max(last.end, quote.end), answer=last.answer or quote.answer)
        else:
            runs.append(quote)
    return runs


def _touch(text: str, end: int, start: int) -> bool:
    return start <= end or (start - end <= 2 and "\n" not in text[end:start])


def _distinct(quotes: Sequence[Quote]) -> list[Quote]:
    kept: list[Quote] = []
    for quote in quotes:
        if not _repeats(
            quote.article.text[quote.start : quote.end], [q.article.text[q.start : q.end] for q in kept]
        ):
            kept.append(quote)
    return kept


def _repeats(sentence: str, others: Sequence[str]) -> bool:
    """Whether nearly all words of a sentence already stand in one of the others."""
    words = set(sentence.casefold().split())
    return any(len(words & set(other.casefold().split())) > 0.8 * len(words) for other in others)


def _citation(n: int, quote: Quote, field: str | None = None) -> Citation:
    article, start, end, answer = quote
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
