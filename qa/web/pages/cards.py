"""The sources beside an answer: numbered cards, the closest match, the passages not used."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import NamedTuple
from urllib.parse import urlsplit

from qa.types import Answer, Article, Citation, Copy, Hit
from qa.web.pages.html import Piece
from qa.web.pages.links import Asked, Place, article_url, original_url
from qa.words import PageWords

SHOWN = 700
"""Characters of a quote that are shown."""
_GLIMPSE = 230
"""Characters shown of a passage that is not used."""
_COPIES = 50
"""Other articles of the same story that are listed."""


class ListedCopy(NamedTuple):
    """Another article of the same story, as it is listed."""

    url: str
    title: str
    source: str | None
    published: date | None


class Card(NamedTuple):
    """A citation as a card shows it."""

    citation: Citation
    article: Article | None
    """``None`` where it has been removed in the meantime."""
    title: str
    url: str
    lang: str | None
    pieces: list[Piece]
    field: str
    """What the article's record says, where the answer is a field of it."""
    original: str | None
    """The address of the quote on the page the article came from."""
    host: str | None
    also: str
    """How many other articles tell the same story, and when the first of them did."""
    copies: list[ListedCopy]


class Unused(NamedTuple):
    """A passage found that nothing is cited from."""

    url: str
    title: str
    lang: str | None
    published: date | None
    words: str


class Sources(NamedTuple):
    """What stands beside an answer."""

    cards: list[Card]
    closest: Card | None
    unused: list[Unused]


def sources_of(answer: Answer, asked: Asked, articles: Mapping[str, Article], words: PageWords) -> Sources:
    """Return the cards in the order cited, or the closest match, and the passages that are not used."""

    def card(citation: Citation) -> Card:
        return _card(citation, articles.get(citation.article_id), asked, words)

    unused = [
        _unused(hit, articles[hit.article_id], asked, words)
        for hit in answer.hits
        if hit.article_id in articles and not any(_overlap(hit, citation) for citation in answer.cited)
    ]
    closest = card(answer.closest) if answer.closest else None
    return Sources([] if closest else [card(c) for c in answer.citations], closest, unused)


def quote_pieces(citation: Citation) -> list[Piece]:
    """Return the quote with its short answer marked; a very long quote is cut around it."""
    quote, start, end = citation.quote, citation.answer_start, citation.answer_end
    low, high = 0, len(quote)
    span = (start - citation.start, end - citation.start) if start is not None and end is not None else (0, 0)
    if high > SHOWN:
        low = max(0, min(span[0] - SHOWN // 2, high - SHOWN))
        high = low + SHOWN
    a, b = (min(max(edge, low), high) for edge in span)
    return cut(quote, low, a, b, high)


def cut(text: str, low: int, start: int, end: int, high: int) -> list[Piece]:
    """Return ``text[low:high]`` with ``text[start:end]`` marked, and ``…`` where something is left out."""
    before = f"{'… ' if low else ''}{text[low:start]}"
    after = f"{text[end:high]}{' …' if high < len(text) else ''}"
    return [Piece(before), Piece(text[start:end], "answer" if start < end else ""), Piece(after)]


def title_of(title: str, words: PageWords) -> str:
    """Return an article's title, or the words that stand for a missing one."""
    return title.strip() or words.untitled


def _card(citation: Citation, article: Article | None, asked: Asked, words: PageWords) -> Card:
    lang = article.lang if article else None
    original = original_url(citation, lang)
    return Card(
        citation,
        article,
        title=title_of(citation.title, words),
        url=article_url(citation.article_id, Place.of(citation), asked),
        lang=lang,
        pieces=quote_pieces(citation),
        field=_field(citation, words),
        original=original,
        host=urlsplit(original).hostname if original else None,
        also=_also(citation, words),
        copies=[_copy(copy, asked, words) for copy in citation.also[:_COPIES]],
    )


def _also(citation: Citation, words: PageWords) -> str:
    said, first = words.counted("also", len(citation.also)), citation.first_told
    if first and first.published:
        said += words.also_first.format(day=words.day(first.published))
    return said


def _copy(copy: Copy, asked: Asked, words: PageWords) -> ListedCopy:
    url = article_url(copy.article_id, asked=asked)
    return ListedCopy(url, title_of(copy.title, words), copy.source, copy.published)


def _field(citation: Citation, words: PageWords) -> str:
    values = {
        "published": words.day(citation.published) if citation.published else words.undated,
        "author": citation.author or words.unnamed,
        "source": citation.source or words.unnamed,
        "section": citation.section or words.unnamed,
    }
    return values.get(citation.field or "", "")


def _unused(hit: Hit, article: Article, asked: Asked, words: PageWords) -> Unused:
    url = article_url(article.id, Place.of_passage(hit.passage, article), asked)
    glimpse = " ".join(hit.text[:SHOWN].split())[:_GLIMPSE]
    return Unused(url, title_of(article.title, words), article.lang, article.published, glimpse)


def _overlap(hit: Hit, citation: Citation) -> bool:
    passage = hit.passage
    same = hit.article_id == citation.article_id
    return same and passage.start < citation.end and citation.start < passage.end
