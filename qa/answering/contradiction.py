"""Which articles give another figure or another day for the same thing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from qa.answering.selector import Candidate
from qa.answering.short_answer import NUMBER_WORDS
from qa.query import periods
from qa.text.tokens import terms
from qa.types import AnswerKind

ALIKE = 0.5
"""Share of the words that two sentences must have in common, besides the figures, to speak of the same thing."""

_FIGURE = re.compile(rf"\d[\d,.]*\d|\d|\b(?:{'|'.join(NUMBER_WORDS)})\b", re.I)
_SCALE = re.compile(r"\s*(%|percent|dozen|hundred|thousand|million|billion)", re.I)


class Value(NamedTuple):
    """What a short answer states: a figure, or the first and the last day it may mean, as ordinals."""

    low: float
    high: float
    scale: str

    def excludes(self, other: Value) -> bool:
        """Whether both cannot be true of the same thing."""
        return self.scale == other.scale and (self.high < other.low or other.high < self.low)


def contradicting(kind: AnswerKind, best: Candidate, others: Sequence[Candidate]) -> list[Candidate]:
    """Return those of the other sentences, best first, that give another figure or day, one an article.

    Only answers to questions for a number or a date can be compared.
    """
    stated = _value(kind, best)
    found: dict[str, Candidate] = {}
    for other in others if stated else ():
        value = _value(kind, other)
        if other.article.id in (best.article.id, *found) or value is None or stated is None:
            continue
        if stated.excludes(value) and _alike(best, other):
            found[other.article.id] = other
    return list(found.values())


def _value(kind: AnswerKind, candidate: Candidate) -> Value | None:
    if candidate.answer is None:
        return None
    answer = slice(*candidate.answer)
    text, scale = candidate.article.text[answer], ""
    if kind is AnswerKind.DATE:
        found = next(periods.find(f"on {text}", candidate.article.published or date.today()), None)
        if found is None or found.start is None or found.end is None:
            return None
        return Value(found.start.toordinal(), found.end.toordinal(), "")
    if kind is not AnswerKind.NUMBER or not (figure := _FIGURE.search(text)):
        return None
    if match := _SCALE.match(candidate.article.text, answer.start + figure.end()):
        scale = match[1].casefold()
    word = figure[0].casefold()
    number = float(NUMBER_WORDS.get(word) or _plain(word))
    return Value(number, number, scale)


def _plain(figure: str) -> str:
    """A figure without the marks between its thousands; of other marks the first is the decimal point."""
    whole, *rest = re.split(r"[,.]", re.sub(r"[,.](?=\d{3}(?!\d))", "", figure))
    return ".".join([whole, "".join(rest)]) if rest else whole


def _alike(one: Candidate, other: Candidate) -> bool:
    first, second = (set(terms(_FIGURE.sub(" ", c.text))) for c in (one, other))
    return len(first & second) >= ALIKE * min(len(first), len(second)) > 0
