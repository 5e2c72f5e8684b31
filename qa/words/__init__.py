"""What the program says, in each language it speaks: one TOML file a language, read once.

``en.toml`` and ``zh-Hans.toml`` have the same sections and keys. ``[answer]`` is said in the language of the
question, the other sections in the language that the browser asks for. To add a language, translate a file
and name it in :data:`LANGUAGES`. Read :func:`words_for` and :func:`words_accepted` first.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from qa.text.characters import HANGUL, KANA, han_count
from qa.types import Coverage, Occurrences

LANGUAGES = {"en": "en", "zh": "zh-Hans"}
"""What begins a language tag, and the file that is read for it; the first is the default."""
_LETTER = re.compile(r"[^\W\d_]")
_KANA_OR_HANGUL = re.compile(f"[{KANA}{HANGUL}]")


class Section:
    """Sentences of one section in one language, by name; those in braces are filled in."""

    lang: str
    fields: Mapping[str, str]
    counts: Mapping[str, str]

    def __init__(self, lang: str, words: Mapping[str, Any]) -> None:
        vars(self).update(words, lang=lang)

    def __getattr__(self, name: str) -> str:
        """Refuse a name that the language's file does not have; those it has are plain attributes."""
        raise AttributeError(f"the words for {vars(self).get('lang')!r} have no {name!r}")

    def counted(self, name: str, n: int, **values: object) -> str:
        """Say how many: the sentence ``name``, or ``name_one`` for a single one."""
        return str(getattr(self, f"{name}_one" if n == 1 else name)).format(n=f"{n:,}", **values)


class AnswerWords(Section):
    """What answers say, in the language of the question."""

    def coverage(self, coverage: Coverage, *, filtered: bool = False) -> str:
        """Say how many articles there are and when they were published; nothing where there are none.

        Args:
            coverage: What there is.
            filtered: Whether that is only what the filters leave.
        """
        if not coverage.articles:
            return ""
        holds = self.holds_filtered if filtered else self.holds
        count = self.counted("articles", coverage.articles)
        if not (coverage.first and coverage.last):
            return holds.format(count=count, dates=self.without_dates)
        dates = self.dated.format(first=coverage.first, last=coverage.last)
        if coverage.undated:
            dates += self.undated.format(n=f"{coverage.undated:,}")
        return holds.format(count=count, dates=dates)

    def mentions(self, found: Occurrences) -> str:
        """Say how often a term is mentioned, and in how many articles."""
        return self.mentioned.format(
            term=found.term,
            times=self.counted("times", len(found)),
            articles=self.counted("articles", found.articles),
        )


class PageWords(Section):
    """What the page and the pages beside it say, in the language of the browser."""

    months: list[str]
    occurrences: Section
    adding: Section
    evidence: Section
    errors: Section

    @property
    def script(self) -> dict[str, str]:
        """What the page's script says itself."""
        names = ("reading", "stopped", "nothing", "copied", "link_copied")
        said = {name: str(getattr(self, name)) for name in names}
        return {**said, "lost": self.errors.lost, "busy": self.errors.busy}

    def day(self, value: date) -> str:
        """Write a date in full: ``11 September 2023``, ``2023年9月11日``."""
        return self.day_form.format(day=value.day, month=self.months[value.month - 1], year=value.year)

    def month(self, year: int, month: int) -> str:
        """Write a month: ``September 2023``, ``2023年9月``."""
        return self.month_form.format(month=self.months[month - 1], year=year)

    def period(self, after: date | None, before: date | None) -> str:
        """Write a period as short as it can be: a year, a month, a day, or its ends."""
        if after is None or before is None:
            edge = after or before
            form = self.since if after else self.until
            return form.format(day=self.day(edge)) if edge else self.all_dates
        next_day = before + timedelta(days=1) if before < date.max else before
        if after == before:
            return self.day(after)
        if after.day == 1 and next_day.day == 1:
            if (after.month, next_day.month, next_day.year) == (1, 1, after.year + 1):
                return self.year_form.format(year=after.year)
            first, last = self.month(after.year, after.month), self.month(before.year, before.month)
            return first if first == last else f"{first} – {last}"
        return f"{self.day(after)} – {self.day(before)}"

    def coverage(self, coverage: Coverage) -> str:
        """Say what an archive holds: ``5 articles, 26 May 2022 – 28 February 2024, 1 undated``."""
        parts = [self.counted("articles", coverage.articles)]
        if coverage.first and coverage.last:
            same = coverage.first == coverage.last
            first, last = self.day(coverage.first), self.day(coverage.last)
            parts.append(first if same else f"{first} – {last}")
        if coverage.undated:
            parts.append(self.n_undated.format(n=f"{coverage.undated:,}"))
        return self.joined(parts)

    def joined(self, parts: Iterable[str]) -> str:
        """Put commas between parts of a sentence."""
        return self.comma.join(parts)


def words_for(question: str) -> AnswerWords:
    """Return the words in the question's language: Chinese where Han characters lead, else English."""
    chinese = 2 * han_count(question) > len(_LETTER.findall(question))
    return answer_words("zh" if chinese and not _KANA_OR_HANGUL.search(question) else "en")


def words_accepted(accepted: str | None) -> PageWords:
    """Return the words for an ``Accept-Language`` header: the language it ranks highest, by default English."""
    ranked = []
    for order, entry in enumerate((accepted or "").split(",")[:20]):
        tag, _, weight = entry.strip().partition(";")
        quality = re.fullmatch(r"\s*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*", weight)
        ranked.append(
            (-float(quality[1]) if quality else -float(not weight), order, tag.split("-")[0].casefold())
        )
    known = [name for quality, _, name in sorted(ranked) if name in LANGUAGES and quality < 0]
    return page_words(known[0] if known else "en")


@cache
def answer_words(language: str) -> AnswerWords:
    """Return what answers say in a language of :data:`LANGUAGES`."""
    return AnswerWords(LANGUAGES[language], _read(language)["answer"])


@cache
def page_words(language: str = "en") -> PageWords:
    """Return what the page says in a language of :data:`LANGUAGES`."""
    lang, words = LANGUAGES[language], _read(language)
    beside = ("occurrences", "adding", "evidence", "errors")
    return PageWords(lang, {**words["page"], **{name: Section(lang, words[name]) for name in beside}})


@cache
def _read(language: str) -> dict[str, dict[str, Any]]:
    """Read a language's file, which must have the sections and the keys of the default one."""
    path = Path(__file__).parent / f"{LANGUAGES[language]}.toml"
    words = tomllib.loads(path.read_text("utf-8"))
    default = words if language == "en" else _read("en")
    for section in default.keys() | words.keys():
        odd = default.get(section, {}).keys() ^ words.get(section, {}).keys()
        if odd:
            raise ValueError(f"{path.name}: the section [{section}] lacks or adds {', '.join(sorted(odd))}")
    return words
