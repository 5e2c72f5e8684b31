"""Parquet → articles: one row each, a few held at a time."""

from __future__ import annotations

from collections.abc import Iterator

from qa.loaders.limits import MAX_BYTES, MIB, Unreadable
from qa.loaders.loaded import LoadedArticle
from qa.loaders.records import read_row, require_text
from qa.loaders.source import InputFile
from qa.types import Skipped

ROWS = 16
"""Rows held at a time."""


def read_parquet(source: InputFile) -> Iterator[LoadedArticle | Skipped]:
    """Yield an article for each row."""
    try:
        import pyarrow.parquet as pq
    except ImportError:
        raise Unreadable("Parquet needs pyarrow: pip install 'archive-qa[formats]'") from None
    with source.seekable() as file:
        table = pq.ParquetFile(file, buffer_size=MIB, pre_buffer=False)
        require_text(source, table.schema_arrow.names)
        groups = (table.metadata.row_group(number) for number in range(table.metadata.num_row_groups))
        source.budget.spend(sum(group.total_byte_size for group in groups))
        before = 0
        for batch in table.iter_batches(ROWS, use_threads=False):
            if batch.nbytes > ROWS * MAX_BYTES:
                raise Unreadable(f"rows of more than {MAX_BYTES // MIB} MiB; the rest is not read")
            for number, row in enumerate(batch.to_pylist(), before + 1):
                yield read_row(row, source, number)
            before += batch.num_rows
