"""All that the evals do below ``Archive.ask`` and ``Archive.search``: no other module reaches inside an archive."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import date
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

import qa
from evals.dataset import Question
from qa.answering import weights
from qa.answering.answerer import HITS
from qa.answering.models import Models, SentenceVectors
from qa.answering.selector import Candidate, Selector
from qa.query.encoded_query import EncodedQuery
from qa.query.scope import find
from qa.query.understanding import understand
from qa.retrieval.retriever import PASSAGES_READ, load_passages, rank
from qa.storage.view import View
from qa.types import Filters, Query, Scope, embedded_text, header

STAGES = ("understand", "rank", "load", "read and select")
WHOLE = ("search", "ask")

Timer = Callable[[str], AbstractContextManager[None]]


def no_timer(_: str) -> AbstractContextManager[None]:
    """Time nothing."""
    return nullcontext()


def rank_passages(
    archive: qa.Archive, question: str, depth: int
) -> tuple[list[int], list[int], dict[int, str]]:
    """Return the best passages by keyword search and by dense search, and the article of each passage."""
    vector = archive.encoder.encode_queries([question])

    def work(view: View) -> tuple[list[int], list[int], dict[int, str]]:
        keyword = view.matching(question, depth, Filters())[0].tolist()
        dense = view.nearest(vector, depth)[0][0].tolist()
        return keyword, dense, view.articles_of({*dense, *keyword})

    return archive.reading(work)


def nearest_passages(archive: qa.Archive, vector: NDArray[np.float32], k: int) -> list[str]:
    """Return the passages whose vectors are nearest to a vector, as they are embedded: behind their headers."""

    def work(view: View) -> list[str]:
        ids = view.nearest(vector[None], k)[0][0].tolist()
        found = view.passages(ids)
        return [embedded_text(header(article), passage.text) for passage, article in (found[i] for i in ids)]

    return archive.reading(work)


def select_sentences(
    archive: qa.Archive, question: Question, models: Models, timer: Timer = no_timer, **options: float
) -> list[Candidate]:
    """Take a question through the steps of an answer and return the sentences that were weighed, best first.

    Args:
        archive: The archive.
        question: Asked with its history; its parts are not asked one by one.
        models: What the sentences are weighed with.
        timer: Entered, with the stage's name, around each of :data:`STAGES`.
        options: Of the selector.
    """

    def work(view: View) -> list[Candidate]:
        with timer("understand"):
            query = understand(question.question, question.history, sources=view.source_names)
        with timer("rank"):
            encoded = EncodedQuery.of(query, archive.encoder)
            ranked = rank(encoded, HITS, view)
        with timer("load"):
            passages = load_passages(ranked[:PASSAGES_READ], view)
        with timer("read and select"):
            return Selector(encoded, view, models, **options).select(passages)

    return archive.reading(work)


def time_stages(archive: qa.Archive, questions: Sequence[Question]) -> dict[str, list[float]]:
    """Time each question's stages one by one, then a whole search for it and a whole answer to it.

    Returns:
        Stage → milliseconds, one for each question; the models are loaded before.
    """
    taken: dict[str, list[float]] = defaultdict(list)

    @contextmanager
    def timer(stage: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        taken[stage].append(1000 * (time.perf_counter() - started))

    sentences = SentenceVectors(archive.encoder)
    archive.ask(questions[0].question)
    for question in questions:
        models = Models.of(archive.encoder, sentences, archive.reader_for(question.question))
        select_sentences(archive, question, models, timer)
        with timer("search"):
            archive.search(question.question, history=question.history)
        with timer("ask"):
            archive.ask(question.question, history=question.history)
    return dict(taken)


def threshold(archive: qa.Archive, question: Question) -> float:
    """Return the confidence below which questions in the language of this one are refused."""
    if archive.settings.refuse is not None:
        return archive.settings.refuse
    return weights.of(archive.reader_for(question.question), archive.encoder).refuse


def names_articles(archive: qa.Archive, question: Question) -> bool:
    """Whether a question names a source, a date or several articles of the archive."""
    return any(find(question.question, tuple(archive.sources()), date.today()))


class WithoutScope(qa.Archive):
    """An archive that ignores the sources, dates and clauses that a question names."""

    @classmethod
    def of(cls, archive: qa.Archive) -> Self:
        """Open an archive once more in this way, with the same reader."""
        other = cls.open(archive.path, settings=archive.settings)
        other.reader = archive.reader
        return other

    def _understand(self, *args: Any, **kwargs: Any) -> Query:
        return super()._understand(*args, **kwargs).model_copy(update={"scope": Scope()})
