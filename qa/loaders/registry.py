"""Files → articles. One small module a format, registered by extension in :data:`READERS`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from functools import cache
from pathlib import Path

from qa.errors import InputError
from qa.loaders.compressed import read_bzip2, read_gzip, read_xz, read_zstd
from qa.loaders.docx import read_docx
from qa.loaders.html import read_html
from qa.loaders.jsonl import read_json, read_jsonl
from qa.loaders.limits import MAX_DEPTH, MAX_DOCUMENT, MAX_SPOOLED, Budget, Exhausted, Unreadable
from qa.loaders.loaded import LoadedArticle
from qa.loaders.parquet import read_parquet
from qa.loaders.pdf import read_pdf
from qa.loaders.records import columns
from qa.loaders.sandbox import Child, apart
from qa.loaders.source import InputFile, Reader
from qa.loaders.survey import Survey
from qa.loaders.table import read_csv, read_tsv
from qa.loaders.text import read_text
from qa.loaders.walk import File, walk
from qa.loaders.warc import read_warc
from qa.loaders.zip import read_zip
from qa.text import language
from qa.types import Skipped

READERS: dict[str, Reader] = {
    ".txt": read_text,
    ".md": read_text,
    ".html": apart(read_html),
    ".htm": apart(read_html),
    ".xhtml": apart(read_html),
    ".shtml": apart(read_html),
    ".pdf": apart(read_pdf, MAX_DOCUMENT, seconds=300),
    ".docx": apart(read_docx, MAX_DOCUMENT),
    ".jsonl": read_jsonl,
    ".ndjson": read_jsonl,
    ".json": read_json,
    ".csv": read_csv,
    ".tsv": read_tsv,
    ".parquet": read_parquet,
    ".warc": read_warc,
    ".zip": read_zip,
    ".gz": read_gzip,
    ".bz2": read_bzip2,
    ".xz": read_xz,
    ".zst": read_zstd,
}
STANDARD_INPUT = "-"
MAX_SKIPS = 1_000
"""Reasons that are given one by one for what one file holds; the rest is counted."""

_BEGINNINGS = {
    b"%PDF-": ".pdf",
    b"PK\x03\x04": ".zip",
    b"WARC/": ".warc",
    b"PAR1": ".parquet",
    b"\x1f\x8b": ".gz",
    b"BZh": ".bz2",
    b"\xfd7zXZ\0": ".xz",
    b"\x28\xb5\x2f\xfd": ".zst",
}
_COMPRESSED = {".gz", ".bz2", ".xz", ".zst"}
_JSON = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:\{\s*[\"}]|\[\s*[{\]])")
_PAGE = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?(?:<!--.{0,300}?-->\s*)?<(?:!doctype )?html\b", re.I | re.S
)


def read_paths(
    paths: Iterable[str | Path],
    map: Mapping[str, str] | None = None,
    format: str | None = None,
    survey: Survey | None = None,
) -> Iterator[LoadedArticle | Skipped]:
    """Read files, folders (recursively), patterns such as ``pages/**/*.html``, and standard input (``-``).

    What cannot be read is yielded as :class:`~qa.types.Skipped` with its reason, and the rest goes on. An
    article's id is its path below the folder named, without the extension; the extension stays where two files
    differ in nothing else.

    Args:
        paths: What to read, in this order.
        map: The column or key in which a field of an article is found, where it has another name.
        format: The extension to go by where a name has none that is known. By default, standard input and web
            pages are told by their first bytes.
        survey: Keeps account of what is read.

    Raises:
        InputError: There is no such field or format.
    """
    if format is not None:
        format = f".{format.lower().lstrip('.')}"
        if format not in READERS:
            raise InputError(f"format: {format} is not known, only {_known()}.")
    return _read_paths(paths, columns(map or {}), format, survey or Survey())


def _read_paths(
    paths: Iterable[str | Path], columns: Mapping[str, str], format: str | None, survey: Survey
) -> Iterator[LoadedArticle | Skipped]:
    with closing(Child()) as child:
        for path in paths:
            if str(path) == STANDARD_INPUT:
                yield from _summed(_standard_input(columns, child), format, survey)
                continue
            for file in walk(Path(path)):
                if isinstance(file, Skipped):
                    survey.incomplete.add(_well_formed(os.path.realpath(file.where)))
                    yield Skipped(*map(_well_formed, file))
                else:
                    yield from _summed(_on_disk(file, columns, child, survey), format, survey)
                    survey.finished(file)


def _on_disk(file: File, columns: Mapping[str, str], child: Child, survey: Survey) -> InputFile:
    return InputFile(
        name=file.name,
        id=file.id,
        where=_well_formed(str(file.path)),
        opener=lambda: survey.opened(file.path.open("rb")),
        budget=Budget(file.size),
        path=file.path,
        origin=_well_formed(os.path.realpath(file.path)),
        columns=columns,
        child=child,
    )


def _standard_input(columns: Mapping[str, str], child: Child) -> InputFile:
    return InputFile(
        name=STANDARD_INPUT,
        id="",
        where="standard input",
        opener=cache(lambda: open(0, "rb", closefd=False)),
        budget=Budget(MAX_SPOOLED),
        columns=columns,
        child=child,
    )


def _summed(source: InputFile, format: str | None, survey: Survey) -> Iterator[LoadedArticle | Skipped]:
    """Read a file; of a great many reasons for what it holds only the number is kept."""
    skips = 0
    for item in read_source(source, format):
        if isinstance(item, LoadedArticle):
            yield item._replace(file=source.origin or "")
            continue
        survey.incomplete.add(source.origin or "")
        skips += 1
        if skips <= MAX_SKIPS:
            yield item
    if skips > MAX_SKIPS:
        yield source.skipped(f"{skips - MAX_SKIPS:,} more of what it holds could not be read")


def read_source(source: InputFile, format: str | None, depth: int = 0) -> Iterator[LoadedArticle | Skipped]:
    """Read a file and what is inside it. Whatever goes wrong becomes the reason why it was skipped."""
    try:
        if depth > MAX_DEPTH:
            raise Unreadable(f"inside more than {MAX_DEPTH} archives or compressions")
        if source.extension not in READERS and not source.reader:
            source = _told(source, format)
        reader = source.reader or READERS[source.extension]
        item = None
        for item in reader(source):
            if isinstance(item, InputFile):
                yield from read_source(item, format, depth + 1)
            elif isinstance(item, LoadedArticle) and item.article.lang is None:
                lang = language.detect(item.article.text)
                yield item._replace(article=item.article.model_copy(update={"lang": lang}))
            else:
                yield item
        if item is None:
            yield source.skipped("holds no articles")
    except Unreadable as error:
        if isinstance(error, Exhausted) and depth:
            raise
        yield source.skipped(str(error))
    except MemoryError:
        yield source.skipped("needs more memory than there is")
    except Exception as error:  # noqa: BLE001 - libraries raise anything for a broken file
        if isinstance(error, OSError) and error.strerror:
            yield source.skipped(f"cannot be read: {error.strerror}")
        else:
            yield source.skipped(f"damaged, or not what its name says: {error or type(error).__name__}"[:300])


def _told(source: InputFile, format: str | None) -> InputFile:
    """Tell the format of a file whose name does not, by its first bytes or as the caller says."""
    head, begun = source.begun()
    extension = next((e for mark, e in _BEGINNINGS.items() if head.startswith(mark)), None)
    if extension not in _COMPRESSED and format:
        extension = format
    elif _PAGE.match(head):
        extension = ".html"
    elif source.name != STANDARD_INPUT:
        kind = source.extension or "files without an extension"
        raise Unreadable(f"no reader for {kind} (known: {_known()})")
    elif extension is None:
        extension = ".json" if _JSON.match(head) else ".txt"
    return replace(begun, reader=READERS[extension])


def _known() -> str:
    return " ".join(sorted(READERS))


def _well_formed(name: str) -> str:
    """Return a file's name as text that can be stored and printed, whatever bytes it is made of."""
    return name.encode("utf-8", "backslashreplace").decode()
