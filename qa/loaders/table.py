"""CSV, TSV and Parquet → articles, one a row; only a few rows are held at a time."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from functools import partial
from typing import TextIO

from qa.loaders import encoding
from qa.loaders.input_file import InputFile
from qa.loaders.limits import MAX_BYTES, MIB, Unreadable
from qa.loaders.loaded import LoadedArticle
from qa.loaders.records import load_row, require_text
from qa.types import Skipped

DELIMITERS = ",;\t|"
PARQUET_ROWS = 16
"""Rows of Parquet that are held at a time."""


def load_csv(file: InputFile, delimiter: str | None = None) -> Iterator[LoadedArticle | Skipped]:
    """Yield an article for each row; the first line names the columns and shows which delimiter is used."""
    csv.field_size_limit(MAX_BYTES)  # the default, 128 KiB, is less than some articles have
    with file.open() as stream:
        buffered = io.BufferedReader(stream, encoding.SAMPLE)  # type: ignore[type-var]
        codec = encoding.detect(buffered.peek(encoding.SAMPLE))
        if codec is None:
            raise Unreadable("binary data, not text")
        text = io.TextIOWrapper(buffered, codec, "replace", newline="")
        lines = _lines(text)
        first = next(lines, "")
        delimiter = delimiter or max(DELIMITERS, key=first.count)
        header = [name.strip() for name in next(csv.reader([first], delimiter=delimiter), [])]
        require_text(file, header)
        rows = csv.reader(lines, delimiter=delimiter)
        while True:
            try:
                row = next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                raise Unreadable(f"line {rows.line_num + 1}: {error}; the rest is not read") from None
            number = rows.line_num + 1
            if len(row) > len(header) and any(row):
                why = f"{len(row)} values for {len(header)} columns: is one of them not in quotes?"
                yield file.skipped(why, number)
            elif any(row):
                yield load_row({k: v for k, v in zip(header, row, strict=False) if v}, file, number)


load_tsv = partial(load_csv, delimiter="\t")


def _lines(text: TextIO) -> Iterator[str]:
    while line := text.readline(MAX_BYTES):
        if len(line) == MAX_BYTES:
            raise Unreadable(f"a line of more than {MAX_BYTES // MIB} MiB; the rest is not read")
        yield line


def load_parquet(file: InputFile) -> Iterator[LoadedArticle | Skipped]:
    """Yield an article for each row."""
    try:
        import pyarrow.parquet as pq
    except ImportError:
        raise Unreadable("Parquet needs pyarrow: pip install 'archive-qa[formats]'") from None
    with file.seekable() as stream:
        table = pq.ParquetFile(stream, buffer_size=MIB, pre_buffer=False)
        require_text(file, table.schema_arrow.names)
        groups = (table.metadata.row_group(number) for number in range(table.metadata.num_row_groups))
        file.budget.spend(sum(group.total_byte_size for group in groups))
        before = 0
        for batch in table.iter_batches(PARQUET_ROWS, use_threads=False):
            if batch.nbytes > PARQUET_ROWS * MAX_BYTES:
                raise Unreadable(f"rows of more than {MAX_BYTES // MIB} MiB; the rest is not read")
            for number, row in enumerate(batch.to_pylist(), before + 1):
                yield load_row(row, file, number)
            before += batch.num_rows
