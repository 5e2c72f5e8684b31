"""Article → passages: runs of whole sentences within the model's window, each with a header.

A pure step: no database, no files. The header is embedded and searched with the passage, never quoted.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable

from qa.text.sentences import Span, split

VERSION = "sentences-1"
"""Recorded in each archive; changed whenever the same article would be cut otherwise."""

TARGET_TOKENS = 160
"""Passages close once they reach this many tokens; also the most a passage holds."""
OVERLAP_TOKENS = 45
"""Whole closing sentences of a passage, up to this many tokens, open the next one too."""
HEADER_TOKENS = 64
SPECIAL_TOKENS = 2

TokenSpans = Callable[[str], list[Span]]


def chunk(text: str, token_spans: TokenSpans, max_tokens: int) -> list[Span]:
    """Cut a text into overlapping passages of whole sentences.

    Args:
        text: The article's text.
        token_spans: Gives the span of each token of a text (the encoder's).
        max_tokens: The model's window, special tokens included.

    Returns:
        Spans in order. Every sentence lies wholly in one of them, unless it is longer than a
        passage: then it is cut between words. ``[]`` for a text without words.
    """
    budget = max(16, min(TARGET_TOKENS, max_tokens - HEADER_TOKENS - SPECIAL_TOKENS))
    starts = [start for start, _ in token_spans(text)]

    def tokens(span: Span) -> int:
        return bisect_left(starts, span[1]) - bisect_left(starts, span[0])

    pieces = [piece for s in split(text) for piece in _pieces(text, s, starts, budget) if tokens(piece)]
    passages: list[Span] = []
    first = 0
    while first < len(pieces):
        last, size = first, tokens(pieces[first])
        while last + 1 < len(pieces) and size + tokens(pieces[last + 1]) <= budget:
            last += 1
            size += tokens(pieces[last])
        passages.append((pieces[first][0], pieces[last][1]))
        if last + 1 == len(pieces):
            break
        next_first, overlap = last + 1, 0
        room = budget - tokens(pieces[last + 1])
        while next_first - 1 > first:
            overlap += tokens(pieces[next_first - 1])
            if overlap > min(OVERLAP_TOKENS, room):
                break
            next_first -= 1
        first = next_first
    return passages


def _pieces(text: str, sentence: Span, starts: list[int], budget: int) -> list[Span]:
    """Cut a sentence that no passage can hold, after white space where there is some."""
    begin, end = sentence
    pieces = []
    while (at := bisect_left(starts, begin)) + budget < bisect_left(starts, end):
        limit = starts[at + budget]
        cut = next((i for i in range(limit, begin, -1) if text[i - 1].isspace()), limit)
        if cut - begin < (limit - begin) // 2 or cut <= begin:
            cut = max(limit, begin + 1)
        pieces.append((begin, begin + len(text[begin:cut].rstrip())))
        begin = cut + len(text[cut:end]) - len(text[cut:end].lstrip())
    return [p for p in [*pieces, (begin, end)] if p[0] < p[1]]
