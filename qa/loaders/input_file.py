"""What a loader is given: one file, on disk, inside another file, or on standard input."""

from __future__ import annotations

import io
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, cast

from qa.loaders import encoding, limits
from qa.loaders.limits import Budget, Unreadable
from qa.loaders.loaded import LoadedArticle, make_article
from qa.types import Skipped

HEAD = 4096
"""Bytes from which the format of a file is told."""
IN_MEMORY = 8 * limits.MIB
"""Bytes up to which a copy of a file is held in memory; a larger copy goes to a temporary file."""

_ENDING = re.compile(r"(?<=[^/])(?:\.[A-Za-z0-9]{1,10})?(?:\.(?:gz|bz2|xz|zst))?$", re.I)


@dataclass(frozen=True, kw_only=True)
class InputFile:
    """One file: on disk, inside another file, or on standard input.

    Its methods keep to :mod:`qa.loaders.limits` and raise :class:`~qa.loaders.limits.Unreadable`, whose text
    becomes the reason why the file was skipped.
    """

    name: str
    """Its path below the folder or archive that was named, with the extension."""
    id: str
    """The id of its article, where the format carries none; empty where there is no name to take it from."""
    where: str
    """How it is named to the user."""
    open: Callable[[], BinaryIO]
    """Opens it as a stream of bytes, to be closed by the caller."""
    budget: Budget
    path: Path | None = None
    """Where it is on disk, unless it is inside another file or on standard input."""
    origin: str | None = None
    """The file on disk that it is, or is inside of."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """The column or key that holds each field of an article, where it has another name."""
    given: Mapping[str, Any] = field(default_factory=dict)
    """Fields known from outside, such as a page's address; what the file itself states comes first."""
    charset: str | None = None
    """Its encoding as declared from outside."""
    parse_apart: ParseApart | None = None
    """Runs a loader on this file in a process of its own."""
    loader: Loader | None = None
    """What loads it, where the extension does not say."""

    @property
    def extension(self) -> str:
        """The name's last extension in lower case, without a query (``.html?page=2``)."""
        return PurePosixPath(self.name.split("?")[0]).suffix.lower()

    def peek(self) -> tuple[bytes, InputFile]:
        """Return its first bytes, and the file to load instead, because a stream can be opened only once."""
        if self.path:
            with self.open() as on_disk:
                return on_disk.read(HEAD), self
        stream = io.BufferedReader(self.open(), HEAD)  # type: ignore[type-var]
        return stream.peek(), replace(self, open=lambda: stream)

    def read(self, limit: int = limits.MAX_BYTES) -> bytes:
        """Return all its bytes."""
        with self.open() as stream:
            data = stream.read(limit + 1)
        if len(data) > limit:
            raise Unreadable(f"larger than the {limit // limits.MIB} MiB that one article's file may have")
        return data

    def text(self) -> str:
        """Return its text, decoded from whatever encoding it has; line ends become line feeds."""
        text = encoding.decode(self.read(), self.charset)
        if text is None:
            raise Unreadable("binary data, not text")
        if not text.strip():
            raise Unreadable("the file is empty")
        return text

    @contextmanager
    def seekable(self) -> Iterator[BinaryIO]:
        """Open it for reading in any order; a stream is copied to memory or a temporary file first."""
        if self.path:
            with self.open() as on_disk:
                yield on_disk
            return
        room = min(limits.MAX_SPOOLED, shutil.disk_usage(tempfile.gettempdir()).free // 2)
        with tempfile.SpooledTemporaryFile(IN_MEMORY) as spooled:
            copy = cast(BinaryIO, spooled)
            with self.open() as stream:
                limits.copied(stream, copy, room)
            copy.seek(0)
            yield copy

    def article(self, **fields: Any) -> LoadedArticle:
        """Return the file's article; a field that is empty is taken from what is known from outside."""
        stated = {name: value for name, value in fields.items() if value not in (None, "")}
        stated["extra"] = {**self.given.get("extra", {}), **fields.get("extra", {})}
        return make_article({"id": self.id, **self.given, **stated}, self.origin)

    def skipped(self, why: str, line: int | None = None) -> Skipped:
        """Return why the file, or one line of it, is skipped."""
        return Skipped(self.where if line is None else f"{self.where}:{line}", why)

    def member(self, name: str, open: Callable[[], BinaryIO], **changes: Any) -> InputFile:
        """Return a file inside this one; its bytes count against the budget of the file on disk."""
        return replace(self, **{"name": name, "open": open, "path": None, "loader": None, **changes})


Loader = Callable[[InputFile], Iterator[LoadedArticle | Skipped | InputFile]]
"""Yields the articles of a file, why something is skipped, and the files inside it, which are loaded in turn."""
DocumentLoader = Callable[[InputFile], Iterator[LoadedArticle | Skipped]]
"""Loads a file that has no files inside."""
ParseApart = Callable[[DocumentLoader, InputFile, bytes, int], list[LoadedArticle | Skipped]]
"""Takes a loader, its file, the file's bytes, and the seconds it may take; returns what the loader yields."""


def hidden(name: str) -> bool:
    """Whether a file is left out because its name, or that of a folder above it, begins with a dot."""
    return any((part.startswith(".") and part != "..") or part == "__MACOSX" for part in name.split("/"))


def ids(names: Sequence[str]) -> list[str]:
    """Return names without extensions; names that differ only in the extension keep it."""
    bare = [_ENDING.sub("", name) for name in names]
    counts = Counter(bare)
    return [stem if counts[stem] == 1 else name for stem, name in zip(bare, names, strict=True)]
