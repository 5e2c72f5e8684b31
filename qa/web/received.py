"""Articles that people send: stored aside under names of our own, read as ``qa index`` reads, added."""

from __future__ import annotations

import re
import shutil
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from qa.archive import Archive
from qa.errors import InputError
from qa.loaders.limits import Unreadable
from qa.loaders.loaded import make_article
from qa.loaders.registry import load_paths
from qa.types import Article, IngestReport, Progress, Skipped

MOST_FILES = 500
_LONGEST_NAME = 100


def store(files: Sequence[tuple[str, BinaryIO]], folder: Path) -> None:
    """Write files into a folder, each under what is harmless of its name; no two under the same."""
    taken: set[str] = set()
    for name, content in files:
        stem, dot, extension = safe_name(name).partition(".")
        free, number = f"{stem}{dot}{extension}", 1
        while free.casefold() in taken:
            number += 1
            free = f"{stem}-{number}{dot}{extension}"
        taken.add(free.casefold())
        with (folder / free).open("xb") as file:
            shutil.copyfileobj(content, file)


def safe_name(name: str) -> str:
    """Return the last part of a file's name, of letters, digits, ``-`` and ``_``, with its extensions."""
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", name))[-1]
    parts = [re.sub(r"[^\w-]+", "_", part).strip("_") for part in last.split(".")]
    stem = parts[0][:_LONGEST_NAME] or "article"
    return ".".join([stem, *(part[:10] for part in parts[1:][-2:] if part)])


def pasted(fields: Mapping[str, str]) -> Article | None:
    """Make an article of text that was pasted, with title, source, date and address; ``None`` without text.

    Raises:
        InputError: A field does not fit.
    """
    given = {name: value.strip() for name, value in fields.items() if value.strip()}
    if "text" not in given:
        return None
    try:
        return make_article(given).article
    except Unreadable as error:
        raise InputError(f"The text cannot be added: {error}.") from None


def add(
    archive: Archive, text: Article | None, folder: Path, progress: Callable[[Progress], None] | None = None
) -> IngestReport:
    """Add a pasted article and the files of a folder; say what was skipped by the files' names.

    Raises:
        InputError: There is nothing to add.
        ArchiveError: The archive cannot be written just now.
    """
    skipped: list[Skipped] = []
    files = [folder] if any(folder.iterdir()) else []

    def articles() -> Iterator[Article]:
        if text:
            yield text
        for item in load_paths(files):
            if isinstance(item, Skipped):
                where, why = (part.replace(f"{folder}/", "").replace(str(folder), "") for part in item)
                skipped.append(Skipped(where, why))
            else:
                yield item.article

    try:
        report = archive.add(articles(), progress=progress)
    except InputError:
        if not skipped:
            raise
        report = IngestReport()
    return report.model_copy(update={"skipped": [*report.skipped, *skipped]})
