"""Owns what ``add(..., prune=True)`` removes: articles that are no longer in the files they were loaded from."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import groupby, islice
from pathlib import Path

from qa.errors import InputError
from qa.ingest.progress import IngestProgress
from qa.loaders.walk import STANDARD_INPUT, Survey
from qa.storage.database import Database
from qa.types import Article

BATCH = 1_000
"""Articles that are removed in one transaction."""


class Pruner:
    """Notes which articles a run finds in which files, and afterwards removes those that it did not find again.

    Only articles loaded from the files and folders named are looked at. An article that was also loaded from elsewhere
    stays, and so do the articles of a file or folder that could not be loaded in full.
    """

    def __init__(self, inputs: Iterable[str | Path | Article]) -> None:
        """Begin a run.

        Raises:
            InputError: An input is neither a file nor a folder.
        """
        self._places = [_place(given) for given in inputs]
        self._found = sqlite3.connect("", check_same_thread=False)  # a temporary file, gone when it is closed
        self._found.execute("CREATE TABLE found (file TEXT, id TEXT, PRIMARY KEY (file, id)) WITHOUT ROWID")

    def note(self, file: str, article_id: str) -> None:
        """Note that an article is in a file."""
        self._found.execute("INSERT OR IGNORE INTO found VALUES (?, ?)", (file, article_id))

    def prune(self, database: Database, survey: Survey, progress: IngestProgress) -> None:
        """Remove what was not found again; call it after a run that loaded everything."""
        with closing(self._found):
            for place in self._places:
                for file, rows in groupby(self._missing(database, place), key=lambda row: row[0]):
                    ids = (article_id for _, article_id in rows)
                    if any(_below(file, incomplete) for incomplete in survey.incomplete):
                        kept = sum(1 for _ in ids)
                        articles = "1 article that was" if kept == 1 else f"{kept:,} articles that were"
                        progress.skip(file, f"not read in full, so {articles} not found in it this time stay")
                        continue
                    while batch := list(islice(ids, BATCH)):
                        progress.removed += _removed(database, file, batch)

    def _missing(self, database: Database, place: str) -> Iterator[tuple[str, str]]:
        with database.read() as transaction:
            for file, article_id in transaction.seen_below(place):
                known = self._found.execute(
                    "SELECT 1 FROM found WHERE file = ? AND id = ?", (file, article_id)
                )
                if known.fetchone() is None:
                    yield file, article_id


def _removed(database: Database, file: str, ids: Iterable[str]) -> list[str]:
    """Remove articles unless they are in another file too; return which ones were removed."""
    with database.write() as transaction:
        return [each for each in ids if transaction.forget(file, each) and transaction.remove(each)]


def _place(given: str | Path | Article) -> str:
    if isinstance(given, Article) or str(given) == STANDARD_INPUT or not Path(given).exists():
        what = f"article {given.id!r}" if isinstance(given, Article) else repr(str(given))
        raise InputError(
            f"prune: {what} is neither a file nor a folder. Name those whose articles to compare."
        )
    return os.path.realpath(given)


def _below(file: str, place: str) -> bool:
    return file == place or file.startswith(place.rstrip(os.sep) + os.sep)
