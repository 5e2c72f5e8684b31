"""The short answer inside a sentence, by the kind of answer a question asks for."""

from __future__ import annotations

import re

from qa.types import AnswerKind

_MONTH = r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)"
_DATE = re.compile(
    rf"\b(?:\d{{1,2}}\s+{_MONTH}\.?(?:\s+\d{{4}})?|{_MONTH}\.?\s+\d{{1,2}}(?:st|nd|rd|th)?(?:,?\s+\d{{4}})?"
    rf"|{_MONTH}\.?\s+\d{{4}}|\d{{4}}-\d\d?-\d\d?|(?:1[5-9]|20)\d\d)\b|\d{{4}}年(?:\d{{1,2}}月)?(?:\d{{1,2}}日)?"
)
NUMBER_WORDS = {
    word: n for n, word in enumerate("one two three four five six seven eight nine ten".split(), 1)
} | {"dozen": 12, "hundred": 100, "thousand": 1_000, "million": 1_000_000, "billion": 1_000_000_000}
_NUMBER = re.compile(
    rf"\b(?:\d[\d,.]*\d|\d|{'|'.join(NUMBER_WORDS)})\b(?:\s*(?:%|percent|million|billion))?", re.I
)
_NAME = re.compile(r"\b[A-Z][\w’'-]+(?:\s+[A-Z][\w’'-]+){1,2}\b")
_TITLE_WORDS = frozenset(
    (
        "secretary party leadership group director deputy procurator general president vice member court "
        "county city district people procuratorate committee congress department province municipal office "
        "editor note january february march april may june july august september october november december "
        "monday tuesday wednesday thursday friday saturday sunday the first second third leading executive "
        "bureau standing "
    ).split()
)


def names(text: str) -> list[str]:
    """Return the personal names in a text, each as often as it stands there."""
    return [match[0] for match in _NAME.finditer(text) if not _holds_title(match[0])]


def _holds_title(name: str) -> bool:
    return any(re.sub(r"['’]s$", "", word) in _TITLE_WORDS for word in name.casefold().split())


def find_answer(kind: AnswerKind, sentence: str, question: str) -> tuple[int, int] | None:
    """Return where in a sentence an answer of that kind stands which the question does not already hold."""
    pattern = {AnswerKind.DATE: _DATE, AnswerKind.NUMBER: _NUMBER, AnswerKind.PERSON: _NAME}.get(kind)
    if pattern is None:
        return None
    known = question.casefold()
    for match in pattern.finditer(sentence):
        if match[0].casefold() in known:
            continue
        if kind is AnswerKind.PERSON and _holds_title(match[0]):
            continue
        return match.span()
    return None
