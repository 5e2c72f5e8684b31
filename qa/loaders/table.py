"""CSV and TSV → articles: one row each."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import TextIO

from qa.loaders import encoding
from qa.loaders.limits import MAX_BYTES, MIB, Unreadable
from qa.loaders.loaded import LoadedArticle
from qa.loaders.records import read_row, require_text
from qa.loaders.source import InputFile
from qa.types import Skipped

DELIMITERS = ",;\t|"


def read_csv(source: InputFile) -> Iterator[LoadedArticle | Skipped]:
    """Yield an article for each row; the first line names the columns and shows what divides them."""
    yield from _read(source, None)


def read_tsv(source: InputFile) -> Iterator[LoadedArticle | Skipped]:
    """Yield an article for each row of a table divided by tabs."""
    yield from _read(source, "\t")


def _read(source: InputFile, delimiter: str | None) -> Iterator[LoadedArticle | Skipped]:
    csv.field_size_limit(MAX_BYTES)  # the default, 128 KiB, is less than some articles have
    with source.open() as stream:
        buffered = io.BufferedReader(stream, encoding.SAMPLE)  # type: ignore[type-var]
        codec = encoding.detect(buffered.peek(encoding.SAMPLE))
        if codec is None:
            raise Unreadable("binary data, not text")
        text = io.TextIOWrapper(buffered, codec, "replace", newline="")
        lines = _lines(text)
        first = next(lines, "")
        delimiter = delimiter or max(DELIMITERS, key=first.count)
        header = [name.strip() for name in next(csv.reader([first], delimiter=delimiter), [])]
        require_text(source, header)
        rows = csv.reader(lines, delimiter=delimiter)
        while True:
            try:
                row = next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                raise Unreadable(f"line {rows.line_num + 1}: {error}; the rest is not read") from None
            number = rows.line_num + 1
            if not any(row):
                continue
            if len(row) > len(header):
                yield source.skipped(
                    f"{len(row)} values for {len(header)} columns: is one of them not in quotes?", number
                )
            else:
                yield read_row({k: v for k, v in zip(header, row, strict=False) if v}, source, number)


def _lines(text: TextIO) -> Iterator[str]:
    while line := text.readline(MAX_BYTES):
        if len(line) == MAX_BYTES:
            raise Unreadable(f"a line of more than {MAX_BYTES // MIB} MiB; the rest is not read")
        yield line
