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

from qa.loaders.input_file import InputFile
from qa.loaders.limits import Metered


def _open_zstd(packed: BinaryIO) -> Any:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd

    return zstd.open(packed)


def _decompressing(expand: Callable[[BinaryIO], Any]) -> Callable[[InputFile], Iterator[InputFile]]:
    """Return the loader of a format; ``expand`` turns a stream of compressed bytes into the bytes inside."""

    def load(file: InputFile) -> Iterator[InputFile]:
        def opened() -> BinaryIO:
            packed = file.open()
            try:
                return io.BufferedReader(Metered(expand(packed), file.budget, packed))
            except BaseException:
                packed.close()
                raise

        yield file.member(file.name.removesuffix(PurePosixPath(file.name).suffix), opened)

    return load


load_gzip = _decompressing(gzip.open)
load_bzip2 = _decompressing(bz2.open)
load_xz = _decompressing(lzma.open)
load_zstd = _decompressing(_open_zstd)
