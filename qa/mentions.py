"""What a question says about the articles it means: their sources, their dates, and how many there are."""

from __future__ import annotations

import calendar
import itertools
import re
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from functools import lru_cache
from typing import Literal, NamedTuple

How = Literal["on", "in", "after", "before", "between"]


class Period(NamedTuple):
    """A time a question names; both ends inclusive, ``None`` where it is open."""

    start: date | None
    end: date | None
    how: How
    hard: bool
    """Whether it speaks of publication ("published in May 2023") rather than, perhaps, of the content."""
    any_year: bool
    """Whether the question left the year open ("on October 28"): the ends stand in the latest such year."""
    span: tuple[int, int]


class Part(NamedTuple):
    """A stretch of a question that one article may answer, and what it says about that article."""

    text: str
    sources: tuple[str, ...]
    periods: tuple[Period, ...]


class Mentions(NamedTuple):
    """What a question says about the articles it means."""

    sources: tuple[str, ...]
    periods: tuple[Period, ...]
    parts: tuple[Part, ...]
    """Two or more where the question asks about several articles; else none."""


class _Named(NamedTuple):
    sources: tuple[str, ...]
    span: tuple[int, int]


def find(question: str, sources: Sequence[str], today: date) -> Mentions:
    """Find the sources, the dates and the parts of a question.

    Args:
        question: The question as it was asked.
        sources: The names of the archive's sources.
        today: What "yesterday" and "last month" count from.
    """
    named = _named_sources(question, tuple(sources))
    periods = tuple(_periods(question, [n.span for n in named], today))
    return Mentions(
        tuple(dict.fromkeys(name for n in named for name in n.sources)),
        periods,
        tuple(_parts(question, named, periods)),
    )


# -- sources ----------------------------------------------------------------------------------

_WORD = re.compile(r"\w+")
_SUBTITLE = re.compile(r"\s+[-–—|]\s+|:\s+")
_DOMAIN = re.compile(
    r"^(?:https?://)?(?:www\.)?([\w-]+)(?:\.(?:com?|org|net|edu|gov|io|news|info|[a-z]{2}))+/?$", re.I
)
_LONGEST_NAME = 8
_REPORT = (
    r"(?:articles?|reports?|stor(?:y|ies)|pieces?|posts?|coverage|reviews?|columns?|editorials?|interviews?|"
    r"headlines?|issues?|editions?|news|reporting|write-?ups?|features?)"
)
_SAYS = (
    r"(?:(?:has|have|had|also|first|later|recently|did|does|once)\s+){0,2}"
    r"(?:report|say|said|writ|wrote|publish|claim|suggest|mention|describ|argu|not(?:ed?|ing|es)\b|highlight|cover|discuss|"
    r"indicat|impl(?:y|ied)|announc|quot|cit(?:ed?|es|ing)\b|stat(?:ed?|es|ing)\b|reveal|detail|portray|credit|accus|warn|explain|predict)"
)
_CUE_BEFORE = re.compile(
    rf"(?:\baccording to|\b(?:\w+ed|seen|written|read|shown|put|said)\s+(?:\w+\s+)?(?:by|in|on|at|from)|"
    rf"\b{_REPORT}\s+(?:\w+\s+)?(?:by|from|in|at|of|on)|\bsources? (?:such as|including|like))(?:\s+both)?\s+(?:the\s+)?[\"'“‘«]?$",
    re.I,
)
_CUE_AFTER = re.compile(rf"^[\"'”’»]?(?:['’]s?)?\s+(?:{_SAYS}|(?:\w+\s+)?{_REPORT}\b)", re.I)
_LISTED = re.compile(
    r"[\"'”’»]?\s*(?:,|,?\s*\b(?:and|or|&)\b|,)\s*(?:from\s+|by\s+|in\s+)?[\"'“‘«]?\s*(?:the\s+)?", re.I
)
_SENTENCE_START = re.compile(r"(?:^|[.?!\n]\s*)[\"'“‘«]?$")


def _key(words: Sequence[str]) -> str:
    return "".join(words).casefold()


def _names(source: str) -> Iterator[tuple[str, bool]]:
    """Yield the keys a source is known by, and whether only capitals will do."""
    domain = _DOMAIN.match(source.strip())
    full = domain[1] if domain else source
    for name in dict.fromkeys((full, source, _SUBTITLE.split(full)[0])):
        words = _WORD.findall(name)
        if not words:
            continue
        yield _key(words), False
        if words[0].casefold() == "the" and len(words) > 1:
            words = words[1:]
            yield _key(words), False
        if words[-1].casefold() == "news" and len(words) == 2 and words[0].isupper():
            yield _key(words[:1]), True
        initials = "".join(word[0] for word in words)
        if len(words) > 2 and initials.isupper():
            yield initials.casefold(), True


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
    index = _index(sources)
    words = list(_WORD.finditer(question))
    candidates: list[tuple[_Named, bool]] = []
    at = 0
    while at < len(words):
        for size in range(min(_LONGEST_NAME, len(words) - at), 0, -1):
            run = words[at : at + size]
            entry = index.get(_key([w[0] for w in run]))
            if entry is None or any(
                not re.fullmatch(r"[^\w?!;,\n]{1,3}", question[a.end() : b.start()])
                for a, b in itertools.pairwise(run)
            ):
                continue
            texts = [w[0] for w in run]
            if entry[1] and not all(t.isupper() for t in texts):
                continue
            start, end = run[0].start(), run[-1].end()
            if end < len(question) and (domain := re.match(r"\.(?:com|org|net|co\.uk)\b", question[end:])):
                end += domain.end()
            candidates.append((_Named(entry[0], (start, end)), _stands_out(question, start, end, texts)))
            at += size - 1
            break
        at += 1
    accepted = {i for i, (_, clear) in enumerate(candidates) if clear}
    for i in [*range(1, len(candidates)), *range(len(candidates) - 2, -1, -1)]:
        for j in (
            i - 1,
            i + 1,
        ):  # "TechCrunch, Fortune and Wired": one known outlet vouches for its neighbours
            if i not in accepted and j in accepted and 0 <= j < len(candidates):
                first, second = sorted((candidates[i][0].span, candidates[j][0].span))
                name = question[slice(*candidates[i][0].span)]
                if name[:1].isupper() and _LISTED.fullmatch(question[first[1] : second[0]]):
                    accepted.add(i)
    return [candidates[i][0] for i in sorted(accepted)]


def _stands_out(question: str, start: int, end: int, words: Sequence[str]) -> bool:
    """Whether a name that is found is meant as a source: many are ordinary words ("Fortune", "The Age")."""
    before, after = question[max(0, start - 60) : start], question[end : end + 60]
    if before[-1:] == "-" or after[:1] == "-":
        return False
    cue = bool(_CUE_BEFORE.search(before) or _CUE_AFTER.match(after))
    if cue or (re.search(r"[\"'“‘«]$", before) and re.match(r"[\"'”’»]", after)):
        return True
    own = words[1:] if words[0].casefold() == "the" else words
    if not all(w[0].isupper() or w[0].isdigit() or w in {"and", "of", "for", "in", "the"} for w in words):
        return False
    if re.match(r"\s+of\b", after):  # "The Age of Empires"
        return False
    opens = bool(_SENTENCE_START.search(before))
    if len(own) > 1 or any(re.search(r"[a-z][A-Z]|\d|^[A-Z]{2}", w) for w in own):
        return True
    return len(words) > 1 and not opens  # "The Age" within a sentence


# -- dates ------------------------------------------------------------------------------------

_MONTHS = {
    name.casefold(): n for n in range(1, 13) for name in (calendar.month_name[n], calendar.month_abbr[n])
} | {"sept": 9}
_NUMBERS = {"a": 1, "an": 1, "couple": 2, "few": 3, "several": 4} | {
    word: n
    for n, word in enumerate("one two three four five six seven eight nine ten eleven twelve".split(), 1)
}
_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
_DAY = r"[0-3]?\d(?:st|nd|rd|th)?"
_YEAR = r"(?:19|20)\d\d"
_COUNT = rf"(?P<count>\d{{1,3}}|{'|'.join(_NUMBERS)})(?:\s+of)?\s+(?P<unit>day|week|month|year)s?"
_FORMS = [
    re.compile(rf"(?<![\w./-]){form}(?![\w/]|-\d|\.\d)", re.I)
    for form in (
        rf"(?P<y>{_YEAR})-(?P<m>[01]\d)-(?P<d>[0-3]\d)(?:T[\d:.]+(?:Z|[+-][\d:]+)?)?",
        rf"(?P<y>{_YEAR})-(?P<m>[01]\d)",
        rf"(?P<d>{_DAY})\s+(?:of\s+)?(?P<m>{_MONTH})\.?(?:,?\s+(?P<y>{_YEAR}))?",
        rf"(?P<m>{_MONTH})\.?\s+(?:the\s+)?(?P<d>{_DAY})(?:,?\s+(?P<y>{_YEAR}))?",
        rf"(?P<m>{_MONTH})\.?(?:,|\s+of)?\s+(?P<y>{_YEAR})",
        rf"(?P<m>{_MONTH})",
        rf"(?P<y>{_YEAR})",
        r"(?P<word>yesterday|today)",
        r"(?P<which>this|last|past|previous)\s+(?P<unit>week|month|year)(?!['’])",
        rf"(?:an?\s+)?{_COUNT}\s+ago(?P<ago>)",
        rf"the\s+(?:last|past|previous)\s+{_COUNT}(?P<past>)",
    )
] + [
    re.compile(rf"(?P<y>{_YEAR})\s*年(?:\s*(?P<m>1[0-2]|0?[1-9])\s*月(?:\s*(?P<d>[0-3]?\d)\s*[日号])?)?"),
    re.compile(r"(?P<word>昨天|今天)"),
    re.compile(r"(?P<which>上个?|去|今|这个?|本)(?P<unit>周|月|年)"),
]
_MAYBE_DATE = re.compile(
    rf"\d|\b(?:{_MONTH}|yesterday|today|this|last|past|previous|ago)\b|[昨今去上这本][天周个月年]", re.I
)
_HAN = {"天": "day", "周": "week", "月": "month", "年": "year"}
_PREPOSITIONS: dict[str, How] = {
    "on": "on", "of": "on", "dated": "on", "from": "on", "at": "on", "in": "in", "during": "in", "throughout": "in",
    "within": "in", "for": "in", "since": "after", "after": "after", "following": "after", "before": "before", "until": "before",
    "till": "before", "by": "before", "prior to": "before", "up to": "before", "between": "between",
}  # fmt: skip
_PREPOSITION = re.compile(
    rf"\b({'|'.join(sorted(_PREPOSITIONS, key=len, reverse=True))})\s+(?:the\s+)?(?:(?:early|mid|late|end\s+of|start\s+of)[-\s]+)?$",
    re.I,
)
_PUBLISHED = re.compile(
    r"\b(?:publish|post|report|dat|writ|print|appear|issu|releas|mention|cover|announc)\w*(?:\s+(?:only|back|first|at|it|this))?\s*$"
    rf"|\b(?:{_REPORT}|one)(?:\s+(?:from|in|by|at|of)\s+\x00+)?\s*$|\x00[\"'”’»]*\s*$",
    re.I,
)
_THROUGH = re.compile(r"\s*(?:and|to|until|till|through|[-–—])\s*", re.I)
_EXCEPT = re.compile(r"\b(?:other than|except|not)\s+(?:on\s+|in\s+)?$", re.I)


def _periods(question: str, masked: Sequence[tuple[int, int]], today: date) -> Iterator[Period]:
    """Yield the times a question names, in the order of the text."""
    if not _MAYBE_DATE.search(question):
        return
    for start, end in masked:
        question = f"{question[:start]}{chr(0) * (end - start)}{question[end:]}"
    taken: list[tuple[re.Match[str], tuple[date, date]]] = []
    for form in _FORMS:
        for match in form.finditer(question):
            if any(match.start() < m.end() and m.start() < match.end() for m, _ in taken):
                continue
            if days := _days(match, question, today):
                taken.append((match, days))
    taken.sort(key=lambda entry: entry[0].start())
    skip = -1
    for i, (match, (start, end)) in enumerate(taken):
        if i == skip:
            continue
        before, after = question[: match.start()], question[match.end() :]
        if _EXCEPT.search(before):
            continue
        preposition = _PREPOSITION.search(before)
        how: How = _PREPOSITIONS[preposition[1].casefold()] if preposition else "in"
        first = match.start() if preposition is None else preposition.start()
        last = match.end()
        fields = match.groupdict()
        if i + 1 < len(taken) and preposition and preposition[1].casefold() in ("between", "from", "since"):
            following, (_, until) = taken[i + 1]
            if _THROUGH.fullmatch(question[last : following.start()]) and until > start:
                how, end, last, skip = "between", until, following.end(), i + 1
        if how == "between" and skip != i + 1:
            how = "in"
        if how in ("on", "in"):
            how = "on" if start == end else "in"
        hard = bool(_PUBLISHED.search(question[:first])) or bool(
            re.match(rf"[\"'”’»]?,?\s+(?:\x00+\s+)?{_REPORT}\b", after, re.I)
        )
        yield Period(
            None if how == "before" else start,
            None if how == "after" else end,
            how,
            hard,
            fields.get("m") is not None and fields.get("y") is None,
            (first, last),
        )


def _days(match: re.Match[str], question: str, today: date) -> tuple[date, date] | None:
    """Return the first and the last day a match stands for, if it is a date at all."""
    found = match.groupdict()
    year, month, day = found.get("y"), found.get("m"), found.get("d")
    if "past" in found or "ago" in found or found.get("which") or found.get("word"):
        return _relative(found, today)
    if day is None and not re.search(r"年|-", match[0]) and (month is None or year is None):
        # a year or a month alone ("2022 World Cup", "may", "march") is a time only after a preposition
        bare = _PREPOSITION.search(question[: match.start()])
        if bare is None or (month and not match[0][0].isupper()):
            return None
        if re.match(r"\s+(?:[A-Z]|season|budget)", question[match.end() :]):
            return None
    number = int(re.sub(r"\D", "", day)) if day else None
    which = (int(month) if month.isdigit() else _MONTHS[month.casefold()]) if month else None
    try:
        if year is None:
            assert which is not None
            start = date(today.year, which, number or 1)
            if start > today:
                start = date(today.year - 1, which, number or 1)
        else:
            start = date(int(year), which or 1, number or 1)
    except ValueError:
        return None
    if number:
        return start, start
    last = which or 12
    return start, date(start.year, last, calendar.monthrange(start.year, last)[1])


def _relative(found: dict[str, str | None], today: date) -> tuple[date, date]:
    from dateutil.relativedelta import relativedelta

    if word := found.get("word"):
        day = today - timedelta(days=1) if word.casefold() in ("yesterday", "昨天") else today
        return day, day
    unit = (found["unit"] or "").casefold()
    unit = _HAN.get(unit, unit)
    if "count" in found:
        count = (found["count"] or "").casefold()
        step = relativedelta(**{f"{unit}s": _NUMBERS.get(count) or int(count)})  # type: ignore[arg-type]
        start = today - step
        if "past" in found:
            return start, today
        slack = {"day": 0, "week": 3, "month": 15, "year": 183}[unit]
        return start - timedelta(days=slack), start + timedelta(days=slack)
    which = (found["which"] or "").casefold()
    back = 0 if which in ("this", "今", "这", "这个", "本") else 1
    if unit == "week":
        start = today - timedelta(days=today.weekday() + 7 * back)
        return start, start + timedelta(days=6)
    if unit == "month":
        start = today.replace(day=1) - relativedelta(months=back)
        return start, start + relativedelta(months=1, days=-1)
    return date(today.year - back, 1, 1), date(today.year - back, 12, 31)


# -- parts ------------------------------------------------------------------------------------

_CUT = re.compile(
    r"\n+|[.?!;]\s+(?=\w)|,\s+(?:(?:and|or|but|while|whereas|as|then)\s+)*|\s+(?:while|whereas|compared\s+(?:to|with)|than)\s+"
    r"|\s+and\s+(?=(?:the|by|from|in|was|were|is|are|has|have|had|also|does|did|do|then|who|whose|which|that|again|subsequently|later)\b|['\"‘“\x00])",
    re.I,
)
_FEW_WORDS = 4
_CONTENT = re.compile(r"\w{3,}")


def _parts(question: str, named: Sequence[_Named], periods: Sequence[Period]) -> Iterator[Part]:
    masked = question
    for start, end in [n.span for n in named] + [p.span for p in periods]:
        masked = f"{masked[:start]}{chr(0) * (end - start)}{masked[end:]}"
    edges = [0, *(m.end() for m in _CUT.finditer(masked)), len(question)]
    spans: list[tuple[int, int]] = []
    for start, end in itertools.pairwise(edges):
        if (spans and len(_CONTENT.findall(masked[start:end])) < _FEW_WORDS) or (
            spans and len(_CONTENT.findall(masked[slice(*spans[-1])])) < _FEW_WORDS
        ):
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((start, end))
    if len(spans) < 2:
        return
    for start, end in spans:
        yield Part(
            question[start:end].strip(" ,;\n"),
            tuple(dict.fromkeys(s for n in named if start <= n.span[0] < end for s in n.sources)),
            tuple(p for p in periods if start <= p.span[0] < end),
        )
