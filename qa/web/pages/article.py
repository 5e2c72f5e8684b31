"""The page of an article: its text with the quote, the short answer and its mentions marked; the ways on and back."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from qa.text.characters import HAN
from qa.types import Article
from qa.web.pages.cards import title_of
from qa.web.pages.html import Piece, render
from qa.web.pages.links import Asked, Place, article_url, web_url
from qa.words import PageWords

Span = tuple[int, int]
_BLANK_LINE = re.compile(r"\n[ \t\r]*\n\s*")
_NEWLINE = re.compile(r"\n\s*")
_SPACED_LETTER = re.compile(rf"[^\W{HAN}]")
"""A letter of a word that spaces set apart."""
_MOST_MENTIONS = 500


class Stretch(NamedTuple):
    """A part of a paragraph: inside the quote or outside it."""

    pieces: list[Piece]
    quoted: bool = False
    first: bool = False
    """Whether the quote begins here."""


class Steps(NamedTuple):
    """The links to the previous and the next mention of the short answer."""

    label: str
    at: int
    of: int
    before: str | None
    after: str | None


def article_page(article: Article, place: Place, asked: Asked, words: PageWords) -> str:
    """Render an article with ``place`` highlighted, unless the text has changed since it was cited."""
    changed = place.rev is not None and not article.text_sha256.startswith(place.rev)
    if changed:
        place = Place()
    mentions = mentions_in(article.text, place)
    return render(
        "article.html",
        article=article,
        title=title_of(article.title, words),
        place=place,
        asked=asked,
        changed=changed,
        original=web_url(article.url),
        steps=_steps(article, place, asked, mentions, words),
        paragraphs=paragraphs_of(article.text, place, mentions),
        words=words,
    )


def missing_page(heading: str, message: str, words: PageWords) -> str:
    """Render a page that says why there is no article to show."""
    return render("missing.html", heading=heading, message=message, words=words)


def mentions_in(text: str, place: Place) -> list[Span]:
    """Return where the short answer of a place stands in the article: its words, in any case, spaced anyhow."""
    if place.answer_start is None or place.answer_end is None:
        return []
    words = text[place.answer_start : place.answer_end].split()
    if len("".join(words)) < 2:
        return []
    joined = r"\s+".join(map(re.escape, words))
    before, after = (r"\b" if _SPACED_LETTER.match(edge) else "" for edge in (words[0], words[-1][-1]))
    spans: list[Span] = []
    for match in re.finditer(f"{before}{joined}{after}", text, re.I):
        spans.append(match.span())
        if len(spans) == _MOST_MENTIONS:
            break
    return spans


def current_mention(mentions: Sequence[Span], place: Place) -> int:
    """Return which mention (from 0) a place looks at: the one it names, or the quote's own."""
    if place.mention:
        return min(place.mention, len(mentions)) - 1
    return min(bisect_left(mentions, (place.answer_start or 0, 0)), len(mentions) - 1)


def paragraphs_of(text: str, place: Place, mentions: Sequence[Span] = ()) -> list[list[Stretch]]:
    """Cut ``text`` into paragraphs, and each into what stands inside the quote and outside it.

    A quote may run over several paragraphs. The short answer is marked, and so are the mentions outside it; the
    one that ``place`` looks at has the id ``mention``. Offsets count code points.
    """
    quote = (place.start or 0, place.end or 0)
    marks = _Marks(text, place, mentions)
    shown: list[list[Stretch]] = []
    begun = False
    for low, high in _paragraphs(text):
        start, end = max(low, quote[0]), min(high, quote[1])
        if start >= end:
            shown.append([Stretch(marks.pieces(low, high))])
            continue
        quoted = Stretch(marks.pieces(start, end), quoted=True, first=not begun)
        shown.append([Stretch(marks.pieces(low, start)), quoted, Stretch(marks.pieces(end, high))])
        begun = True
    return shown


class _Marks:
    """What is marked in a text: the short answer, and the mentions that do not touch it."""

    def __init__(self, text: str, place: Place, mentions: Sequence[Span]) -> None:
        self._text = text
        self._answer = (place.answer_start or 0, place.answer_end or 0)
        looked_at = mentions[current_mention(mentions, place)] if mentions and place.mention else None
        self._looked_at = looked_at
        first, last = self._answer
        marks = [self._answer, *(span for span in mentions if span[1] <= first or last <= span[0])]
        self._spans = sorted(marks)

    def pieces(self, low: int, high: int) -> list[Piece]:
        """Cut ``text[low:high]`` where a mark begins or ends."""
        marks = self._near(low, high)
        edges = sorted({low, high, *(min(max(edge, low), high) for span in marks for edge in span)})
        return [self._piece(a, b, low, marks) for a, b in pairwise(edges)]

    def _near(self, low: int, high: int) -> list[Span]:
        at = max(0, bisect_left(self._spans, (low, low)) - 1)
        found = []
        while at < len(self._spans) and self._spans[at][0] < high:
            if self._spans[at][1] > low:
                found.append(self._spans[at])
            at += 1
        return found

    def _piece(self, a: int, b: int, low: int, marks: Sequence[Span]) -> Piece:
        inside = next((span for span in marks if span[0] <= a and b <= span[1]), None)
        if inside is None:
            return Piece(self._text[a:b])
        begins = inside == self._looked_at and a == max(low, inside[0])
        return Piece(
            self._text[a:b], "answer" if inside == self._answer else "mention", "mention" if begins else ""
        )


def _paragraphs(text: str) -> Iterator[Span]:
    """Spans of the paragraphs: between blank lines, or between lines where no line is blank."""
    gaps = list(_BLANK_LINE.finditer(text)) or list(_NEWLINE.finditer(text))
    edges = [0, *(edge for gap in gaps for edge in gap.span()), len(text)]
    for low, high in zip(edges[::2], edges[1::2], strict=True):
        if text[low:high].strip():
            yield low, high


def _steps(
    article: Article, place: Place, asked: Asked, mentions: list[Span], words: PageWords
) -> Steps | None:
    """Return the way through the mentions of the short answer, where it stands more than once."""
    if len(mentions) < 2:
        return None
    at = current_mention(mentions, place)
    start, end = mentions[at]

    def url(to: int) -> str | None:
        if not 0 <= to < len(mentions):
            return None
        return article_url(article.id, place.model_copy(update={"mention": to + 1}), asked)

    label = words.mentions.format(term=" ".join(article.text[start:end].split()))
    return Steps(label, at + 1, len(mentions), url(at - 1), url(at + 1))
