"""Paths, folders and patterns → the files to load, and how far loading has come."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from glob import has_magic
from pathlib import Path
from typing import BinaryIO, NamedTuple

from qa.loaders.input_file import hidden, ids
from qa.types import Skipped

NO_FILE = "neither a file nor a folder"
STANDARD_INPUT = "-"
PATIENCE = 2.0
"""Seconds that may be spent on adding up how many bytes there are to load."""


class File(NamedTuple):
    """A file on disk."""

    path: Path
    name: str
    """Its path below what was named."""
    id: str
    """The name without its extension."""
    size: int
    """In bytes."""


def walk(path: Path) -> Iterator[File | Skipped]:
    """Yield the file, the files in the folder and below, or what a pattern matches; in a stable order.

    Hidden files are left out. Inside a folder only links to files of the same folder are followed, so that
    nothing outside it is loaded and a link cannot lead round in circles.
    """
    try:
        if path.is_dir():
            yield from _folder(path)
        elif path.is_file():
            yield File(path, path.name, ids([path.name])[0], path.stat().st_size)
        elif path.exists():
            yield Skipped(str(path), NO_FILE)
        elif has_magic(str(path)):
            yield from _pattern(path)
        else:
            yield Skipped(str(path), "no such file or folder")
    except OSError as error:
        yield Skipped(str(path), f"cannot be opened: {error.strerror}")
    except ValueError as error:
        yield Skipped(str(path), f"cannot be matched: {error}")


def _folder(root: Path) -> Iterator[File | Skipped]:
    real = os.path.realpath(root)
    waiting = _entries(root, "")
    if not waiting:
        yield Skipped(str(root), "the folder holds no files")
    while waiting:
        name, article_id, is_folder = waiting.pop()
        path = root / name
        try:
            if is_folder:
                waiting += _entries(root, name)
            elif why := _refused(path, real):
                yield Skipped(str(path), why)
            else:
                yield File(path, name, article_id, path.stat().st_size)
        except OSError as error:
            yield Skipped(str(path), f"cannot be opened: {error.strerror}")


def _entries(root: Path, folder: str) -> list[tuple[str, str, bool]]:
    """Return a folder's entries in reverse order: path below the root, id, whether it is a folder."""
    with os.scandir(root / folder) as entries:
        found = sorted((e.name, e.is_dir(follow_symlinks=False)) for e in entries if not hidden(e.name))
    files = [name for name, is_folder in found if not is_folder]
    stems = dict(zip(files, ids(files), strict=True))
    above = f"{folder}/" if folder else ""
    return [(above + name, above + stems.get(name, ""), is_folder) for name, is_folder in reversed(found)]


def _refused(path: Path, root: str) -> str | None:
    if not path.is_symlink():
        return None if path.is_file() else NO_FILE
    target = Path(os.path.realpath(path))
    if target.is_dir():
        return "a link to a folder: name it itself to have it read"
    if not target.is_file():
        return "a link that leads to no file"
    if not target.is_relative_to(root):
        return "a link that leads out of the folder: name it itself to have it read"
    return None


def _pattern(pattern: Path) -> Iterator[File | Skipped]:
    """Yield what matches; a name begins at the pattern's first wildcard. ``**`` matches files only."""
    parts = pattern.parts
    first = next(number for number, part in enumerate(parts) if has_magic(part))
    base = Path(*parts[:first])
    rest = Path(*parts[first:], *(["*"] if parts[-1] == "**" else []))
    found = [
        path
        for path in sorted(base.glob(str(rest)))
        if not hidden(path.relative_to(base).as_posix()) and not ("**" in parts and path.is_dir())
    ]
    if not found:
        yield Skipped(str(pattern), "no file matches")
    names = [path.relative_to(base).as_posix() for path in found]
    for path, name, article_id in zip(found, names, ids(names), strict=True):
        if path.is_dir():
            for item in _folder(path):
                if isinstance(item, File):
                    item = item._replace(name=f"{name}/{item.name}", id=f"{name}/{item.id}")
                yield item
        elif why := _refused(path, os.path.realpath(base)):
            yield Skipped(str(path), why)
        else:
            yield File(path, name, article_id, path.stat().st_size)


class Survey:
    """What one run has loaded so far, in bytes, and which files it could not load in full."""

    def __init__(self) -> None:
        self.total: int | None = None
        """Bytes of all files; ``None`` where that is not known."""
        self.incomplete: set[str] = set()
        """Files and folders that could not be loaded in full."""
        self._finished = 0
        self._stream: BinaryIO | None = None

    def measure(self, paths: Iterable[str | Path]) -> None:
        """Add up the bytes of all files below the paths, unless that takes longer than ``PATIENCE``."""
        started, total = time.monotonic(), 0
        for path in paths:
            if str(path) == STANDARD_INPUT:
                return
            for file in walk(Path(path)):
                total += file.size if isinstance(file, File) else 0
                if time.monotonic() - started > PATIENCE:
                    return
        self.total = total

    @property
    def done(self) -> int:
        """Bytes loaded so far."""
        in_stream = 0 if self._stream is None or self._stream.closed else self._stream.tell()
        return self._finished + in_stream

    def opened(self, stream: BinaryIO) -> BinaryIO:
        """Count the bytes read from this stream, which is a file on disk, from now on."""
        self._stream = stream
        return stream

    def finished(self, file: File) -> None:
        """Count a whole file as loaded, however much of it was read."""
        self._stream = None
        self._finished += file.size
