"""Questions to show where nobody has asked one yet, made from the articles at hand."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice

from qa.types import Article

_LOOKED_AT = 40


def questions(articles: Iterable[Article], n: int) -> list[str]:
    """Return up to ``n`` questions, each about another article and all of them answered by the archive."""
    asked: list[str] = []
    for article in islice(articles, _LOOKED_AT):
        title = re.sub(r"^(\[[^\]]*\]|【[^】]*】)\s*", "", article.title).strip()
        if not title:
            continue
        if article.published and len(asked) % 2:
            asked.append(f"When was “{title}” published?")
        else:
            asked.append(f"What does the archive say about: {title}?")
        if len(asked) == n:
            break
    return asked
