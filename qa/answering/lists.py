"""Enumerations: "four requirements: First, … Second, …" → all the items."""

from __future__ import annotations

import re
from collections.abc import Sequence

from qa.text.sentences import Span

_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
_HAN = "一二三四五六七八九十"
_WORDS = {
    word: n
    for words in (_ORDINALS, ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"])
    for n, word in enumerate(words, 1)
}
_ITEM = re.compile(
    rf"(?:[(（]?(\d{{1,2}})(?:[.)、）:]|\s)\s*|({'|'.join(_ORDINALS)})(?:ly)?\b[,:]?\s*|(one|two|three|four|five)(?: requirements?)?\b[,:]?\s+(?=(?-i:[A-Z]))"
    rf"|第?([{_HAN}])(?:是|、|，))",
    re.I,
)
_ANNOUNCES = re.compile(
    r"\b(?:two|three|four|five|six|seven|eight|nine|ten|several|following|\d)\s+(?:\w+\s+){0,2}?\w+s\b|[:：]\s*$|\bagreed that\b|emphasi[sz]ed\s*$|[两三四五六七八九十几]\s*[点项条个]",
    re.I,
)


def number(sentence: str) -> int | None:
    """Return the number a list item opens with: ``First``, ``2``, ``(3)``, ``四、``."""
    match = _ITEM.match(sentence)
    if match is None:
        return None
    digits, ordinal, word, han = match.groups()
    if digits:
        return int(digits)
    return _HAN.index(han) + 1 if han else _WORDS[(ordinal or word).lower()]


def announces(sentence: str) -> bool:
    """Whether a sentence says that a list follows, or opens one."""
    return bool(_ANNOUNCES.search(sentence))


def items(text: str, sentences: Sequence[Span], near: Span) -> list[Span]:
    """Return the items of the list that a sentence announces or belongs to, in order.

    Args:
        text: The article's text.
        sentences: Its sentences.
        near: The sentence that was found to answer.

    Returns:
        The opening sentence of each item, numbered 1, 2, 3 …; ``[]`` where there is no such list.
        An announcement may hold the first item itself ("four requirements: First, …").
    """
    at = next((i for i, span in enumerate(sentences) if span[0] <= near[0] < span[1]), None)
    if at is None:
        return []
    found: list[Span] = []
    start = at
    own = number(text[near[0] : near[1]])
    if own and own > 1:
        start = next((i for i in range(at, -1, -1) if _opens_first(text[slice(*sentences[i])])), at)
    for span in sentences[start:]:
        sentence = text[slice(*span)]
        expected = len(found) + 1
        if number(sentence) == expected or (expected == 1 and _opens_first(sentence)):
            found.append(span)
        elif expected == 1 and span[0] > near[1] + 400:
            break
    return found if len(found) > 1 else []


def _opens_first(sentence: str) -> bool:
    """Whether the first item of a list stands in a sentence, at its start or behind its announcement."""
    return number(sentence) == 1 or bool(re.search(r":\s*(?:first(?:ly)?|\(?1[.)]|one)\b", sentence, re.I))
