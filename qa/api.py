"""The one convenience function, over the default archive."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from qa.archive import Archive
from qa.errors import ArchiveReadOnly
from qa.settings import Settings
from qa.storage import database as store
from qa.text import chunking
from qa.types import Answer, Filters, Turn


def ask(
    question: str,
    archive: Archive | str | Path | None = None,
    history: Sequence[Turn] | None = None,
    filters: Filters | None = None,
) -> Answer:
    """Answer a question from an archive by verbatim quotes, or say that it does not.

    Args:
        question: In plain language.
        archive: An archive or its folder; by default the one that :func:`default_archive` gives.
        history: The conversation so far, oldest first.
        filters: Which articles to look at.

    Raises:
        QAError: The question is empty or the archive cannot be used; the message says what to do.
    """
    if not isinstance(archive, Archive):
        archive = _opened(Path(archive)) if archive else default_archive()
    return archive.ask(question, history=history, filters=filters)


def default_archive(settings: Settings | None = None) -> Archive:
    """Return the archive that ``QA_ARCHIVE`` names, or else one of the seed articles, built on first use."""
    return _default(settings or Settings.from_environ())


def seeds_folder() -> Path:
    """Return the folder of the seed articles: inside the installed package, or beside it in a checkout."""
    packaged = Path(__file__).parent / "seeds"
    return packaged if packaged.is_dir() else Path(__file__).parent.parent / "seeds"


@cache
def _opened(path: Path) -> Archive:
    return Archive.open(path)


@cache
def _default(settings: Settings) -> Archive:
    if settings.archive:
        return Archive.open(settings.archive, settings=settings)
    seeds = sorted(seeds_folder().glob("*.txt"))
    made_of = hashlib.sha256(f"{chunking.VERSION} {store.SCHEMA_VERSION} {settings.model}".encode())
    for seed in seeds:
        made_of.update(seed.read_bytes())
    path = settings.data_dir / f"seeds-{made_of.hexdigest()[:12]}"
    if path.is_dir():
        return Archive.open(path, settings=settings)
    from filelock import FileLock

    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        with FileLock(settings.data_dir / ".seeds.lock"):
            if not path.is_dir():
                aside = settings.data_dir / f".seeds-{uuid.uuid4().hex}"
                with Archive.create(aside, settings=settings) as archive:
                    archive.add(seeds_folder())
                aside.rename(path)
    except OSError as error:
        raise ArchiveReadOnly(
            f"The default archive cannot be made in {settings.data_dir} ({error.strerror}). Set QA_DATA_DIR."
        ) from None
    return Archive.open(path, settings=settings)
