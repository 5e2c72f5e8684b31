"""Turns an answerable question into one that its passage does not answer, by one small change.

The changes are those squad2's authors were seen to make (Rajpurkar et al. 2018, "Know What You Don't Know",
table 2): a name or number exchanged, a word turned into its opposite, a negation. A changed question may by chance
still have an answer, most often where a name was exchanged with another of the passage.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from pathlib import Path

_OPPOSITES: dict[str, str] = {}
for _pair in Path(__file__).with_name("opposites.txt").read_text("utf-8").split():
    _one, _other = _pair.split("/")
    _OPPOSITES.setdefault(_one, _other)
    _OPPOSITES.setdefault(_other, _one)
_AUXILIARY = re.compile(
    r"\b(did|does|do|was|were|is|are|has|have|had|can|could|would|should|will)\b(?!n't| not)"
)
_CONTRACTED = {"can": "can't", "will": "won't"}
_SHARES = (40, 16, 32, 12)
"""How often in a hundred each change is tried first: a foreign name, a name of the passage, an opposite, a negation."""


def altered(
    asked: str, passage: str, answers: Sequence[str], others: Sequence[str], chance: random.Random
) -> str | None:
    """Return `asked` with one change, or None where no change fits.

    Args:
        asked: a question that `passage` answers.
        passage: the text it is asked of.
        answers: accepted answers; none of them is put into the question.
        others: names and numbers to exchange one of the question's with; those that the passage has are not used.
        chance: draws the kind of change and its place.
    """

    def absent() -> str | None:
        return _renamed(asked, [n for n in others if n not in passage], chance)

    def present() -> str | None:
        told = {part for answer in answers for part in answer.split()}
        return _renamed(asked, [n for n in names(passage) if not told & set(n.split())], chance)

    changes: list[Callable[[], str | None]] = [
        absent,
        present,
        lambda: _opposite(asked, passage, chance),
        lambda: _negated(asked, chance),
    ]
    first = chance.choices(range(len(changes)), weights=_SHARES)[0]
    # a negation is tried only where it was drawn: it fits nearly everywhere, and would be most of what is seen
    for change in [changes[first], *changes[:first], *changes[first + 1 : 3]]:
        if (question := change()) is not None:
            return question
    return None


def names(text: str) -> list[str]:
    """Return the capitalised word groups past the first word, and the numbers."""
    return [m.group() for m in re.finditer(r"(?<=\s)(?:[A-Z]\w+(?:\s[A-Z]\w+)*|\d[\d,.]*\d|\d+)\b", text)]


def _renamed(asked: str, others: Sequence[str], chance: random.Random) -> str | None:
    mine = names(asked)
    if not mine:
        return None
    old = chance.choice(mine)
    alike = [n for n in others if _kind(n) == _kind(old) and n not in asked]
    return asked.replace(old, chance.choice(alike), 1) if alike else None


def _kind(name: str) -> str:
    """Names are alike names; years are alike years, other numbers other numbers."""
    if not name[0].isdigit():
        return "name"
    return "year" if re.fullmatch(r"1\d{3}|20\d\d", name) else "number"


def _opposite(asked: str, passage: str, chance: random.Random) -> str | None:
    """Return `asked` with one word turned into its opposite, which the passage must not hold."""
    said = set(re.findall(r"\w+", passage.casefold()))
    places = [
        m for m in re.finditer(r"\b[a-z]+\b", asked)
        if m.group() in _OPPOSITES and _OPPOSITES[m.group()] not in said
    ]  # fmt: skip
    if not places:
        return None
    place = chance.choice(places)
    return asked[: place.start()] + _OPPOSITES[place.group()] + asked[place.end() :]


def _negated(asked: str, chance: random.Random) -> str | None:
    """Return `asked` with its first auxiliary verb denied."""
    verb = _AUXILIARY.search(asked)
    if verb is None:
        return None
    word = verb.group()
    denied = _CONTRACTED.get(word, f"{word}n't") if chance.random() < 0.6 else f"{word} not"
    return asked[: verb.start()] + denied + asked[verb.end() :]
