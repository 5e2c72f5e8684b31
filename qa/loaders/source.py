"""What a reader is given: one file, wherever it lies."""

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
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from qa.loaders import encoding, limits
from qa.loaders.limits import Budget, Unreadable
from qa.loaders.loaded import LoadedArticle, found
from qa.types import Skipped

if TYPE_CHECKING:
    from qa.loaders.sandbox import Child

_ENDING = re.compile(r"(?<=[^/])(?:\.[A-Za-z0-9]{1,10})?(?:\.(?:gz|bz2|xz|zst))?$", re.I)
HEAD = 4096
"""Bytes from which a format is told."""
IN_MEMORY = 8 * limits.MIB
"""Bytes of a copy that are held in memory; the others go to a temporary file."""


@dataclass(frozen=True, kw_only=True)
class InputFile:
    """One file: on disk, inside another file, or on standard input.

    Its methods read within the bounds of :mod:`qa.loaders.limits` and raise
    :class:`~qa.loaders.limits.Unreadable`, whose text becomes the reason why the file was skipped.
    """

    name: str
    """Its path below the folder or archive that was named, with the extension."""
    id: str
    """The id of its article, where the format carries none; empty where there is no name to go by."""
    where: str
    """What the user calls it."""
    opener: Callable[[], BinaryIO]
    budget: Budget
    path: Path | None = None
    """Where it lies on disk, if it is a file of its own there."""
    origin: str | None = None
    """The file on disk that named it."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """The column or key in which each field of an article is looked for."""
    given: Mapping[str, Any] = field(default_factory=dict)
    """Fields known from outside, such as a page's address; what the file itself states goes first."""
    charset: str | None = None
    """Its encoding as declared from outside."""
    child: Child | None = None
    """The process that parses what may hang or crash."""
    reader: Reader | None = None
    """What reads it, where its name does not tell."""

    @property
    def extension(self) -> str:
        """What tells the format: the name's last extension in lower case, without a query (``.html?page=2``)."""
        return PurePosixPath(self.name.split("?")[0]).suffix.lower()

    def open(self) -> BinaryIO:
        """Open it as a stream of bytes, to be closed by the caller."""
        return self.opener()

    def begun(self) -> tuple[bytes, InputFile]:
        """Return its first bytes, and the source to read instead: a stream may be open but once."""
        if self.path:
            with self.open() as file:
                return file.read(HEAD), self
        stream = io.BufferedReader(self.open(), HEAD)  # type: ignore[type-var]
        return stream.peek(), replace(self, opener=lambda: stream)

    def read(self, limit: int = limits.MAX_BYTES) -> bytes:
        """Return all its bytes."""
        with self.open() as stream:
            data = stream.read(limit + 1)
        if len(data) > limit:
            raise Unreadable(f"larger than the {limit // limits.MIB} MiB that one article's file may have")
        return data

    def text(self) -> str:
        """Return its text, in whatever encoding it is; line ends become line feeds."""
        text = encoding.decode(self.read(), self.charset)
        if text is None:
            raise Unreadable("binary data, not text")
        if not text.strip():
            raise Unreadable("the file is empty")
        return text

    @contextmanager
    def seekable(self) -> Iterator[BinaryIO]:
        """Open it for reading in any order; what does not lie on disk by itself is copied aside."""
        if self.path:
            with self.open() as file:
                yield file
            return
        with tempfile.SpooledTemporaryFile(IN_MEMORY) as copy:
            with self.open() as stream:
                limits.copied(stream, cast(BinaryIO, copy), self._room())
            copy.seek(0)
            yield cast(BinaryIO, copy)

    @staticmethod
    def _room() -> int:
        return min(limits.MAX_SPOOLED, shutil.disk_usage(tempfile.gettempdir()).free // 2)

    def article(self, **fields: Any) -> LoadedArticle:
        """Return the file's article; a field that is empty is taken from what is known from outside."""
        stated = {name: value for name, value in fields.items() if value not in (None, "")}
        stated["extra"] = {**self.given.get("extra", {}), **fields.get("extra", {})}
        return found({"id": self.id, **self.given, **stated}, self.origin)

    def skipped(self, why: str, line: int | None = None) -> Skipped:
        """Return why the file, or one line of it, is skipped."""
        return Skipped(self.where if line is None else f"{self.where}:{line}", why)

    def member(self, name: str, opener: Callable[[], BinaryIO], **changes: Any) -> InputFile:
        """Return a source inside this one; its bytes count against the budget of the file on disk."""
        return replace(self, **{"name": name, "opener": opener, "path": None, "reader": None, **changes})


Reader = Callable[[InputFile], Iterator["LoadedArticle | Skipped | InputFile"]]
"""Yields the articles of a file, why something is skipped, and the files inside it, which are read in turn."""


def hidden(name: str) -> bool:
    """Whether a file is left out: it, or a folder above it, has a name that begins with a dot."""
    return any((part.startswith(".") and part != "..") or part == "__MACOSX" for part in name.split("/"))


def ids(names: Sequence[str]) -> list[str]:
    """Return names without extensions; names that differ in nothing else keep them."""
    bare = [_ENDING.sub("", name) for name in names]
    counts = Counter(bare)
    return [stem if counts[stem] == 1 else name for stem, name in zip(bare, names, strict=True)]
