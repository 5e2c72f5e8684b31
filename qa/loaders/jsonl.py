"""JSON Lines and JSON → articles: one object each, held one at a time."""

from __future__ import annotations

import codecs
import io
import json
import re
from collections.abc import Iterator
from itertools import count
from typing import BinaryIO

from qa.loaders.limits import MAX_BYTES, MIB, Unreadable, lines
from qa.loaders.loaded import LoadedArticle
from qa.loaders.records import read_row
from qa.loaders.source import InputFile
from qa.types import Skipped

FIRST_LINE = MIB
"""Bytes in which the first line is looked for, to tell JSON Lines from one object."""
PIECE = 1 << 16
"""Characters of a list read at a time."""
_BETWEEN = re.compile(r"[\s,]*")


def read_jsonl(source: InputFile) -> Iterator[LoadedArticle | Skipped]:
    """Yield an article for each line that holds an object."""
    with source.open() as stream:
        yield from _lines(stream, source)


def read_json(source: InputFile) -> Iterator[LoadedArticle | Skipped]:
    """Yield the article of an object, or of each in a list; JSON Lines under this name are read, too."""
    with source.open() as raw:
        stream = io.BufferedReader(raw, FIRST_LINE)  # type: ignore[type-var]
        head = stream.peek().removeprefix(codecs.BOM_UTF8).lstrip()
        line, line_end, _ = head.partition(b"\n")
        if head.startswith(b"["):
            for number, value in enumerate(_elements(stream), 1):
                yield _from_value(value, source, number)
        elif not line_end or _is_whole(line):
            yield from _lines(stream, source)
        else:
            data = stream.read(MAX_BYTES + 1)
            if len(data) > MAX_BYTES:
                raise Unreadable(f"the object is larger than {MAX_BYTES // MIB} MiB")
            yield _article(data, source, 1)


def _lines(stream: BinaryIO, source: InputFile) -> Iterator[LoadedArticle | Skipped]:
    for number, line in enumerate(lines(stream), 1):
        if line is None:
            yield source.skipped(f"the line is longer than {MAX_BYTES // MIB} MiB", number)
        elif line.strip():
            yield _article(line, source, number)


def _is_whole(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _article(data: bytes, source: InputFile, number: int) -> LoadedArticle | Skipped:
    try:
        row = json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        return source.skipped("the line is not UTF-8", number)
    except (ValueError, RecursionError) as error:
        return source.skipped(f"the line is not valid JSON: {error}", number)
    return _from_value(row, source, number)


def _from_value(row: object, source: InputFile, number: int) -> LoadedArticle | Skipped:
    if not isinstance(row, dict):
        return source.skipped(f"a JSON {type(row).__name__}, not an object", number)
    return read_row(row, source, number)


def _elements(stream: BinaryIO) -> Iterator[object]:
    """Yield the elements of a list, holding no more of it than the one at hand."""
    pages = io.TextIOWrapper(stream, "utf-8-sig", "replace", newline="")
    decoder = json.JSONDecoder()
    held = pages.read(PIECE).lstrip().removeprefix("[")
    at = 0
    for number in count(1):
        while True:
            at = _between(held, at)
            if held.startswith("]", at):
                return
            try:
                value, end = decoder.raw_decode(held, at)
            except RecursionError:
                raise Unreadable(f"element {number} is nested too deeply; the rest is not read") from None
            except ValueError:
                end = len(held)
            if end < len(held):  # what touches the end of what is held may go on behind it
                break
            more = pages.read(max(PIECE, len(held) - at))
            if not more or len(held) - at > MAX_BYTES:
                raise Unreadable(
                    f"element {number} is not valid JSON, or longer than {MAX_BYTES // MIB} MiB; "
                    "the rest is not read"
                )
            held, at = held[at:] + more, 0
        yield value
        at = end


def _between(text: str, at: int) -> int:
    """Return where the next element begins."""
    match = _BETWEEN.match(text, at)
    return match.end() if match else at
