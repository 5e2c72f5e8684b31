"""Questions about an article itself: when it was published, who wrote it, where it appeared."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from qa.keyword import terms
from qa.sentences import Span, split
from qa.types import Article

_NOUN = re.compile(
    r"\b(?:articles?|stor(?:y|ies)|reports?|pieces?|(?:web)?pages?|posts?|news(?: items?| stories)?|items?|texts?|interviews?"
    r"|notices?|coverage|write-?ups?|headlines?|dispatch|column)\b|[文报道稿]|[\"“《].{8,}[\"”》]",
    re.I,
)
_ISSUED = r"(?:published|posted|released|uploaded|dated|issued|written|printed|filed|put online|put up)"
_ASKS = {
    "published": re.compile(
        rf"\bwhen (?:was|were)\b.*\b{_ISSUED}\b|\bwhen did\b.*\b(?:come out|appear|go (?:online|live|up)|run)\b"
        rf"|\b(?:publication|publishing|release|posting) (?:date|day|time)\b|\bdate of publication\b|\bdateline\b"
        rf"|\b(?:what|which|on what|on which) (?:is the |was the )?(?:date|day|month|year)\b.*\b(?:{_ISSUED}|appear(?:ed)?|carry|carries|bear|bears)\b"
        r"|\bwhat (?:is|was) the date (?:of|on|for)\b|\bhow old is\b|\bwhen was\b.*\bwritten\b"
        r"|发布时间|发表(?:时间|日期)|(?:什么时候|何时|哪天)(?:发布|发表)",
        re.I,
    ),
    "author": re.compile(
        r"\bwho (?:wrote|authored|penned|reported|drafted)\b|\bwho(?: is|'s| was) the (?:author|writer|reporter|journalist)\b"
        r"|\b(?:author|byline|writer|reporter) (?:of|for|on)\b|\b(?:by whom|who)\b.*\bwritten\b|\bwhose byline\b|作者|谁写",
        re.I,
    ),
    "source": re.compile(
        rf"\b(?:news )?source (?:of|for|given|named|listed|is|was)\b|\b(?:is|was) the (?:news )?source\b|\b(?:what|which) (?:news )?source\b"
        rf"|\b(?:which|what) (?:newspaper|outlet|publisher|site|website|agency|media)\b.*\b(?:{_ISSUED}|ran|carried)\b"
        rf"|\bwhere (?:was|were)\b.*\b{_ISSUED}\b|\bwhere did\b.*\b(?:appear|come from)\b|来源",
        re.I,
    ),
    "section": re.compile(
        r"\b(?:which|what) (?:section|column|category|rubric|heading|part of the (?:web)?site)\b|\bunder which\b|栏目", re.I
    ),
}  # fmt: skip

# Credits that articles carry in their text, one to a line: "Text: …", "Edited by: …".
_CREDITS = (
    (re.compile(r"\b(?:photo\w*|pictures?|images?|camera|illustrat\w+)\b|摄影|图片", re.I), r"(?:photos?|photograph\w*|pictures?|images?|摄影|图片|图)"),
    (re.compile(r"\b(?:edit(?:ed|or|s|ing)?)\b|编辑", re.I), r"(?:edited by|editors?|editing|edit|编辑)"),
    (re.compile(r"\b(?:review(?:ed|er|s)?|proof-?read\w*|approv\w+|check(?:ed|s)?|vetted|sign(?:ed)? off)\b|审核|校对", re.I), r"(?:reviewed by|reviewers?|review|proofread(?:ing| by)?|审核|校对)"),
    (re.compile(r"\b(?:wr(?:ote|itten|iter)|author\w*|penned|byline|text|words|reported|reporter|drafted)\b|作者|谁写", re.I), r"(?:text|words|written by|author|writer|by|reporter|correspondent|文字|文|作者|撰稿)"),
)  # fmt: skip
_WHO = re.compile(r"\bwho(?:m|se)?\b|\bname\b|\bcredit|谁|\bby whom\b", re.I)
_TITLE_SHARE = 0.6
"""A question that holds this share of a title's words names the article."""


class Credit(NamedTuple):
    """A line of an article that names who made it."""

    line: Span
    name: Span


def asked_field(question: str) -> str | None:
    """Return the field of :class:`~qa.types.Article` a question asks for, if it asks for one."""
    return next((name for name, pattern in _ASKS.items() if pattern.search(question)), None)


def speaks_of_article(question: str, article: Article) -> bool:
    """Whether a question is about the article itself, not about something in it that was published or written."""
    if _NOUN.search(question):
        return True
    title = set(terms(article.title))
    return bool(title) and len(title & set(terms(question))) >= _TITLE_SHARE * len(title)


def field_value(article: Article, name: str) -> str | None:
    """Return a field as a reader would write it, or ``None`` where the article does not state it."""
    if name != "published":
        value = getattr(article, name)
        return str(value) if value else None
    day = article.published
    return f"{day:%B} {day.day}, {day.year} ({day.isoformat()})" if day else None


def find_credit(question: str, articles: Sequence[Article]) -> tuple[Article, Credit] | None:
    """Return the credit line that a question asks for, from the first of the articles that has one."""
    if not _WHO.search(question):
        return None
    for asked, label in _CREDITS:
        if asked.search(question):
            pattern = re.compile(rf"(?:{label})\s*[:：]\s*(\S.*)", re.I)
            for article in articles:
                for start, end in split(article.text):
                    if end - start < 80 and (match := pattern.fullmatch(article.text, start, end)):
                        return article, Credit((start, end), match.span(1))
    return None
