"""Files → articles. One small module a format, registered by extension in :data:`READERS`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from qa.readers.found import Found
from qa.readers.jsonl import read_jsonl
from qa.readers.text import read_text
from qa.types import Skipped

Reader = Callable[[Path, str], Iterator[Found | Skipped]]
"""Takes a file and the id its article gets (formats that carry ids ignore it)."""

READERS: dict[str, Reader] = {
    ".txt": read_text,
    ".md": read_text,
    ".jsonl": read_jsonl,
}


def read_paths(paths: Iterable[str | Path]) -> Iterator[Found | Skipped]:
    """Read files and folders (recursively), in a stable order.

    Nothing raises: what cannot be read is yielded as :class:`~qa.types.Skipped` with its reason, and
    the rest goes on. An article's id is its path below the folder named, without the extension; the
    extension stays where two files differ in nothing else.
    """
    files: list[tuple[Path, str]] = []
    for path in map(Path, paths):
        try:
            if path.is_dir():
                found = sorted(p for p in path.rglob("*") if p.is_file() and not _hidden(p, path))
                files.extend((p, p.relative_to(path).as_posix()) for p in found)
                if not found:
                    yield Skipped(str(path), "the folder holds no files")
            elif path.is_file():
                files.append((path, path.name))
            elif path.exists():
                yield Skipped(str(path), "neither a file nor a folder")
            else:
                yield Skipped(str(path), "no such file or folder")
        except OSError as error:
            yield Skipped(str(path), f"cannot be opened: {error.strerror}")
    bare = Counter(name.removesuffix(path.suffix) for path, name in files)
    for path, name in files:
        stem = name.removesuffix(path.suffix)
        yield from read_file(path, stem if bare[stem] == 1 else name)


def read_file(path: Path, article_id: str) -> Iterator[Found | Skipped]:
    """Read one file with the reader its extension names."""
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        known = " ".join(sorted(READERS))
        yield Skipped(
            str(path), f"no reader for {path.suffix or 'files without an extension'} (known: {known})"
        )
        return
    try:
        yield from reader(path, article_id)
    except OSError as error:
        yield Skipped(str(path), f"cannot be read: {error.strerror or error}")


def _hidden(path: Path, below: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(below).parts)
