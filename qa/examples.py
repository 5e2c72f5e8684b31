"""Questions to show where nobody has asked one yet, made from the articles at hand."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice, zip_longest

from qa.spans import names
from qa.types import Article

_LOOKED_AT = 40
"""Articles from the first of which examples are made."""
_TITLE_WORDS = 9
_TAG = re.compile(r"^(?:\[[^\]]*\]|【[^】]*】)\s*")


def questions(articles: Iterable[Article], n: int) -> list[str]:
    """Return up to ``n`` questions that the archive answers, about different articles as far as they go."""
    looked_at = list(islice(articles, _LOOKED_AT))
    people = (f"Who is {name}?" for name in _people(looked_at))
    days = (f"When was the article on “{title}” published?" for title in _dated_titles(looked_at))
    mixed = (question for pair in zip_longest(people, days) for question in pair if question)
    return list(islice(dict.fromkeys(mixed), n))


def _people(articles: Iterable[Article]) -> Iterator[str]:
    """The person each article names most often, and more than once."""
    for article in articles:
        counts = Counter(names(article.text[:4000]))
        if counts and counts.most_common(1)[0][1] > 1:
            yield counts.most_common(1)[0][0]


def _dated_titles(articles: Iterable[Article]) -> Iterator[str]:
    for article in articles:
        words = _TAG.sub("", article.title).split()
        if article.published and words:
            short = " ".join(words[:_TITLE_WORDS]).rstrip(",;:—-")
            yield short + ("…" if len(words) > _TITLE_WORDS else "")
