"""What counts as a word: searchable terms, stems, the bigrams of Chinese."""

from __future__ import annotations

import re
from functools import cache

import tantivy

_HAN_RUN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+")


_ANALYZER = "archive"


# Question words and other closed-class words that say nothing about the topic. tantivy's own English
# list lacks the question words, which in a small archive look rare, hence important.
STOP_WORDS = frozenset(
    "a about after all also am an and any are as at be because been before being between both but by can could did"
    " do does doing done during each else ever for from get give given had has have he her here hers him his how i if"
    " in into is it its just let many may me might mine more most much must my no nor not of off on once only or other"
    " our out over own please say says same shall she should so some such tell than that the their them then there"
    " these they this those through to too under up upon us very was we were what when where whether which while who"
    " whom whose why will with would you your according article articles report reports reported mention mentioned"
    " anything something s t".split()
)


def _spread_han(text: str) -> str:
    """Replace each run of Chinese characters by its bigrams: words are not separated, pairs index well."""
    return _HAN_RUN.sub(lambda m: " " + " ".join(_bigrams(m[0])) + " ", text)


def _bigrams(run: str) -> list[str]:
    return [run[i : i + 2] for i in range(len(run) - 1)] or [run]


@cache
def _analyzer() -> tantivy.TextAnalyzer:
    return (
        tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple())
        .filter(tantivy.Filter.remove_long(60))
        .filter(tantivy.Filter.lowercase())
        .filter(tantivy.Filter.ascii_fold())
        .filter(tantivy.Filter.stemmer("english"))
        .build()
    )


def terms(text: str) -> list[str]:
    """Return the distinct searchable terms of a text, stemmed and folded, in order.

    Stop words are left out, unless nothing else remains.
    """
    words = re.findall(r"\w+", _spread_han(text))
    content = [w for w in words if w.lower() not in STOP_WORDS] or words
    return list(dict.fromkeys(_analyzer().analyze(" ".join(content))))


def same_word(token: str) -> str:
    """Return what all forms of a word have in common for the search: folded, in lower case, its stem.

    Empty for a word too long to be indexed.
    """
    return " ".join(_analyzer().analyze(token))
