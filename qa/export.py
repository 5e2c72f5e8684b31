"""What it takes to check an answer later: the articles it cites in full, their checksums, what answered."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from qa.archive import Archive
from qa.errors import ArchiveError, ArticleNotFound
from qa.types import Answer, Article, Frozen


class EvidencePack(Frozen):
    """An answer with everything it rests on."""

    answer: Answer
    articles: tuple[Article, ...]
    """Each article cited, in the order of the citations, in the revision that is cited."""
    generation: int
    """How many changes the archive had seen."""
    model: str
    fingerprint: str
    """The embedding model and what tells it from any other."""
    reader: str | None
    program: str


def gather(archive: Archive, answer: Answer) -> EvidencePack:
    """Collect what an answer rests on.

    Raises:
        ArchiveError: The archive has changed since it answered.
    """
    cited = [*answer.citations, *([answer.closest] if answer.closest else [])]
    articles: dict[str, Article] = {}
    for citation in cited:
        try:
            article = articles.get(citation.article_id) or archive.get(citation.article_id)
        except ArticleNotFound:
            article = None
        if article is None or article.text_sha256 != citation.text_sha256:
            raise ArchiveError("The archive has changed since the question was answered. Ask it again.")
        articles[article.id] = article
    facts = archive.describe()
    reader = archive.reader
    return EvidencePack(
        answer=answer,
        articles=tuple(articles.values()),
        generation=int(facts["generation"]),
        model=str(facts["model"]),
        fingerprint=str(facts["fingerprint"]),
        reader=reader.fingerprint if reader else None,
        program=_program(),
    )


def _program() -> str:
    try:
        return f"archive-qa {version('archive-qa')}"
    except PackageNotFoundError:
        return "archive-qa (from a checkout)"
