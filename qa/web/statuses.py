"""What goes wrong → what a client is told: one table for every route.

======  ==================================================================  ===================================
Status  Error                                                               What the client can do
======  ==================================================================  ===================================
404     ArticleNotFound                                                     look for another article
422     QuestionError, FilterError, InputError, FeedbackError               change what was sent
429     TooManyRequests                                                     ask less often: ``Retry-After``
503     Busy                                                                ask again: ``Retry-After``
503     every other error: ArchiveError, GlossaryError, EmbeddingError, …   ask again later; the operator has to act
======  ==================================================================  ===================================

A body that is not what the route reads is answered with 422 as well, and a form that cannot be parsed with 400.
"""

from __future__ import annotations

from starlette.requests import Request

from embeddings import EmbeddingError
from qa.errors import (
    ArticleNotFound,
    Busy,
    FeedbackError,
    FilterError,
    InputError,
    QAError,
    QuestionError,
    TooManyRequests,
)
from qa.words import PageWords, words_accepted

PROBLEMS = (QAError, EmbeddingError)
"""What is answered with one clear line; any other exception is a fault of the program."""
_STATUSES: tuple[tuple[type[Exception], int], ...] = (
    (ArticleNotFound, 404),
    (QuestionError, 422),
    (FilterError, 422),
    (InputError, 422),
    (FeedbackError, 422),
    (TooManyRequests, 429),
)


def status_of(error: Exception) -> int:
    """Return the HTTP status of an error."""
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), 503)


def headers_of(error: Exception) -> dict[str, str]:
    """Return the headers that go with an error: when to ask again, where that is known."""
    return {"Retry-After": str(error.retry_after)} if isinstance(error, Busy) else {}


def words_of(request: Request) -> PageWords:
    """Return the words in the language that a request asks for."""
    return words_accepted(request.headers.get("accept-language"))


def message_of(error: Exception, words: PageWords) -> str:
    """Return what a reader is told; that no question is let in just now, in the reader's language, if less exactly."""
    return words.errors.busy if isinstance(error, Busy) and words.lang != "en" else str(error)
