"""What can go wrong, as one small tree. Each message says what was wrong, where, and what to do.

QAError
├── QuestionError        the question is empty or not usable
├── FilterError          a date or source filter cannot be understood
├── InputError           nothing readable among the inputs
├── ArchiveError         an archive cannot be used
│   ├── ArchiveNotFound      nothing there
│   ├── ArchiveExists        create() where one already is
│   ├── ArchiveIncompatible  made by another model or a newer schema
│   ├── ArchiveReadOnly      the folder cannot be written
│   ├── ArchiveBusy          another process writes to it
│   └── ArchiveDamaged       the database itself cannot be read
├── CalibrationError     too few articles to calibrate on
├── ArticleNotFound      no article with that id
├── FeedbackError        feedback cannot be kept
├── GlossaryError        the glossary cannot be read, or a line of it does not fit
└── ServerError          the page cannot be served (port in use, extra missing)
    └── Busy                 it answers no more questions just now
        └── TooManyRequests      of one client, who asks too often

Errors of models and vector indexes are :class:`embeddings.EmbeddingError`.
"""


class QAError(Exception):
    """Base of every error this package raises on purpose; its text is fit for a user."""


class QuestionError(QAError):
    """The question is empty or holds nothing that can be searched."""


class FilterError(QAError):
    """A filter cannot be understood."""


class InputError(QAError):
    """None of the inputs could be read."""


class ArchiveError(QAError):
    """An archive cannot be used."""


class ArchiveNotFound(ArchiveError):
    """There is no archive at the path."""


class ArchiveExists(ArchiveError):
    """There is already an archive, or something else, at the path."""


class ArchiveIncompatible(ArchiveError):
    """The archive was made by another model, or by a newer version of this program."""


class ArchiveReadOnly(ArchiveError):
    """The archive's folder cannot be written."""


class ArchiveBusy(ArchiveError):
    """Another process writes to the archive, or holds what is wanted."""


class ArchiveDamaged(ArchiveError):
    """The archive's database cannot be read."""


class CalibrationError(QAError):
    """Too few questions can be made of an archive's articles."""


class ArticleNotFound(QAError, KeyError):
    """The archive holds no article with that id."""

    def __str__(self) -> str:
        """Return the message as written, not quoted as ``KeyError`` does."""
        return str(self.args[0])


class FeedbackError(QAError):
    """Feedback cannot be kept or written out."""


class GlossaryError(QAError):
    """The glossary cannot be read, or a line of it does not fit."""


class ServerError(QAError):
    """The page cannot be served."""


class Busy(ServerError):
    """Too many questions at once; the message says when to ask again."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """Seconds after which asking again makes sense."""


class TooManyRequests(Busy):
    """One client asks more often than it may."""


class SnapshotDamaged(Exception):
    """A derived file is missing, cut short or altered: the snapshot must be built again."""
