"""Ask an archive of articles; get verbatim quotes with exact citations, or an honest refusal.

>>> import qa
>>> answer = qa.ask("Who led the Nanling delegation?")

Read :mod:`~qa.archive` (what a user holds) and :mod:`~qa.conversation` first, then follow a question through
:mod:`~qa.query`, :mod:`~qa.retrieval` and :mod:`~qa.answering`.
"""

from qa.api import ask, default_archive
from qa.archive import Archive
from qa.errors import (
    ArchiveBusy,
    ArchiveDamaged,
    ArchiveError,
    ArchiveExists,
    ArchiveIncompatible,
    ArchiveNotFound,
    ArchiveReadOnly,
    ArticleNotFound,
    Busy,
    CalibrationError,
    FeedbackError,
    FilterError,
    GlossaryError,
    InputError,
    QAError,
    QuestionError,
    ServerError,
)
from qa.ingest.repair import CheckReport
from qa.settings import Settings
from qa.types import (
    Answer,
    Article,
    Citation,
    Copy,
    Coverage,
    Filters,
    Hit,
    IngestReport,
    Occurrence,
    Occurrences,
    Passage,
    Progress,
    Query,
    Skipped,
    Turn,
)

__all__ = [
    "Answer",
    "Archive",
    "ArchiveBusy",
    "ArchiveDamaged",
    "ArchiveError",
    "ArchiveExists",
    "ArchiveIncompatible",
    "ArchiveNotFound",
    "ArchiveReadOnly",
    "Article",
    "ArticleNotFound",
    "Busy",
    "CalibrationError",
    "CheckReport",
    "Citation",
    "Copy",
    "Coverage",
    "FeedbackError",
    "FilterError",
    "Filters",
    "GlossaryError",
    "Hit",
    "IngestReport",
    "InputError",
    "Occurrence",
    "Occurrences",
    "Passage",
    "Progress",
    "QAError",
    "Query",
    "QuestionError",
    "ServerError",
    "Settings",
    "Skipped",
    "Turn",
    "ask",
    "default_archive",
]
