"""Questions about an article itself: when it was published, who wrote it, where it appeared."""

from __future__ import annotations

import re
from typing import NamedTuple

from qa.types import Article

_SUBJECT = r"(?:article|report|story|piece|page|news|item|post|text|video|interview|notice)"
_PUBLISHED = r"(?:published|posted|released|uploaded|dated|put online|issued|written|printed|filed|run)"
_ASKS = {
    "published": re.compile(
        rf"\bwhen (?:was|were|did)\b.*\b{_PUBLISHED}\b"
        rf"|\b(?:publication|publishing|release|posting) (?:date|day|time)\b|\bdate of publication\b"
        rf"|\b(?:what|which) (?:is the )?(?:date|day|month|year)\b.*\b(?:{_PUBLISHED}|{_SUBJECT})\b"
        rf"|\b(?:date|dateline) (?:of|on|for) (?:the|this|that)? ?{_SUBJECT}\b|发布时间|发表(?:时间|日期)|(?:什么时候|何时|哪天)(?:发布|发表)",
        re.I,
    ),
    "author": re.compile(
        rf"\bwho (?:wrote|authored|reported|is the author|was the author)\b|\b(?:author|byline|writer|reporter) of\b"
        rf"|\bby whom\b.*\bwritten\b|\bwho (?:is|was) (?:the )?(?:author|writer|reporter)\b|作者是谁|谁写的",
        re.I,
    ),
    "source": re.compile(
        rf"\b(?:what|which|who) (?:is|was|are) (?:the |its )?(?:news )?source\b|\b(?:news )?source (?:of|for|given|named|listed)\b"
        rf"|\b(?:which|what) (?:newspaper|outlet|publisher|site|website|agency|media|news source)\b.*\b(?:published|ran|carried|released|posted|{_SUBJECT})\b"
        rf"|\bwhere (?:was|did)\b.*\b(?:published|appear|come from)\b|来源(?:是|于)",
        re.I,
    ),
    "section": re.compile(
        rf"\b(?:which|what) (?:section|column|category|rubric|part of the (?:site|website))\b|\bunder which (?:heading|section|column)\b|哪个栏目",
        re.I,
    ),
}  # fmt: skip
LABELS = {"published": "publication date", "author": "author", "source": "source", "section": "section"}


class Field(NamedTuple):
    """A field of an article and what it holds, as a reader would write it."""

    name: str
    value: str | None

    @property
    def label(self) -> str:
        """The field's name for a reader."""
        return LABELS[self.name]


def asked_field(question: str) -> str | None:
    """Return the field of :class:`~qa.types.Article` that a question asks for, if it asks for one."""
    return next((name for name, pattern in _ASKS.items() if pattern.search(question)), None)


def field(article: Article, name: str) -> Field:
    """Read a field of an article."""
    value = article.published.isoformat() if name == "published" and article.published else None
    if name != "published":
        value = getattr(article, name)
    return Field(name, value)
