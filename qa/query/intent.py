"""What a question asks for: which kind of answer, the mentions of a term, a field of an article."""

from __future__ import annotations

import re

from qa.text.tokens import terms
from qa.types import AnswerKind, Article, Intent

_KINDS = (
    (AnswerKind.LIST, re.compile(r"\b(?:list|what (?:are|were) the|which \w+s (?:are|were)|name the|what \w+ (?:requirements|points|measures|steps|things))\b|哪些|哪几", re.I)),
    (AnswerKind.NUMBER, re.compile(r"\bhow (?:many|much|old|long|far|large|big)\b|\bwhat (?:number|percentage|share)\b|多少|几个", re.I)),
    (AnswerKind.DATE, re.compile(r"\bwhen\b|\b(?:what|which) (?:day|date|month|year|time)\b|\bwhat's the date\b|何时|什么时候|哪[天年月]", re.I)),
    (AnswerKind.PERSON, re.compile(r"\bwho(?:m|se)?\b|\bname of the\b|谁", re.I)),
)  # fmt: skip
_QUOTED = r"[\"“”„«»'‘’「『]?(?P<term>.+?)[\"“”„«»'‘’」』]?"
_THINGS = r"(?:articles?|reports?|stories|story|texts?|pieces?|documents?)"
_MENTION = r"(?:mention(?:s|ed|ing)?|contain(?:s|ing)?|nam(?:e|es|ed|ing)|refer(?:s|ring)? to)"
_MENTION_FORMS = (
    rf"(?:please\s+)?(?:(?:list|show|find|give|get)\s+(?:me\s+)?)?(?:all|every|each)\s+(?:of\s+)?(?:the\s+)?{_THINGS}"
    rf"\s+(?:(?:that|which|where)\s+)?{_MENTION}\s+{_QUOTED}\s*[.?!]*",
    rf"(?:please\s+)?(?:list|show|find|give|get)\s+(?:me\s+)?(?:the\s+)?{_THINGS}\s+(?:that|which)\s+{_MENTION}"
    rf"\s+{_QUOTED}\s*[.?!]*",
    rf"(?:how\s+many|which)\s+(?:articles|reports|stories|texts|pieces|documents)\s+{_MENTION}\s+{_QUOTED}\s*[.?!]*",
    rf"(?:please\s+)?(?:(?:list|show|find|give|get|count)\s+(?:me\s+)?)?(?:all|every|each)\s+(?:the\s+)?"
    rf"(?:mentions?|occurrences?)\s+of\s+{_QUOTED}\s*[.?!]*",
    rf"(?:请)?(?:列出|找出|显示|查找)(?:所有|全部|每一?篇)?(?:提到|提及|包含)了?{_QUOTED}的(?:文章|报道|新闻)\s*[。？！?.]*",
    rf"(?:哪些|有?哪几篇|(?:有)?多少篇?)(?:文章|报道|新闻)(?:提到|提及|包含)了?{_QUOTED}\s*[。？！?.]*",
)
_POINTING = re.compile(r"(?:him|his|her|hers|it|its|them|their|this|that|these|those)\b|[他她它这那]")
_NOUN = re.compile(
    r"\b(?:articles?|stor(?:y|ies)|reports?|pieces?|(?:web)?pages?|posts?|news(?: items?| stories)?|items?|texts?|interviews?"
    r"|notices?|coverage|write-?ups?|headlines?|dispatch|column)\b|[文报道稿]|[\"“《].{8,}[\"”》]",
    re.I,
)
_ISSUED = r"(?:published|posted|released|uploaded|dated|issued|written|printed|filed|put online|put up)"
_FIELD_FORMS = {
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
_TITLE_SHARE = 0.6
"""A question that holds this share of a title's words names the article."""


def intent_of(question: str) -> Intent:
    """Return what a question asks for."""
    return Intent(asked_for(question), asked_term(question), asked_field(question))


def asked_for(question: str) -> AnswerKind:
    """Tell what kind of answer a question asks for."""
    return next((kind for kind, pattern in _KINDS if pattern.search(question)), AnswerKind.OTHER)


def asked_term(question: str) -> str | None:
    """Return the term of a question like "list every article that mentions X"; ``None`` for any other.

    "Which articles mention him?" names no term: the conversation says who is meant.
    """
    question = " ".join(question.split())
    for pattern in _MENTION_FORMS:
        if match := re.fullmatch(pattern, question, re.I):
            return None if _POINTING.match(match["term"]) else match["term"].strip()
    return None


def asked_field(question: str) -> str | None:
    """Return the field of :class:`~qa.types.Article` a question asks for, if it asks for one."""
    return next((name for name, pattern in _FIELD_FORMS.items() if pattern.search(question)), None)


def speaks_of_article(question: str, article: Article) -> bool:
    """Whether a question is about the article itself, not about something in it that was published or written."""
    if _NOUN.search(question):
        return True
    title = set(terms(article.title))
    return bool(title) and len(title & set(terms(question))) >= _TITLE_SHARE * len(title)
