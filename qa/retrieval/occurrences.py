"""Every mention of a term: all passages that can hold it, from the keyword index, checked word by word in the text."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Literal, NamedTuple

from qa.errors import QuestionError
from qa.storage.view import View
from qa.text.sentences import Span, split
from qa.text.tokens import WORD, same_word, word_key
from qa.types import Article, Filters, Occurrence, Occurrences, Passage

Order = Literal["date", "source", "title"]
ORDERS: tuple[Order, ...] = ("date", "source", "title")
LONGEST_TERM = 200
_BATCH = 2000
_MARGIN = 40
"""Characters around a passage in which a term that runs over its edge is looked for, for each word of it."""


def find(terms: Sequence[str], filters: Filters, view: View, *, exact: bool = False) -> Occurrences:
    """Find every place where one of the terms stands, its words one after the other.

    Args:
        terms: The first names what is looked for, the others are other words for it.
        filters: Which articles to look at.
        view: The state to look in.
        exact: Whether the forms of a word count as different words ("bank" is not "banks").

    Raises:
        QuestionError: A term has no word that can be searched for, or is too long.
    """
    wanted = [_words(term, [match.span() for match in WORD.finditer(term)], exact) for term in terms]
    for term in terms:
        if not any(same_word(match[0]) for match in WORD.finditer(term)):
            raise QuestionError(f"There is no word to look for in {term!r}. Name a word, a name or a phrase.")
        if len(term) > LONGEST_TERM:
            raise QuestionError(f"A term may have {LONGEST_TERM} characters; this one has {len(term):,}.")
    holding = {number for term in terms for number in view.holding(term, filters).tolist()}
    if (allowed := view.allowed(filters)) is not None:
        holding.intersection_update(allowed.tolist())
    ids = sorted(holding)
    found: dict[tuple[str, str, int], Occurrence] = {}
    for at in range(0, len(ids), _BATCH):
        located = view.passages(ids[at : at + _BATCH], filters).values()
        for article_id, group in groupby(located, key=lambda entry: entry[1].id):
            entries = list(group)
            for article in view.same_text(article_id, filters) or [entries[0][1]]:
                for occurrence in _in_article([(passage, article) for passage, _ in entries], wanted, exact):
                    found.setdefault((occurrence.article_id, occurrence.field, occurrence.start), occurrence)
    return Occurrences(
        term=terms[0],
        filters=filters,
        articles=len({occurrence.article_id for occurrence in found.values()}),
        occurrences=tuple(found.values()),
        coverage=view.coverage(filters),
    )


def ordered(found: Occurrences, by: Order = "date", *, descending: bool = False) -> Occurrences:
    """Sort by date, source or title; within that by article and place. What has no date or source stays last."""
    places = sorted(
        found.occurrences, key=lambda o: (o.title.casefold(), o.article_id, o.field == "text", o.start)
    )
    keys: dict[Order, Callable[[Occurrence], str | None]] = {
        "date": lambda o: o.published.isoformat() if o.published else None,
        "source": lambda o: (o.source or "").casefold() or None,
        "title": lambda o: o.title.casefold() or None,
    }
    known = [o for o in places if keys[by](o) is not None]
    unknown = [o for o in places if keys[by](o) is None]
    known.sort(key=lambda o: keys[by](o) or "", reverse=descending)
    return found.model_copy(update={"occurrences": (*known, *unknown)})


def _in_article(
    located: Sequence[tuple[Passage, Article]], wanted: Sequence[Sequence[_Word]], exact: bool
) -> Iterator[Occurrence]:
    article = located[0][1]
    text = article.text
    for start, end in _matches(article.title, (0, len(article.title)), wanted, exact):
        yield _occurrence(article, (start, end), (0, len(article.title)), "title")
    margin = _MARGIN * max(map(len, wanted))
    sentences: list[Span] = []
    for passage, _ in located:
        window = max(0, passage.start - margin), min(len(text), passage.end + margin)
        for start, end in _matches(text, window, wanted, exact):
            if start < passage.end and passage.start < end:
                sentences = sentences or split(text)
                yield _occurrence(article, (start, end), _around((start, end), sentences), "text")


def _matches(text: str, window: Span, wanted: Sequence[Sequence[_Word]], exact: bool) -> Iterator[Span]:
    """Yield the spans where the words of a term follow one another; of two that overlap, the longer one."""
    low, high = window
    tokens = [match.span() for match in WORD.finditer(text, low, high)]
    if tokens and tokens[0][0] == low > 0:  # perhaps the rest of a word
        tokens = tokens[1:]
    if tokens and tokens[-1][1] == high < len(text):
        tokens = tokens[:-1]
    words = _words(text, tokens, exact)
    spans = [
        (tokens[at][0], tokens[at + len(term) - 1][1])
        for term in wanted
        for at, word in enumerate(words)
        if word.key == term[0].key and _follow(words[at + 1 : at + len(term)], term[1:])
    ]
    last = -1
    for start, end in sorted(spans, key=lambda span: (span[0], -span[1])):
        if start >= last:
            yield start, end
            last = end


class _Word(NamedTuple):
    """A word of a text, and whether it follows the one before without a space, as Chinese characters do."""

    key: str
    joined: bool


def _words(text: str, tokens: Sequence[Span], exact: bool) -> list[_Word]:
    befores = [None, *(end for _, end in tokens)]
    return [
        _Word(word_key(text[start:end], exact), start == before)
        for (start, end), before in zip(tokens, befores, strict=False)
    ]


def _follow(words: Sequence[_Word], wanted: Sequence[_Word]) -> bool:
    return len(words) == len(wanted) and all(
        word.key == other.key and word.joined >= other.joined
        for word, other in zip(words, wanted, strict=True)
    )


def _around(span: Span, sentences: Sequence[Span]) -> Span:
    """The sentences a span lies in, from the first to the last."""
    first = max(0, bisect_right(sentences, span[0], key=lambda sentence: sentence[0]) - 1)
    last = max(first, bisect_left(sentences, span[1], key=lambda sentence: sentence[0]) - 1)
    return min(span[0], sentences[first][0]), max(span[1], sentences[last][1])


def _occurrence(article: Article, span: Span, around: Span, field: Literal["text", "title"]) -> Occurrence:
    text = article.text if field == "text" else article.title
    return Occurrence(
        **article.origin(Occurrence),
        field=field,
        start=span[0],
        end=span[1],
        quote=text[slice(*span)],
        sentence=text[slice(*around)],
        sentence_start=around[0],
    )
