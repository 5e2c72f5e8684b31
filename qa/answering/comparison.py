"""A question about several articles ("the report from A … and the one from B") → a sentence from each."""

from __future__ import annotations

from collections.abc import Sequence

from qa.answering.citations import Quote
from qa.answering.models import Models
from qa.answering.selector import Selector
from qa.query.encoded_query import EncodedQuery
from qa.retrieval.fusion import boost
from qa.retrieval.retriever import ScoredPassage
from qa.storage.keyword_index import KeywordIndex


def from_each(
    asked: EncodedQuery,
    passages: Sequence[ScoredPassage],
    keywords: KeywordIndex,
    models: Models,
) -> list[Quote]:
    """Return the sentence nearest to each part of a question, from the articles that the part names.

    Sentences are compared by words and meaning alone: a part is a clause, not a question a reader could
    answer. None where the question speaks of one article.

    Args:
        asked: The whole question.
        passages: Those found for it, best first.
        keywords: The keyword index.
        models: What sentences are judged with.
    """
    by_meaning = models.without_reader()
    quotes = []
    for part in asked.parts():
        fits = [boost(part.mentions, article.source, article.published) for _, _, article in passages]
        meant = [located for located, fit in zip(passages, fits, strict=True) if fit == max(fits)]
        if found := Selector(part, keywords, by_meaning).select(meant):
            quotes.append(Quote(found[0].article, found[0].start, found[0].end))
    return quotes
