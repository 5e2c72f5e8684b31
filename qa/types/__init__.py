"""The types that flow through the system: frozen, checked, with derived values as properties.

Read :mod:`~qa.types.base` (text, days), :mod:`~qa.types.articles` (what an archive holds),
:mod:`~qa.types.queries` (what is asked), :mod:`~qa.types.answers` (what is answered) and
:mod:`~qa.types.reports` (what adding articles reports), in this order.

Offsets count Python code points and are half-open: ``text[start:end]``.
"""

from qa.types.answers import Answer, AnswerForm, Citation, Hit, Occurrence, Occurrences
from qa.types.articles import Article, Copy, Coverage, Filters, Passage, embedded_text, header
from qa.types.base import Frozen, Text
from qa.types.queries import AnswerKind, Clause, Intent, Period, Query, Scope, Turn
from qa.types.reports import IngestReport, Progress, Skipped

__all__ = [
    "Answer",
    "AnswerForm",
    "AnswerKind",
    "Article",
    "Citation",
    "Clause",
    "Copy",
    "Coverage",
    "Filters",
    "Frozen",
    "Hit",
    "IngestReport",
    "Intent",
    "Occurrence",
    "Occurrences",
    "Passage",
    "Period",
    "Progress",
    "Query",
    "Scope",
    "Skipped",
    "Text",
    "Turn",
    "embedded_text",
    "header",
]
