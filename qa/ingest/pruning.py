"""Articles whose file, or place in it, is gone: what ``add(..., prune=True)`` removes."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import groupby, islice
from pathlib import Path

from qa.errors import InputError
from qa.ingest.progress import IngestProgress
from qa.loaders.registry import STANDARD_INPUT
from qa.loaders.survey import Survey
from qa.storage.database import Database
from qa.types import Article

BATCH = 1_000
"""Articles that are removed in one transaction."""


class Pruner:
    """Notes which articles a run finds in which files, and removes afterwards those that it did not find again.

    Only articles read from the files and folders named are looked at. One that was also read from elsewhere
    stays, and so do those of a file or folder that could not be read in full.
    """

    def __init__(self, sources: Iterable[str | Path | Article]) -> None:
        """Begin a run.

        Raises:
            InputError: A source is neither a file nor a folder.
        """
        self._places = [_place(source) for source in sources]
        self._found = sqlite3.connect("", check_same_thread=False)  # in a file that goes away with it
        self._found.execute("CREATE TABLE found (file TEXT, id TEXT, PRIMARY KEY (file, id)) WITHOUT ROWID")

    def note(self, file: str, article_id: str) -> None:
        """Note that an article stands in a file."""
        self._found.execute("INSERT OR IGNORE INTO found VALUES (?, ?)", (file, article_id))

    def prune(self, store: Database, survey: Survey, tally: IngestProgress) -> None:
        """Remove what was not found again, after a run that read everything."""
        with closing(self._found):
            for place in self._places:
                missing = self._missing(store, place)
                for file, rows in groupby(missing, key=lambda row: row[0]):
                    if any(_below(file, incomplete) for incomplete in survey.incomplete):
                        kept = sum(1 for _ in rows)
                        articles = "1 article that was" if kept == 1 else f"{kept:,} articles that were"
                        tally.skip(file, f"not read in full, so {articles} not found in it this time stay")
                        continue
                    while batch := list(islice(rows, BATCH)):
                        with store.write() as transaction:
                            for _, article_id in batch:
                                if transaction.forget(file, article_id) and transaction.remove(article_id):
                                    tally.removed.append(article_id)

    def _missing(self, store: Database, place: str) -> Iterator[tuple[str, str]]:
        with store.read() as transaction:
            for file, article_id in transaction.seen_below(place):
                known = self._found.execute(
                    "SELECT 1 FROM found WHERE file = ? AND id = ?", (file, article_id)
                )
                if known.fetchone() is None:
                    yield file, article_id


def _place(source: str | Path | Article) -> str:
    if isinstance(source, Article) or str(source) == STANDARD_INPUT or not Path(source).exists():
        what = f"article {source.id!r}" if isinstance(source, Article) else repr(str(source))
        raise InputError(
            f"prune: {what} is neither a file nor a folder. Name those whose articles to compare."
        )
    return os.path.realpath(source)


def _below(file: str, place: str) -> bool:
    return file == place or file.startswith(place.rstrip(os.sep) + os.sep)
