"""What is written for use elsewhere: mentions as CSV and JSON, and what it takes to check an answer later."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from qa.archive import Archive
from qa.errors import ArchiveError, ArticleNotFound
from qa.text.characters import without_control
from qa.types import Answer, Article, Frozen, Occurrences

COLUMNS = "article_id title source published field start end quote sentence url text_sha256".split()
"""Columns of the table of mentions."""
_FORMULA = re.compile(r"[\s\u200b-\u200f\ufeff]*[=+\-@＝＋－＠\t\r|%]")


def csv_lines(found: Occurrences) -> Iterator[str]:
    """Yield the mentions as CSV (RFC 4180), with a line of column names first.

    A cell that a spreadsheet would take for a formula gets a leading ``'``, as OWASP's "CSV Injection" advises.
    """
    for row in (COLUMNS, *([_cell(getattr(o, name)) for name in COLUMNS] for o in found.occurrences)):
        line = io.StringIO()
        csv.writer(line).writerow(row)
        yield line.getvalue()


def json_text(found: Occurrences) -> str:
    """Return the mentions as JSON, with the exact counts and what was looked through."""
    data = found.model_dump(mode="json")
    data["count"] = len(found)
    return json.dumps(data, ensure_ascii=False, indent=1)


def _cell(value: object) -> str:
    if value is None or isinstance(value, int):
        return "" if value is None else str(value)
    text = without_control(str(value))
    return f"'{text}" if _FORMULA.match(text) else text


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
    articles: dict[str, Article] = {}
    for citation in answer.cited:
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
