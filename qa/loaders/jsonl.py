"""JSON Lines and JSON → articles: one article an object; only one object is held at a time."""

from __future__ import annotations

import codecs
import io
import json
import re
from collections.abc import Iterator
from itertools import count
from typing import BinaryIO, TextIO

from qa.loaders.input_file import InputFile
from qa.loaders.limits import MAX_BYTES, MIB, Unreadable, lines
from qa.loaders.loaded import LoadedArticle
from qa.loaders.records import load_row
from qa.types import Skipped

FIRST_LINE = MIB
"""Bytes in which the first line is looked for: whether it is an object tells JSON Lines from one object."""
PIECE = 1 << 16
"""Characters of a list that are read at a time."""

_BETWEEN = re.compile(r"[\s,]*")


def load_jsonl(file: InputFile) -> Iterator[LoadedArticle | Skipped]:
    """Yield an article for each line that holds an object."""
    with file.open() as stream:
        yield from _lines(stream, file)


def load_json(file: InputFile) -> Iterator[LoadedArticle | Skipped]:
    """Yield the article of an object or of each object in a list; JSON Lines in such a file are loaded too."""
    with file.open() as raw:
        stream = io.BufferedReader(raw, FIRST_LINE)  # type: ignore[type-var]
        head = stream.peek().removeprefix(codecs.BOM_UTF8).lstrip()
        line, line_end, _ = head.partition(b"\n")
        if head.startswith(b"["):
            text = io.TextIOWrapper(stream, "utf-8-sig", "replace", newline="")
            for number, value in enumerate(_elements(text), 1):
                yield _from_value(value, file, number)
        elif not line_end or _is_whole(line):
            yield from _lines(stream, file)
        else:
            data = stream.read(MAX_BYTES + 1)
            if len(data) > MAX_BYTES:
                raise Unreadable(f"the object is larger than {MAX_BYTES // MIB} MiB")
            yield _article(data, file, 1)


def _lines(stream: BinaryIO, file: InputFile) -> Iterator[LoadedArticle | Skipped]:
    for number, line in enumerate(lines(stream), 1):
        if line is None:
            yield file.skipped(f"the line is longer than {MAX_BYTES // MIB} MiB", number)
        elif line.strip():
            yield _article(line, file, number)


def _is_whole(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _article(data: bytes, file: InputFile, number: int) -> LoadedArticle | Skipped:
    try:
        row = json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        return file.skipped("the line is not UTF-8", number)
    except (ValueError, RecursionError) as error:
        return file.skipped(f"the line is not valid JSON: {error}", number)
    return _from_value(row, file, number)


def _from_value(row: object, file: InputFile, number: int) -> LoadedArticle | Skipped:
    if not isinstance(row, dict):
        return file.skipped(f"a JSON {type(row).__name__}, not an object", number)
    return load_row(row, file, number)


def _elements(text: TextIO) -> Iterator[object]:
    """Yield the elements of a list, holding only one of them at a time."""
    decoder = json.JSONDecoder()
    held = text.read(PIECE).lstrip().removeprefix("[")
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
            if end < len(held):  # an element that reaches the end of what is held may be incomplete
                break
            more = text.read(max(PIECE, len(held) - at))
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
