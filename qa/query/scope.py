"""What a question says about the articles it means: their sources, their dates, and how many there are."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from datetime import date
from functools import lru_cache
from typing import NamedTuple

from qa.query import periods
from qa.query.periods import REPORT
from qa.types import Clause, Period, Scope

MOST_CLAUSES = 8


def find(question: str, sources: Sequence[str], today: date) -> Scope:
    """Find the sources, the times and the clauses of a question.

    A question that names neither a source nor a date of publication has no clauses: cut at them, it
    finds less ("Along with admission, exhaust and compression, what is an event in the engine cycle?").

    Args:
        question: The question as it was asked.
        sources: The names of the archive's sources.
        today: What "yesterday" and "last month" count from.
    """
    named = _named_sources(question, tuple(sources))
    times = tuple(periods.find(_masked(question, [entry.span for entry in named]), today))
    several = bool(named) or any(time.hard for time in times)
    return Scope(
        tuple(dict.fromkeys(name for entry in named for name in entry.sources)),
        times,
        _clauses_of(question, named, times) if several else (),
    )


class _Named(NamedTuple):
    """A source found in a question; several where they share the name."""

    sources: tuple[str, ...]
    span: tuple[int, int]


_WORD = re.compile(r"\w+")
_LONGEST_NAME = 8
_SUBTITLE = re.compile(r"\s+[-–—|]\s+|:\s+")
_DOMAIN = re.compile(
    r"(?:https?://)?(?:www\.)?([\w-]+)(?:\.(?:com?|org|net|edu|gov|io|news|info|[a-z]{2}))+/?", re.I
)
_DOMAIN_ENDS = re.compile(r"\.(?:com|org|net|co\.uk)\b", re.I)
_SAYS = (
    r"(?:(?:has|have|had|also|first|later|recently|did|does|once)\s+){0,2}"
    r"(?:report|say|said|writ|wrote|publish|claim|suggest|mention|describ|argu|highlight|cover|discuss|indicat|announc|reveal"
    r"|detail|portray|credit|accus|warn|explain|predict|impl(?:y|ied)|(?:not|quot|cit|stat)(?:e|es|ed|ing)\b)"
)
_CUE_BEFORE = re.compile(
    r"(?:\baccording to|\b(?:\w+ed|seen|written|read|shown|put|said)\s+(?:\w+\s+)?(?:by|in|on|at|from)"
    rf"|\b{REPORT}\s+(?:\w+\s+)?(?:by|from|in|at|of|on)|\bsources? (?:such as|including|like))"
    r"(?:\s+both)?\s+(?:the\s+)?[\"'“‘«]?$",
    re.I,
)
_CUE_AFTER = re.compile(rf"[\"'”’»]?(?:['’]s?)?\s+(?:{_SAYS}|(?:\w+\s+)?{REPORT}\b)", re.I)
_BETWEEN_NAMES = re.compile(
    r"[\"'”’»]?\s*(?:,|,?\s*\b(?:and|or)\b|&)\s*(?:(?:from|by|in)\s+)?(?:the\s+(?:second\s+|other\s+)?)?[\"'“‘«]?",
    re.I,
)
_SENTENCE_STARTS = re.compile(r"(?:^|[.?!\n]\s*)[\"'“‘«]?$")
_SMALL_WORDS = {"and", "of", "for", "in", "on", "the"}


def _key(words: Sequence[str]) -> str:
    """The form in which names are compared: "CBS Sports" is "CBSSports"."""
    return "".join(words).casefold()


def _names(source: str) -> Iterator[tuple[str, bool]]:
    """Yield the keys a source is known by, and whether it must stand in capitals ("NYT")."""
    domain = _DOMAIN.fullmatch(source.strip())
    for name in dict.fromkeys((source, domain[1] if domain else source, _SUBTITLE.split(source)[0])):
        words = _WORD.findall(name)
        if not words:
            continue
        yield _key(words), False
        if words[0].casefold() == "the" and len(words) > 1:
            words = words[1:]
            yield _key(words), False
        if len(words) == 2 and words[0].isupper() and words[1].casefold() == "news":
            yield _key(words[:1]), True
        initials = "".join(word[0] for word in words)
        if len(words) > 2 and initials.isupper():
            yield _key(initials), True


@lru_cache(maxsize=8)
def _index(sources: tuple[str, ...]) -> dict[str, tuple[tuple[str, ...], bool]]:
    """Return, by key, the sources that may be meant and whether only capitals will do."""
    index: dict[str, tuple[tuple[str, ...], bool]] = {}
    for source in sources:
        for key, capitals in _names(source):
            known, only = index.get(key, ((), True))
            index[key] = (known if source in known else (*known, source), only and capitals)
    return index


def _named_sources(question: str, sources: tuple[str, ...]) -> list[_Named]:
    """Return the sources a question names, in the order of the text; the longest name wins."""
    found = list(_candidates(question, _index(sources)))
    meant = {i for i, entry in enumerate(found) if _stands_out(question, entry.span)}
    for i, j in [*itertools.pairwise(range(len(found))), *itertools.pairwise(reversed(range(len(found))))]:
        # "TechCrunch, Fortune and Wired": one that is known vouches for its neighbours
        first, second = sorted((found[i].span, found[j].span))
        if i in meant and _BETWEEN_NAMES.fullmatch(question[first[1] : second[0]]):
            meant.add(j)
    return [found[i] for i in sorted(meant)]


def _candidates(question: str, index: dict[str, tuple[tuple[str, ...], bool]]) -> Iterator[_Named]:
    words = list(_WORD.finditer(question))
    joined = [
        bool(re.fullmatch(r"[^\w?!;,\n]{1,3}", question[a.end() : b.start()]))
        for a, b in itertools.pairwise(words)
    ]
    at = 0
    while at < len(words):
        last = at + 1
        while last < min(at + _LONGEST_NAME, len(words)) and joined[last - 1]:
            last += 1
        for end in range(last, at, -1):
            run = words[at:end]
            names, capitals = index.get(_key([word[0] for word in run]), ((), False))
            if names and (not capitals or all(word[0].isupper() for word in run)):
                stop = run[-1].end()
                domain = _DOMAIN_ENDS.match(question, stop)
                yield _Named(names, (run[0].start(), domain.end() if domain else stop))
                at = end - 1
                break
        at += 1


def _stands_out(question: str, span: tuple[int, int]) -> bool:
    """Whether a name is meant as a source: many are ordinary words too ("Fortune", "The Age", "Time")."""
    before, after = question[max(0, span[0] - 60) : span[0]], question[span[1] : span[1] + 60]
    if before[-1:] == "-" or after[:1] == "-":
        return False
    if _CUE_BEFORE.search(before) or _CUE_AFTER.match(after):
        return True
    if re.search(r"[\"'“‘«]$", before) and re.match(r"[\"'”’»]", after):
        return True
    words = _WORD.findall(question[slice(*span)])
    if not all(word[0].isupper() or word[0].isdigit() or word in _SMALL_WORDS for word in words):
        return False
    if re.match(r"\s+of\b", after):  # "The Age of Empires"
        return False
    own = words[1:] if words[0].casefold() == "the" else words
    if len(own) > 1 or any(re.search(r"[a-z][A-Z]|\d|^[A-Z]{2}", word) for word in own):
        return True
    return len(words) > 1 and not _SENTENCE_STARTS.search(before)


_CUT = re.compile(
    r"\n+|[.?!;]\s+(?=\w)|,\s+(?:(?:and|or|but|while|whereas|as|then)\s+)*"
    r"|\s+(?:while|whereas|than|compared\s+(?:to|with))\s+"
    r"|\s+and\s+(?=(?:the|by|from|in|was|were|is|are|has|have|had|also|does|did|do|then|who|whose|which|that|again"
    r"|subsequently|later)\b|['\"‘“\x00])",
    re.I,
)
_WORDY = re.compile(r"\w{3,}")
_FEW_WORDS = 4
_REPORT_OF_A_SOURCE = re.compile(
    rf"\x00[\"'”’]?\s+{REPORT}\s+\w+\s+\w|\b{REPORT}\s+(?:by|from|in)\s+[\"'“‘]?\x00+[\"'”’]?\s+\w+\s+\w",
    re.I,
)


def _clauses_of(question: str, named: Sequence[_Named], times: Sequence[Period]) -> tuple[Clause, ...]:
    """Cut a question at its clauses. A clause without a source of its own speaks of the one before it."""
    spans = _clauses(_masked(question, [entry.span for entry in named] + [time.span for time in times]))
    if len(spans) < 2:
        return ()
    found: list[Clause] = []
    sources: tuple[str, ...] = ()
    when: tuple[Period, ...] = ()
    for start, end in spans:
        own = [entry.sources for entry in named if start <= entry.span[0] < end]
        own_times = tuple(time for time in times if start <= time.span[0] < end)
        if own:
            sources, when = (own[0] if len(own) == 1 else ()), own_times
        mine = tuple(dict.fromkeys(name for names in own for name in names)) or sources
        found.append(Clause(question[start:end].strip(" ,;\n"), mine, own_times or when))
    return tuple(found)


def _clauses(masked: str) -> list[tuple[int, int]]:
    """Return the spans of clauses; one of few words goes with its neighbour."""
    edges = [0, *(match.end() for match in _CUT.finditer(masked)), len(masked)]
    spans: list[tuple[int, int]] = []
    for start, end in itertools.pairwise(edges):
        if spans and (
            len(spans) == MOST_CLAUSES or _scant(masked[start:end]) or _scant(masked[slice(*spans[-1])])
        ):
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((start, end))
    return spans


def _scant(text: str) -> bool:
    return len(_WORDY.findall(text)) < _FEW_WORDS and not _REPORT_OF_A_SOURCE.search(text)


def _masked(question: str, spans: Sequence[tuple[int, int]]) -> str:
    """Overwrite stretches of a question by NUL characters, keeping all offsets."""
    for start, end in spans:
        question = f"{question[:start]}{chr(0) * (end - start)}{question[end:]}"
    return question
