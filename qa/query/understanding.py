"""Question (and history, and filters) → query: cleaned, cut to length, standing alone."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from datetime import date

from qa.errors import QuestionError
from qa.query import scope
from qa.query.glossary import Glossary
from qa.query.intent import asked_term, intent_of
from qa.text.characters import INVISIBLE
from qa.text.tokens import terms
from qa.types import Filters, Query, Turn

_INVISIBLE = re.compile(f"[{INVISIBLE}]")
_POINTS_BACK = re.compile(
    r"\b(?:he|she|they|him|her|them|his|hers|their|theirs|it|its|this|that|these|those|there|then|the (?:same|other|latter"
    r"|former|event|meeting|visit|two|second|first|third|last)|one|ones|another|else)\b"
    r"|[他她它这那]|^(?:and|or|but|so|also|what about|how about|why|when|where|who)\b[^a-z]*$",
    re.I,
)
_OPENS_AS_FOLLOW_UP = re.compile(
    r"^(?:and|or|but|so|also|then|ok|okay|what about|how about|what else|who else|那|还有)\b", re.I
)
_AND_ALSO = re.compile(
    r",?\s+and\s+(?=(?:in |on |at |by |to |for |with )?(?:who|whom|whose|what|when|where|which|why|how)\b)|\?\s+(?=\w)",
    re.I,
)
QUESTIONS_WEIGHT = 0.5
"""Weight in the search of all questions so far, against the question's own 1."""
ANSWER_WEIGHT = 0.3
"""Weight in the search of the last answer, against the question's own 1."""
TURN = 600
"""Characters of an earlier turn that are looked at."""
FEW_TERMS = 3
"""A question with no more content words than this leans on the conversation before it."""


def understand(
    question: str,
    history: Sequence[Turn] = (),
    filters: Filters | None = None,
    *,
    sources: Sequence[str] = (),
    glossary: Glossary | None = None,
    longest: int = 2000,
    today: date | None = None,
) -> Query:
    """Make a query of a question: cleaned, standing alone, with all that is read from it once.

    The conversation is searched beside it. Passages are read for an answer to the question as it was asked,
    or as it stands alone where it has too few words for that.

    Args:
        question: As it was asked.
        history: The conversation before it, oldest first.
        filters: Which articles to look at.
        sources: The names of the archive's sources.
        glossary: The archive's words that mean the same.
        longest: Characters of the question that are used.
        today: What "yesterday" and "last month" count from.

    Raises:
        QuestionError: Nothing is left to search for.
    """
    text, notices = _clean(question, longest)
    if not text:
        raise QuestionError("The question is empty. Ask in a word or a sentence what you want to find.")
    turns = [(turn.role, cleaned) for turn in history if (cleaned := _clean(turn.content, TURN)[0])]
    questions = [content for role, content in turns if role == "user"]
    answers = [content for role, content in turns if role == "assistant"]
    standalone = f"{_subject(questions)} {text}" if questions and leans_on_history(text) else text
    context = []
    if questions:
        context.append((" ".join([*questions, text]), QUESTIONS_WEIGHT))
    if answers:
        context.append((answers[-1], ANSWER_WEIGHT))
    query = Query(
        question=text,
        text=standalone,
        filters=filters or Filters(),
        context=tuple(context),
        reading=standalone if standalone != text and _too_short(text) else None,
        today=today or date.today(),
        notices=notices,
    )

    def complete(part: Query, parts: tuple[Query, ...] = ()) -> Query:
        facts = {
            "intent": intent_of(part.question),
            "scope": scope.find(part.question, sources, part.today),
            "parts": parts,
        }
        return (glossary.expand(part) if glossary else part).model_copy(update=facts)

    return complete(query, tuple(map(complete, _parts(query))))


def _parts(query: Query) -> list[Query]:
    """Split a question that asks several things ("Who led it, and when …?") into queries for each; else none.

    A part that names no subject of its own is searched, and read, with the part before it.
    """
    pieces = [piece.strip(" ,;") for piece in _AND_ALSO.split(query.question)]
    if len(pieces) == 1 or any(len(piece.split()) < 2 and not leans_on_history(piece) for piece in pieces):
        return []
    subject = query.text.removesuffix(query.question).strip()
    found: list[Query] = []
    for piece in pieces:
        question = piece[:1].upper() + piece[1:] + ("" if piece.endswith("?") else "?")
        leans = bool(found) and leans_on_history(piece)
        before = found[-1].text if leans else subject
        context = ((before, QUESTIONS_WEIGHT),) if before and found else query.context
        text = f"{before} {question}".strip()
        reading = text if leans or (subject and _too_short(question)) else None
        part = {"question": question, "text": text, "context": context, "reading": reading}
        found.append(query.model_copy(update=part))
    return found


def leans_on_history(question: str) -> bool:
    """Whether a question points back to the conversation instead of naming its subject."""
    if asked_term(question):
        return False
    names = re.findall(r"(?<!^)\b[A-Z][\w'’-]+", question)
    if _OPENS_AS_FOLLOW_UP.search(question):
        return True
    if _POINTS_BACK.search(question):
        return len(names) < 2
    return len(terms(question)) <= FEW_TERMS and not names


def points_back(question: str) -> bool:
    """Whether a question says itself that it follows another one: "And …", "they", "there"."""
    return bool(_OPENS_AS_FOLLOW_UP.search(question) or _POINTS_BACK.search(question))


def _too_short(question: str) -> bool:
    """Whether a question has too few words to be read by itself: "Why there?"."""
    return len(terms(question)) < FEW_TERMS


def _subject(asked: Sequence[str]) -> str:
    """The last question that stands alone, and those after it: what the conversation is about."""
    start = len(asked) - 1
    while start > 0 and leans_on_history(asked[start]) and len(asked) - start < 3:
        start -= 1
    return " ".join(asked[start:])


def _clean(text: str, limit: int) -> tuple[str, tuple[str, ...]]:
    notices = []
    cleaned, found = _INVISIBLE.subn(" ", text[: 4 * limit])
    if found:
        notices.append("Control characters were removed from the question.")
    cleaned = " ".join(unicodedata.normalize("NFC", cleaned).split())
    if len(text) > limit and (len(cleaned) > limit or len(text) > 4 * limit):
        notices.append(f"The question has {len(text):,} characters; only its first {limit:,} were used.")
        cleaned = cleaned[:limit].strip()
    return cleaned if re.search(r"\w", cleaned) else "", tuple(notices)
