"""The articles of an archive: its folder made and opened, what it holds, and views of its present state."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self, TypeVar

from embeddings import Encoder
from qa.errors import ArticleNotFound
from qa.settings import Settings
from qa.storage import folder, stories
from qa.storage.database import Database
from qa.storage.generations import Generations
from qa.storage.view import View
from qa.types import Article, Copy, Coverage, Filters

Result = TypeVar("Result")


class Collection:
    """A folder with a database and the indexes derived from it. Safe to use from several threads."""

    def __init__(
        self, path: Path, database: Database, settings: Settings, encoder: Encoder | None = None
    ) -> None:
        self.path = path
        self.settings = settings
        self._database = database
        self._generations = Generations(path, database)
        self._encoder = encoder

    @classmethod
    def create(cls, path: str | Path, model: str | None = None, *, settings: Settings | None = None) -> Self:
        """Make an empty archive.

        Args:
            path: A folder that does not exist yet, or is empty.
            model: The embedding model; by default ``settings.model``, else the bundled one.
            settings: By default read from the environment.

        Raises:
            ArchiveExists: Something is there already.
            ArchiveReadOnly: The folder cannot be made.
        """
        path, settings = Path(path), settings or Settings.from_environ()
        database, encoder = folder.make(path, model or settings.model, settings)
        archive = cls(path, database, settings, encoder)
        with archive._generations.writing("making the archive"):
            pass
        return archive

    @classmethod
    def open(cls, path: str | Path, *, settings: Settings | None = None) -> Self:
        """Open an archive.

        Raises:
            ArchiveNotFound: There is none at the path.
            ArchiveIncompatible: Another model or a newer version made it.
            ArchiveDamaged: Its database cannot be read.
        """
        path, settings = Path(path), settings or Settings.from_environ()
        database = folder.find(path)
        archive = cls(path, database, settings)
        if not database.check():
            with archive._generations.writing("upgrading the archive"):
                database.upgrade()
        folder.check(path, database, settings)
        return archive

    def close(self) -> None:
        """Close the files; the archive is not used afterwards."""
        self._generations.close()
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def writable(self) -> bool:
        """Whether its folder can be written."""
        return self._database.writable

    def __len__(self) -> int:
        """Return the number of articles."""
        return self.coverage().articles

    def __iter__(self) -> Iterator[Article]:
        """Yield the articles in the order they were added."""
        with self._database.read() as transaction:
            yield from transaction.articles()

    def __contains__(self, article_id: object) -> bool:
        """Whether there is an article with that id."""
        with self._database.read() as transaction:
            return transaction.article(str(article_id)) is not None

    def get(self, article_id: str) -> Article:
        """Return an article.

        Raises:
            ArticleNotFound: There is none with that id.
        """
        with self._database.read() as transaction:
            article = transaction.article(article_id)
        if article is None:
            raise ArticleNotFound(f"The archive holds no article {article_id!r}.")
        return article

    def copies(self, article_id: str) -> tuple[Copy, ...]:
        """Return the other articles that tell an article's story, in the same words or nearly the same."""
        with self._database.read() as transaction:
            return stories.copies(transaction, article_id)

    def coverage(self, filters: Filters | None = None) -> Coverage:
        """Return how many articles there are, or a filter leaves, and the days they span."""
        with self._database.read() as transaction:
            return transaction.coverage(filters)

    @property
    def generation(self) -> int:
        """How many committed changes the articles have seen."""
        with self._database.read() as transaction:
            return transaction.generation

    def sources(self) -> list[str]:
        """Return the names of the articles' sources, the most frequent first."""
        with self._database.read() as transaction:
            return transaction.sources()

    def reading(self, work: Callable[[View], Result]) -> Result:
        """Do some reading in a view of the present state, which stays as it is until the work is done.

        The work is done again where an index turns out to be damaged and has been built anew.
        """
        return self._generations.reading(work)
