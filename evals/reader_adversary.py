"""Turns an answerable question into one that its passage does not answer, by one small change to either.

The changes are those squad2's authors were seen to make (Rajpurkar et al. 2018, "Know What You Don't Know",
table 2): a name or number exchanged, a word turned into its opposite or into another of its sort, a negation. What
is changed may by chance still have its answer, most of all with another name or word of the passage.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from evals.reader_words import Words

# what WordNet does not have as opposites
_PAIRS = """
before/after more/fewer most/few all/some all/few every/no only/partly both/neither easily/barely main/least
modern/ancient with/without upper/lower gain/lose gained/lost join/leave joined/left create/destroy
created/destroyed build/demolish built/demolished found/abolish founded/dissolved allow/forbid allowed/forbidden
support/oppose supported/opposed recommend/discourage recommended/discouraged add/remove added/removed arrive/depart
arrived/departed born/buried cause/prevent caused/prevented help/hinder helped/hindered improve/worsen
improved/worsened benefit/harm benefits/harms friend/enemy friends/enemies always/never usually/rarely
similar/different required/forbidden winter/summer
"""
_OPPOSITES: dict[str, str] = {}
for _pair in _PAIRS.split():
    _one, _other = _pair.split("/")
    _OPPOSITES.setdefault(_one, _other)
    _OPPOSITES.setdefault(_other, _one)
_AUXILIARY = re.compile(
    r"\b(did|does|do|was|were|is|are|has|have|had|can|could|would|should|will)\b(?!n't| not)"
)
_CONTRACTED = {"can": "can't", "will": "won't"}
_LEFT_ALONE = frozenset("been being be in of or by as at an no what who how name type kind may might".split())
# how much rather a word is exchanged that the passage has
_IN_PASSAGE = 4
# how often what can be exchanged in the passage is exchanged there, and the question left as people asked it
_OF_PASSAGE = 0.3
_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Change:
    """One change: `new` instead of the question's [start, end).

    Attributes:
        start: first code point in the question.
        end: one past the last.
        new: what stands there now.
        of_passage: whether `new` is from the passage, where nothing else then may be changed.
    """

    start: int
    end: int
    new: str
    of_passage: bool = False

    def applied(self, asked: str) -> str:
        """The question with this change."""
        return asked[: self.start] + self.new + asked[self.end :]


class Adversary:
    """Draws changes that take a question's answer away, and ones that leave it."""

    def __init__(self, words: Words, chance: random.Random) -> None:
        """`words` tells opposites and words of a sort; `chance` draws the kind of change and its place."""
        self._words = words
        self._chance = chance

    def altered(
        self, asked: str, passage: str, answers: Sequence[str], others: Sequence[str]
    ) -> tuple[str, str] | None:
        """Question and passage with one change in one of them, or None where no change fits.

        Args:
            asked: a question that `passage` answers.
            passage: the text it is asked of.
            answers: accepted answers; none of them is put into the question or taken from the passage.
            others: names and numbers to exchange one of the question's with; those that the passage has are not
                used.
        """
        told = {word for answer in answers for word in _WORD.findall(answer)}
        said = _WORD.findall(passage)
        there = set(said) | {w.casefold() for w in said}
        absent = [n for n in others if n not in passage]
        present = _apart(names(passage), told)
        elsewhere = _apart(sorted(there), told | set(_WORD.findall(asked)))
        kinds: list[tuple[int, Callable[[], Change | None]]] = [
            (8, lambda: self._renamed(asked, absent)),
            (24, lambda: self._renamed(asked, present, of_passage=True)),
            (20, lambda: self._exchanged(asked, there, self._opposites)),
            (6, lambda: self._exchanged(asked, there, self._words.sisters)),
            (34, lambda: self._misplaced(asked, elsewhere)),
            (8, lambda: self._negated(asked)),
        ]
        first = self._chance.choices(kinds, weights=[share for share, _ in kinds])[0]
        # a negation is tried only where it was drawn: it fits nearly everywhere, and would be most of what is seen
        for _, draw in [first, *(k for k in kinds[:-1] if k is not first)]:
            if (change := draw()) is not None:
                return self._placed(change, asked, passage, told)
        return None

    def reworded(self, asked: str) -> str:
        """The question with a word of the same meaning in it, or as it was where there is none."""
        change = self._exchanged(asked, set(), self._words.synonyms)
        return change.applied(asked) if change else asked

    def _placed(self, change: Change, asked: str, passage: str, told: set[str]) -> tuple[str, str]:
        """The change made in the question, or sometimes in the passage, wherever it has what is exchanged."""
        old = asked[change.start : change.end]
        if old and not change.of_passage and not told & set(old.split()):
            whole = re.compile(rf"\b{re.escape(old)}\b")
            if whole.search(passage) and self._chance.random() < _OF_PASSAGE:
                return asked, whole.sub(lambda _: change.new, passage)
        return change.applied(asked), passage

    def _renamed(self, asked: str, others: Sequence[str], *, of_passage: bool = False) -> Change | None:
        mine = list(_NAME.finditer(asked))
        if not mine:
            return None
        old = self._chance.choice(mine)
        alike = [n for n in others if _sort(n) == _sort(old.group()) and n not in asked]
        return Change(*old.span(), self._chance.choice(alike), of_passage) if alike else None

    def _opposites(self, word: str) -> list[str]:
        return [_OPPOSITES[word]] if word in _OPPOSITES else self._words.opposites(word)

    def _exchanged(self, asked: str, there: set[str], related: Callable[[str], list[str]]) -> Change | None:
        """One word for a related one that the passage does not have; rather a word that the passage has."""
        found = []
        for place in re.finditer(r"\b[a-z]+\b", asked):
            word = place.group()
            if word in _LEFT_ALONE or _AUXILIARY.fullmatch(word):
                continue
            if choices := [w for w in related(word) if w not in there]:
                found.append((place, choices, _IN_PASSAGE if word in there else 1))
        if not found:
            return None
        place, choices, _ = self._chance.choices(found, weights=[weight for *_, weight in found])[0]
        return Change(*place.span(), self._chance.choice(choices))

    def _misplaced(self, asked: str, there: Sequence[str]) -> Change | None:
        """One word for another of the passage that has its inflection."""
        places = [
            (m, kinds) for m in re.finditer(r"\b[a-z]{4,}\b", asked)
            if m.group() not in _LEFT_ALONE
            and not _AUXILIARY.fullmatch(m.group())
            and (kinds := self._words.kinds(m.group()))
        ]  # fmt: skip
        if not places:
            return None
        place, kinds = self._chance.choice(places)
        alike = [w for w in there if len(w) > 3 and w.islower() and self._words.kinds(w) == kinds]
        return Change(*place.span(), self._chance.choice(alike), of_passage=True) if alike else None

    def _negated(self, asked: str) -> Change | None:
        """The first auxiliary verb denied."""
        verb = _AUXILIARY.search(asked)
        if verb is None:
            return None
        word = verb.group()
        denied = _CONTRACTED.get(word, f"{word}n't") if self._chance.random() < 0.6 else f"{word} not"
        return Change(*verb.span(), denied, of_passage=True)


_NAME = re.compile(r"(?<=\s)(?:[A-Z]\w+(?:\s[A-Z]\w+)*|\d[\d,.]*\d|\d+)\b")


def names(text: str) -> list[str]:
    """Capitalised word groups past the first word, and numbers."""
    return _NAME.findall(text)


def _apart(found: Iterable[str], told: set[str]) -> list[str]:
    """Those that share no word with `told`."""
    return [n for n in found if not told & set(n.split())]


def _sort(name: str) -> str:
    """Names are alike names; years are alike years, other numbers other numbers."""
    if not name[0].isdigit():
        return "name"
    return "year" if re.fullmatch(r"1\d{3}|20\d\d", name) else "number"
