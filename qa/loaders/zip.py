"""ZIP archives → the files inside. Nothing is unpacked to disk."""

from __future__ import annotations

import io
import re
import stat
import struct
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import BinaryIO, cast

from qa.loaders.input_file import InputFile, hidden, ids
from qa.loaders.limits import MIB, Budget, Metered, Unreadable
from qa.types import Skipped

MAX_DIRECTORY = 64 * MIB
"""Bytes the list of members may have: enough for half a million members."""
_ENCRYPTED, _NAMED_IN_UTF8 = 0x1, 0x800
_END, _END64, _IN_END64 = b"PK\x05\x06", b"PK\x06\x06", 0xFFFFFFFF
_HAN_WORD = re.compile(r"[\u4e00-\u9fff]{2}")
_OUTSIDE = re.compile(r"/|[A-Za-z]:|(?:.*/)?\.\.(?:/|$)", re.S)


def load_zip(file: InputFile) -> Iterator[InputFile | Skipped]:
    """Yield the files inside; hidden files are left out, as in a folder."""
    with file.seekable() as stream:
        _check_directory(stream)
        with zipfile.ZipFile(stream) as archive:
            members = [
                (name, member)
                for member in archive.infolist()
                if not member.is_dir() and not hidden(name := _name(member))
            ]
            if not members:
                yield file.skipped("the archive holds no files")
            for (name, member), below in zip(members, ids([name for name, _ in members]), strict=True):
                where = f"{file.where}/{name}"
                if why := _refused(name, member):
                    yield Skipped(where, why)
                else:
                    yield file.member(
                        f"{file.name}/{name}",
                        partial(_opened, archive, member, file.budget),
                        id=f"{file.name}/{below}",
                        where=where,
                    )


def _refused(name: str, member: zipfile.ZipInfo) -> str | None:
    if _OUTSIDE.match(name):
        return "its name leads out of the archive"
    if stat.S_ISLNK(member.external_attr >> 16):
        return "a link, not a file"
    if member.flag_bits & _ENCRYPTED:
        return "encrypted: unpack it with its password and add the file"
    return None


def _opened(archive: zipfile.ZipFile, member: zipfile.ZipInfo, budget: Budget) -> BinaryIO:
    return io.BufferedReader(Metered(cast(BinaryIO, archive.open(member)), budget))


def _name(member: zipfile.ZipInfo) -> str:
    """Return a member's name; :mod:`zipfile` reads one whose encoding is not stated as code page 437."""
    name = member.filename
    if not member.flag_bits & _NAMED_IN_UTF8 and not name.isascii():
        packed = name.encode("cp437")
        with suppress(UnicodeError):
            chinese = packed.decode("gb18030")
            name = chinese if _HAN_WORD.search(chinese) else name
        with suppress(UnicodeError):
            name = packed.decode("utf-8")
    return name.replace("\\", "/")


def _check_directory(file: BinaryIO) -> None:
    """Refuse a list of members that is too long, because :mod:`zipfile` reads all of it at once."""
    end = file.seek(0, io.SEEK_END)
    file.seek(max(0, end - (1 << 16) - 100))
    tail = file.read()
    sizes = [struct.unpack_from("<I", tail, at + 12)[0] for at in _places(tail, _END, 22)]
    sizes += [struct.unpack_from("<Q", tail, at + 40)[0] for at in _places(tail, _END64, 56)]
    if any(MAX_DIRECTORY < size < end and size != _IN_END64 for size in sizes):
        raise Unreadable(f"its list of members is larger than {MAX_DIRECTORY // MIB} MiB: split the archive")


def _places(tail: bytes, mark: bytes, size: int) -> Iterator[int]:
    at = tail.find(mark)
    while 0 <= at <= len(tail) - size:
        yield at
        at = tail.find(mark, at + 1)
