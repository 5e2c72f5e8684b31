"""Stretches of articles → numbered citations, in an order that reads well, none twice."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from qa.retrieval.occurrences import ordered
from qa.storage.view import View
from qa.text.sentences import Span, split
from qa.types import Article, Citation, Occurrence, Occurrences

REPEATED = 0.8
"""Share of a sentence's words that makes it a repetition of another one that holds them."""


class Quote(NamedTuple):
    """A stretch of an article that is to be cited."""

    article: Article
    start: int
    end: int
    answer: Span | None = None

    @property
    def text(self) -> str:
        """The words, verbatim."""
        return self.article.text[self.start : self.end]


def opening(article: Article) -> Quote:
    """Return an article's first sentence."""
    spans = split(article.text)
    return Quote(article, *(spans[0] if spans else (0, len(article.text))))


def context(text: str, span: Span) -> Span:
    """Return the span with the sentence before it and the one after."""
    sentences = split(text)
    touched = [i for i, (start, end) in enumerate(sentences) if start < span[1] and span[0] < end]
    if not touched:
        return span
    first, last = max(0, touched[0] - 1), min(len(sentences) - 1, touched[-1] + 1)
    return min(span[0], sentences[first][0]), max(span[1], sentences[last][1])


def repeats(sentence: str, others: Sequence[str]) -> bool:
    """Whether nearly all words of a sentence already stand in one of the others."""
    words = set(sentence.casefold().split())
    return any(len(words & set(other.casefold().split())) > REPEATED * len(words) for other in others)


def distinct(quotes: Sequence[Quote]) -> list[Quote]:
    """Leave out what repeats an earlier quote."""
    kept: list[Quote] = []
    for quote in quotes:
        if not repeats(quote.text, [q.text for q in kept]):
            kept.append(quote)
    return kept


def in_reading_order(quotes: Sequence[Quote]) -> list[Quote]:
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


def newest_first(quotes: Sequence[Quote]) -> list[Quote]:
    """Order by their articles' dates, the latest first; undated ones stay last, in their order."""
    return sorted(quotes, key=lambda q: q.article.published or date.min, reverse=True)


def cited(n: int, quote: Quote, field: str | None = None) -> Citation:
    """Make the ``n``-th citation of a quote, or of an article's field beside its opening words."""
    article, start, end, answer = quote
    return Citation(
        **article.origin(Citation),
        n=n,
        quote=quote.text,
        start=start,
        end=end,
        answer_start=answer[0] if answer else None,
        answer_end=answer[1] if answer else None,
        kind="metadata" if field else "text",
        field=field,
    )


def _touch(text: str, end: int, start: int) -> bool:
    return start <= end or (start - end <= 2 and "\n" not in text[end:start])


_LONGEST_QUOTE = 600
"""Characters quoted of a sentence before a mention, and after it begins."""


def newest(found: Occurrences, most: int, view: View) -> list[Quote]:
    """Quote the first mention in each of the newest articles; of one that has it in its title only, the beginning."""
    first: dict[str, Occurrence] = {}
    for o in ordered(found, descending=True).occurrences:
        if o.article_id not in first or first[o.article_id].field == "title":
            first[o.article_id] = o
    quotes = []
    for o in list(first.values())[:most]:
        article = view.article(o.article_id)
        if article and o.field == "text":
            start = max(o.sentence_start, o.start - _LONGEST_QUOTE)
            end = min(o.sentence_start + len(o.sentence), o.start + _LONGEST_QUOTE)
            quotes.append(Quote(article, start, end, (o.start, o.end)))
        elif article:
            quotes.append(opening(article))
    return distinct(quotes)
