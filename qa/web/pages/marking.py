"""An article's text as paragraphs, with the quote, its short answer and the answer's other mentions marked."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import pairwise

from qa.web.pages.html import escape
from qa.web.pages.links import Place

Span = tuple[int, int]
_BLANK_LINE = re.compile(r"\n[ \t\r]*\n\s*")
_NEWLINE = re.compile(r"\n\s*")
_MOST_MENTIONS = 500


def mentions_in(text: str, place: Place) -> list[Span]:
    """Return where the short answer of a place stands in the article: its words, in any case, spaced anyhow."""
    if place.answer_start is None or place.answer_end is None:
        return []
    words = text[place.answer_start : place.answer_end].split()
    if len("".join(words)) < 2:
        return []
    joined = r"\s+".join(map(re.escape, words))
    before, after = (
        r"\b" if re.match(r"[^\W\u3400-\u9fff]", edge) else "" for edge in (words[0], words[-1][-1])
    )
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


def text_html(text: str, place: Place, mentions: Sequence[Span] = ()) -> str:
    """Render ``text`` as paragraphs, the quote in ``<mark class="quote">`` and the answer inside it.

    A quote may run over several paragraphs; the first piece carries ``id="quote"``. Mentions outside the
    quote are marked too; the one that ``place`` looks at carries ``id="mention"``. Offsets count code points.
    """
    quote = (place.start or 0, place.end or 0)
    answer = (place.answer_start or 0, place.answer_end or 0)
    looked_at = mentions[current_mention(mentions, place)] if mentions and place.mention else None
    out: list[str] = []
    anchor = ' id="quote"'
    at = 0
    for low, high in _paragraphs(text):
        while at < len(mentions) and mentions[at][1] <= low:
            at += 1
        near: list[Span] = []
        while at + len(near) < len(mentions) and mentions[at + len(near)][0] < high:
            near.append(mentions[at + len(near)])
        start, end = max(low, quote[0]), min(high, quote[1])
        if start >= end:
            out.append(f"<p>{_marked(text, low, high, answer, near, looked_at)}</p>")
            continue
        inside = _marked(text, start, end, answer, near, looked_at)
        out.append(
            f"<p>{_marked(text, low, start, answer, near, looked_at)}"
            f'<mark class="quote"{anchor}>{inside}</mark>'
            f"{_marked(text, end, high, answer, near, looked_at)}</p>"
        )
        anchor = ""
    return "\n".join(out)


def _marked(
    text: str, low: int, high: int, answer: Span, mentions: Sequence[Span], looked_at: Span | None
) -> str:
    """A stretch with the answer and the mentions that touch it in ``<mark>``."""
    marks = [answer, *(span for span in mentions if span[1] <= answer[0] or answer[1] <= span[0])]
    edges = sorted({low, high, *(min(max(edge, low), high) for span in marks for edge in span)})
    out = []
    for a, b in pairwise(edges):
        inside = next((span for span in marks if span[0] <= a and b <= span[1]), None)
        piece = escape(text[a:b])
        if inside is None:
            out.append(piece)
            continue
        kind = "answer" if inside == answer else "mention"
        anchor = ' id="mention"' if inside == looked_at and a == max(low, inside[0]) else ""
        out.append(f'<mark class="{kind}"{anchor}>{piece}</mark>')
    return "".join(out)


def _paragraphs(text: str) -> Iterator[Span]:
    """Spans of the paragraphs: between blank lines, or between lines where no line is blank."""
    gaps = list(_BLANK_LINE.finditer(text)) or list(_NEWLINE.finditer(text))
    edges = [0, *(edge for gap in gaps for edge in gap.span()), len(text)]
    for low, high in zip(edges[::2], edges[1::2], strict=True):
        if text[low:high].strip():
            yield low, high
