"""What counts as a word, as a searchable term, and as the same word."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from pathlib import Path

import tantivy

from qa.text.characters import UNSPACED

WORD = re.compile(rf"[{UNSPACED}]|(?:(?![{UNSPACED}])[^\W_])+")
"""A word: a run of letters and digits, or one character of a script without spaces."""
_UNSPACED_RUN = re.compile(f"[{UNSPACED}]+")

STOP_WORDS = frozenset(Path(__file__).with_name("stop_words.txt").read_text("utf-8").split())
"""Closed-class words, which say nothing about the topic.

tantivy's own English list lacks the question words, which in a small archive look rare, hence important.
"""


@cache
def analyzer() -> tantivy.TextAnalyzer:
    """Return what the keyword index makes terms with: folded to ASCII, in lower case, stemmed."""
    return (
        tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple())
        .filter(tantivy.Filter.remove_long(60))
        .filter(tantivy.Filter.lowercase())
        .filter(tantivy.Filter.ascii_fold())
        .filter(tantivy.Filter.stemmer("english"))
        .build()
    )


def pairs_for_unspaced(text: str) -> str:
    """Replace each run of a script without spaces by its overlapping pairs of characters, which index well."""
    return _UNSPACED_RUN.sub(lambda run: f" {' '.join(_pairs(run[0]))} ", text)


def is_unspaced(text: str) -> bool:
    """Whether a text is of scripts without spaces only."""
    return bool(_UNSPACED_RUN.fullmatch(text))


def _pairs(run: str) -> list[str]:
    return [run[i : i + 2] for i in range(len(run) - 1)] or [run]


def terms(text: str) -> list[str]:
    """Return the distinct searchable terms of a text, stemmed and folded, in order.

    Stop words are left out, unless nothing else remains.
    """
    words = re.findall(r"\w+", pairs_for_unspaced(text))
    content = [w for w in words if w.lower() not in STOP_WORDS] or words
    return list(dict.fromkeys(analyzer().analyze(" ".join(content))))


def all_terms(text: str) -> list[str]:
    """Return the distinct terms of a text, stop words too, in order."""
    return list(dict.fromkeys(analyzer().analyze(pairs_for_unspaced(text))))


def same_word(token: str) -> str:
    """Return what all forms of a word have in common for the search: folded, in lower case, its stem.

    Empty for a word too long to be indexed.
    """
    return " ".join(analyzer().analyze(token))


@lru_cache(maxsize=200_000)
def word_key(token: str, exact: bool = False) -> str:
    """Return what two tokens have in common if they count as the same word.

    Args:
        token: A word as it is written.
        exact: Whether the forms of a word count as different words; case never does.
    """
    return (not exact and same_word(token)) or token.casefold()


def word_keys(text: str) -> tuple[str, ...]:
    """Return the keys of a text's words, in order."""
    return tuple(word_key(match[0]) for match in WORD.finditer(text))
