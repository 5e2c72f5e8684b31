"""Text → sentences, with exact offsets. The splitting is sentencex's; joints of machine translation are ours."""

from __future__ import annotations

import re
from itertools import pairwise

import sentencex

from qa.text.characters import han_count

Span = tuple[int, int]

# "meeting.At the meeting", "as possible;Third, focus": the translation lost the space.
_JOINT = re.compile(r"(?<=[a-z0-9)’”\"][.;!?])(?=[A-Z“\"][A-Za-z])")
# A line break ends a sentence unless the next line goes on in lower case (hard-wrapped text).
_LINE = re.compile(r"\n+(?![a-z])")
_LIST_NUMBER = re.compile(r"[(（]?\d{1,2}[.)、）]\s*")


def language(text: str) -> str:
    """Return ``"zh"`` where Chinese characters prevail, else ``"en"``: what the splitter needs to know."""
    return "zh" if han_count(text[:2000]) * 4 > len(text[:2000]) else "en"


def split(text: str) -> list[Span]:
    """Split text into sentences.

    Returns:
        Half-open code point spans in order, without surrounding white space; never empty ones.
        Everything that is not white space lies in exactly one span.
    """
    spans: list[Span] = []
    lang = language(text)
    line_start = 0
    for line_end, next_start in [*(m.span() for m in _LINE.finditer(text)), (len(text), len(text))]:
        line = text[line_start:line_end]
        for sentence in sentencex.get_sentence_boundaries(lang, line):
            begin = line_start + sentence["start_index"]
            end = line_start + sentence["end_index"]
            cuts = [begin, *(m.end() for m in _JOINT.finditer(text, begin, end)), end]
            spans.extend(_trimmed(text, a, b) for a, b in pairwise(cuts))
        line_start = next_start
    return _with_list_numbers(text, [s for s in spans if s[0] < s[1]])


def _trimmed(text: str, start: int, end: int) -> Span:
    piece = text[start:end]
    return start + len(piece) - len(piece.lstrip()), end - len(piece) + len(piece.rstrip())


def _with_list_numbers(text: str, spans: list[Span]) -> list[Span]:
    """Join a lone list number ("2.") to the sentence that follows it."""
    joined: list[Span] = []
    number: int | None = None
    for start, end in spans:
        if number is None and _LIST_NUMBER.fullmatch(text[start:end]):
            number = start
            continue
        joined.append((start if number is None else number, end))
        number = None
    if number is not None:
        joined.append((number, spans[-1][1]))
    return joined
