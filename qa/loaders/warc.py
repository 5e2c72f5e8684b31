"""WARC files → the pages inside. The records are split here, within limits; a page is parsed in the sandbox."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from io import BytesIO
from typing import BinaryIO, NamedTuple

from qa.loaders.html import load_html
from qa.loaders.input_file import InputFile
from qa.loaders.limits import MAX_BYTES, MIB, Unreadable
from qa.loaders.loaded import LoadedArticle
from qa.loaders.sandbox import apart
from qa.types import Skipped

MAX_LINE = 1 << 16
"""Bytes one header line of a record may have."""
MAX_LINES = 500
"""Header lines a record may have."""
_FIELD = re.compile(rb"([\w-]+)[ \t]*:(.*)")
_PAGE = re.compile(
    rb"HTTP/[\d.]+ 2\d\d\b.*?\ncontent-type:[ \t]*(?:text/html|application/xhtml\+xml)\b", re.I | re.S
)


def load_warc(file: InputFile) -> Iterator[InputFile | Skipped]:
    """Yield each HTML page that was fetched with success; its id is its address. Other records are left out."""
    pages = 0
    with file.open() as stream:
        for record in _records(stream):
            head = re.split(rb"\r?\n\r?\n", record.block[:MAX_LINE], maxsplit=1)[0]
            if record.fields.get("warc-type") != "response" or not _PAGE.match(head):
                continue
            pages += 1
            url = record.fields.get("warc-target-uri", "").strip("<>")
            where = f"{file.where}: {url or f'page {pages}'}"
            if record.length > MAX_BYTES:
                yield Skipped(where, f"larger than the {MAX_BYTES // MIB} MiB that one page may have")
                continue
            yield file.member(
                file.name,
                partial(BytesIO, record.head + record.block),
                id=url,
                where=where,
                given={"url": url, "extra": {"captured": record.fields.get("warc-date", "")}},
                loader=_LOAD_RESPONSE,
            )
    if not pages:
        yield file.skipped("holds no HTML page")


def load_response(file: InputFile) -> Iterator[LoadedArticle | Skipped]:
    """Yield the article of one record."""
    from warcio.bufferedreaders import BufferedReader
    from warcio.recordloader import ArcWarcRecordLoader

    record = ArcWarcRecordLoader(verify_http=False).parse_record_stream(BufferedReader(BytesIO(file.read())))
    body = record.content_stream().read(MAX_BYTES + 1)
    charset = re.search(r"charset=[\"']?([\w-]+)", record.http_headers.get_header("content-type", ""))
    yield from load_html(replace(file, open=lambda: BytesIO(body), charset=charset[1] if charset else None))


_LOAD_RESPONSE = apart(load_response, limit=MAX_BYTES + MAX_LINES * MAX_LINE)


class _Record(NamedTuple):
    head: bytes
    """The header lines as they are in the file, up to the blank line."""
    fields: dict[str, str]
    """What the header lines say, by name in lower case."""
    block: bytes
    """The body, cut at ``MAX_BYTES``."""
    length: int
    """Bytes of the whole body."""


def _records(stream: BinaryIO) -> Iterator[_Record]:
    number = 0
    while line := stream.readline(MAX_LINE):
        if not line.strip():
            continue
        number += 1
        head, fields = [line], {}
        while (line := stream.readline(MAX_LINE)).strip() and len(head) < MAX_LINES:
            head.append(line)
            if field := _FIELD.fullmatch(line.strip()):
                fields[field[1].decode("ascii").lower()] = field[2].decode("utf-8", "replace").strip()
        length = fields.get("content-length", "")
        if not head[0].startswith(b"WARC/") or line.strip() or not re.fullmatch(r"\d{1,15}", length):
            raise Unreadable(f"record {number} is not one of WARC; the rest is not read")
        block = stream.read(min(int(length), MAX_BYTES))
        left = int(length) - len(block)
        while left > 0 and (passed := stream.read(min(left, MIB))):
            left -= len(passed)
        yield _Record(b"".join([*head, b"\r\n"]), fields, block, int(length))
