"""All that the evals do below ``Archive.ask`` and ``Archive.search``: no other module reaches inside an archive."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
from numpy.typing import NDArray

import qa
from evals.dataset import Question
from qa.answering import weights
from qa.answering.answerer import HITS
from qa.answering.models import Models
from qa.answering.selector import Candidate, Selector
from qa.query.encoded_query import EncodedQuery
from qa.query.scope import find
from qa.query.understanding import understand
from qa.retrieval.retriever import PASSAGES_READ, load_passages, rank
from qa.storage.view import View
from qa.types import Filters, Query, Scope, embedded_text, header


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
    archive: qa.Archive, question: Question, models: Models, **options: float
) -> list[Candidate]:
    """Take a question through the steps of an answer and return the sentences that were weighed, best first.

    Args:
        archive: The archive.
        question: Asked with its history; its parts are not asked one by one.
        models: What the sentences are weighed with.
        options: Of the selector.
    """

    def work(view: View) -> list[Candidate]:
        query = understand(question.question, question.history, sources=view.source_names)
        encoded = EncodedQuery.of(query, archive.encoder)
        passages = load_passages(rank(encoded, HITS, view)[:PASSAGES_READ], view)
        return Selector(encoded, view, models, **options).select(passages)

    return archive.reading(work)


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

    def _understand(self, *args: Any, **kwargs: Any) -> Query:
        return super()._understand(*args, **kwargs).model_copy(update={"scope": Scope()})
