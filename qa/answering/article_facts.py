"""Questions about an article itself: when it was published, who wrote it, where it appeared."""

from __future__ import annotations

import re
from typing import NamedTuple

from qa.text.sentences import Span, split
from qa.types import Article

# Credits that articles carry in their text, one to a line: "Text: …", "Edited by: …".
_CREDITS = (
    (re.compile(r"\b(?:photo\w*|pictures?|images?|camera|illustrat\w+)\b|摄影|图片", re.I), r"(?:photos?|photograph\w*|pictures?|images?|摄影|图片|图)"),
    (re.compile(r"\b(?:edit(?:ed|or|s|ing)?)\b|编辑", re.I), r"(?:edited by|editors?|editing|edit|编辑)"),
    (re.compile(r"\b(?:review(?:ed|er|s)?|proof-?read\w*|approv\w+|check(?:ed|s)?|vetted|sign(?:ed)? off)\b|审核|校对", re.I), r"(?:reviewed by|reviewers?|review|proofread(?:ing| by)?|审核|校对)"),
    (re.compile(r"\b(?:wr(?:ote|itten|iter)|author\w*|penned|byline|text|words|reported|reporter|drafted)\b|作者|谁写", re.I), r"(?:text|words|written by|author|writer|by|reporter|correspondent|文字|文|作者|撰稿)"),
)  # fmt: skip
_WHO = re.compile(r"\bwho(?:m|se)?\b|\bname\b|\bcredit|谁|\bby whom\b", re.I)


class Credit(NamedTuple):
    """A line of an article that names who made it."""

    line: Span
    name: Span


def field_value(article: Article, name: str) -> str | None:
    """Return a field as a reader would write it, or ``None`` where the article does not state it."""
    if name != "published":
        value = getattr(article, name)
        return str(value) if value else None
    day = article.published
    return f"{day:%B} {day.day}, {day.year} ({day.isoformat()})" if day else None


def find_credit(question: str, article: Article) -> Credit | None:
    """Return the credit line of an article that a question asks for."""
    if not _WHO.search(question):
        return None
    for asked, label in _CREDITS:
        if asked.search(question):
            pattern = re.compile(rf"(?:{label})\s*[:：]\s*(\S.*)", re.I)
            for start, end in split(article.text):
                if end - start < 80 and (match := pattern.fullmatch(article.text, start, end)):
                    return Credit((start, end), match.span(1))
    return None
