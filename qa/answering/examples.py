"""Questions to show where nobody has asked one yet, made from the articles at hand."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice, zip_longest

from qa.answering.short_answer import names
from qa.text.characters import han_count
from qa.text.sentences import split
from qa.types import Article

_LOOKED_AT = 40
"""Articles from the first of which examples are made."""
_TITLE_WORDS = 9
_LOOKED_INTO = 6000
"""Characters of an article that deeds are looked for in."""
_TAG = re.compile(r"^(?:\[[^\]]*\]|【[^】]*】)\s*")
_DEED = re.compile(
    r"(?P<who>\b[A-Z][\w’'-]+(?:\s+[A-Z][\w’'-]+){1,2})(?:,\s+[^.;:“”\"]{3,160}?,)?\s+"
    r"(?P<did>(?!need|embed|hundred|indeed|red)[a-z]{3,}ed|led|won|held|met|gave|made|took|wrote|built|founded|became|left|spoke"
    r"|chose|brought|sold|bought|began|sent|set up)\s+(?P<what>(?:[^,.;:()“”\"\s]+ ){3,11}[^,.;:()“”\"\s]+)(?=[,.;])"
)
_VAGUE = re.compile(
    r"\b(?:he|she|they|his|her|their|its?|this|these|those|that|which|who|will|would|by)\b", re.I
)


def questions(articles: Iterable[Article], n: int) -> list[str]:
    """Return up to ``n`` questions that the archive may answer, about different articles as far as they go."""
    looked_at = list(islice(articles, _LOOKED_AT))
    deeds = _in_turn(*(islice(_deeds(article), 3) for article in looked_at))
    people = (f"Who is {name}?" for name in _people(looked_at))
    days = _dated_titles(looked_at)
    return list(islice(dict.fromkeys(_in_turn(deeds, people, days)), n))


def _in_turn(*columns: Iterable[str]) -> Iterator[str]:
    """Yield the first of each, then the second of each, and so on."""
    yield from (question for row in zip_longest(*columns) for question in row if question)


def _deeds(article: Article) -> Iterator[str]:
    """Ask who did what a sentence says someone did: "Who led a team to the Procuratorate of Lin'an District?"."""
    for start, end in split(article.text[:_LOOKED_INTO]):
        sentence = " ".join(article.text[start:end].split())
        deed = _DEED.search(sentence)
        while deed and not names(deed["who"]):
            deed = _DEED.search(sentence, deed.end("who"))
        if deed and not _VAGUE.search(deed["what"]):
            yield f"Who {deed['did']} {deed['what']}?"


def _people(articles: Iterable[Article]) -> Iterator[str]:
    """The person each article names most often, and more than once."""
    for article in articles:
        counts = Counter(names(article.text[:4000]))
        if counts and counts.most_common(1)[0][1] > 1:
            yield counts.most_common(1)[0][0]


def _dated_titles(articles: Iterable[Article]) -> Iterator[str]:
    """Ask for the day of publication, in the language of the title."""
    for article in articles:
        words = _TAG.sub("", article.title).split()
        if not (article.published and words):
            continue
        short = " ".join(words[:_TITLE_WORDS]).rstrip(",;:—-")
        if han_count(short):
            yield f"《{short}》是什么时候发布的？"
        else:
            yield f"When was the article on “{short}{'…' if len(words) > _TITLE_WORDS else ''}” published?"
