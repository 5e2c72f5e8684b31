"""Compressed files → the files inside: gzip, bzip2, xz, zstd."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import sys
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import Any, BinaryIO

from qa.loaders.limits import Metered
from qa.loaders.source import InputFile

Expands = Callable[[BinaryIO], Any]
"""Takes a stream of packed bytes and returns one of the bytes in it."""


def read_gzip(source: InputFile) -> Iterator[InputFile]:
    """Yield the file inside."""
    yield _inside(source, gzip.open)


def read_bzip2(source: InputFile) -> Iterator[InputFile]:
    """Yield the file inside."""
    yield _inside(source, bz2.open)


def read_xz(source: InputFile) -> Iterator[InputFile]:
    """Yield the file inside."""
    yield _inside(source, lzma.open)


def read_zstd(source: InputFile) -> Iterator[InputFile]:
    """Yield the file inside."""
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd

    yield _inside(source, zstd.open)


def _inside(source: InputFile, expands: Expands) -> InputFile:
    def opened() -> BinaryIO:
        packed = source.open()
        try:
            return io.BufferedReader(Metered(expands(packed), source.budget, packed))
        except BaseException:
            packed.close()
            raise

    return source.member(source.name.removesuffix(PurePosixPath(source.name).suffix), opened)
