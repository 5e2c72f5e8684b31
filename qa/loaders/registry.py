"""The loader of each format (:data:`LOADERS`), and the loading of paths with them (:func:`load_paths`)."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

from qa.errors import InputError
from qa.loaders.compressed import load_bzip2, load_gzip, load_xz, load_zstd
from qa.loaders.docx import load_docx
from qa.loaders.html import load_html
from qa.loaders.input_file import InputFile, Loader
from qa.loaders.jsonl import load_json, load_jsonl
from qa.loaders.limits import MAX_DEPTH, MAX_DOCUMENT, MAX_SPOOLED, Budget, Exhausted, Unreadable
from qa.loaders.loaded import LoadedArticle
from qa.loaders.pdf import load_pdf
from qa.loaders.records import columns
from qa.loaders.sandbox import Sandbox, apart
from qa.loaders.table import load_csv, load_parquet, load_tsv
from qa.loaders.text import load_text
from qa.loaders.walk import STANDARD_INPUT, File, Survey, walk
from qa.loaders.warc import load_warc
from qa.loaders.zip import load_zip
from qa.text import language
from qa.types import Skipped

LOADERS: dict[str, Loader] = {
    ".txt": load_text,
    ".md": load_text,
    **dict.fromkeys((".html", ".htm", ".xhtml", ".shtml"), apart(load_html)),
    ".pdf": apart(load_pdf, MAX_DOCUMENT, seconds=300),
    ".docx": apart(load_docx, MAX_DOCUMENT),
    ".jsonl": load_jsonl,
    ".ndjson": load_jsonl,
    ".json": load_json,
    ".csv": load_csv,
    ".tsv": load_tsv,
    ".parquet": load_parquet,
    ".warc": load_warc,
    ".zip": load_zip,
    ".gz": load_gzip,
    ".bz2": load_bzip2,
    ".xz": load_xz,
    ".zst": load_zstd,
}
MAX_SKIPS = 1_000
"""Reasons given one by one for what is inside one file; the rest is only counted."""

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


def load_paths(
    paths: Iterable[str | Path],
    map: Mapping[str, str] | None = None,
    format: str | None = None,
    survey: Survey | None = None,
) -> Iterator[LoadedArticle | Skipped]:
    """Load files, folders (recursively), patterns such as ``pages/**/*.html``, and standard input (``-``).

    What cannot be loaded is yielded as :class:`~qa.types.Skipped` with its reason, and the rest goes on. An
    article's id is its path below the folder that was named, without the extension; files that differ only in the
    extension keep it.

    Args:
        paths: What to load, in this order.
        map: The column or key that holds a field of an article, where it has another name.
        format: The extension to assume where a name has no known one. By default, the first bytes tell the
            format of standard input and of web pages.
        survey: Is told how much has been loaded, and what could not be.

    Raises:
        InputError: There is no such field or format.
    """
    if format is not None:
        format = f".{format.lower().lstrip('.')}"
        if format not in LOADERS:
            raise InputError(f"format: {format} is not known, only {_known()}.")
    return _load_paths(paths, columns(map or {}), format, survey or Survey())


def _load_paths(
    paths: Iterable[str | Path], columns: Mapping[str, str], format: str | None, survey: Survey
) -> Iterator[LoadedArticle | Skipped]:
    with closing(Sandbox()) as sandbox:
        make = partial(InputFile, columns=columns, parse_apart=sandbox.parse)
        for path in paths:
            if str(path) == STANDARD_INPUT:
                yield from _load_named(_standard_input(make), format, survey)
                continue
            for file in walk(Path(path)):
                if isinstance(file, Skipped):
                    survey.incomplete.add(_well_formed(os.path.realpath(file.where)))
                    yield Skipped(*map(_well_formed, file))
                else:
                    yield from _load_named(_on_disk(file, make, survey), format, survey)
                    survey.finished(file)


def _on_disk(file: File, make: Callable[..., InputFile], survey: Survey) -> InputFile:
    return make(
        name=file.name,
        id=file.id,
        where=_well_formed(str(file.path)),
        open=lambda: survey.opened(file.path.open("rb")),
        budget=Budget(file.size),
        path=file.path,
        origin=_well_formed(os.path.realpath(file.path)),
    )


def _standard_input(make: Callable[..., InputFile]) -> InputFile:
    return make(
        name=STANDARD_INPUT,
        id="",
        where="standard input",
        open=cache(lambda: open(0, "rb", closefd=False)),
        budget=Budget(MAX_SPOOLED),
    )


def _load_named(file: InputFile, format: str | None, survey: Survey) -> Iterator[LoadedArticle | Skipped]:
    """Load a file that was named or found in a folder; after ``MAX_SKIPS`` reasons only count the rest."""
    skips = 0
    for item in load_file(file, format):
        if isinstance(item, LoadedArticle):
            yield item._replace(file=file.origin or "")
            continue
        survey.incomplete.add(file.origin or "")
        skips += 1
        if skips <= MAX_SKIPS:
            yield item
    if skips > MAX_SKIPS:
        yield file.skipped(f"{skips - MAX_SKIPS:,} more of what it holds could not be read")


def load_file(file: InputFile, format: str | None, depth: int = 0) -> Iterator[LoadedArticle | Skipped]:
    """Load a file and the files inside it. Whatever goes wrong becomes the reason why it was skipped."""
    try:
        if depth > MAX_DEPTH:
            raise Unreadable(f"inside more than {MAX_DEPTH} archives or compressions")
        if file.extension not in LOADERS and not file.loader:
            file = _recognised(file, format)
        load = file.loader or LOADERS[file.extension]
        item = None
        for item in load(file):
            if isinstance(item, InputFile):
                yield from load_file(item, format, depth + 1)
            elif isinstance(item, LoadedArticle) and item.article.lang is None:
                lang = language.detect(item.article.text)
                yield item._replace(article=item.article.model_copy(update={"lang": lang}))
            else:
                yield item
        if item is None:
            yield file.skipped("holds no articles")
    except Unreadable as error:
        if isinstance(error, Exhausted) and depth:
            raise
        yield file.skipped(str(error))
    except MemoryError:
        yield file.skipped("needs more memory than there is")
    except Exception as error:  # noqa: BLE001 - libraries raise anything for a broken file
        if isinstance(error, OSError) and error.strerror:
            yield file.skipped(f"cannot be read: {error.strerror}")
        else:
            yield file.skipped(f"damaged, or not what its name says: {error or type(error).__name__}"[:300])


def _recognised(file: InputFile, format: str | None) -> InputFile:
    """Choose the loader of a file without a known extension, by its first bytes or as the caller says."""
    head, unread = file.peek()
    extension = next((e for mark, e in _BEGINNINGS.items() if head.startswith(mark)), None)
    if extension not in _COMPRESSED and format:
        extension = format
    elif _PAGE.match(head):
        extension = ".html"
    elif file.name != STANDARD_INPUT:
        kind = file.extension or "files without an extension"
        raise Unreadable(f"no loader for {kind} (known: {_known()})")
    elif extension is None:
        extension = ".json" if _JSON.match(head) else ".txt"
    return replace(unread, loader=LOADERS[extension])


def _known() -> str:
    return " ".join(sorted(LOADERS))


def _well_formed(name: str) -> str:
    """Return a file's name as text that can be stored and printed, whatever bytes it consists of."""
    return name.encode("utf-8", "backslashreplace").decode()
