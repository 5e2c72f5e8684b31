"""WARC files → the pages inside. Framing is done here, within bounds; what a page says is parsed in the child."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from io import BytesIO
from typing import BinaryIO, NamedTuple

from qa.loaders.html import read_html
from qa.loaders.limits import MAX_BYTES, MIB, Unreadable
from qa.loaders.loaded import LoadedArticle
from qa.loaders.sandbox import apart
from qa.loaders.source import InputFile
from qa.types import Skipped

MAX_LINE, MAX_LINES = 1 << 16, 500
_FIELD = re.compile(rb"([\w-]+)[ \t]*:(.*)")
_PAGE = re.compile(
    rb"HTTP/[\d.]+ 2\d\d\b.*?\ncontent-type:[ \t]*(?:text/html|application/xhtml\+xml)\b", re.I | re.S
)


def read_warc(source: InputFile) -> Iterator[InputFile | Skipped]:
    """Yield each HTML page that was found at its address, and is named by it; other records are left out."""
    pages = 0
    with source.open() as stream:
        for record in _records(stream):
            head = re.split(rb"\r?\n\r?\n", record.block[:MAX_LINE], maxsplit=1)[0]
            if record.fields.get("warc-type") != "response" or not _PAGE.match(head):
                continue
            pages += 1
            url = record.fields.get("warc-target-uri", "").strip("<>")
            where = f"{source.where}: {url or f'page {pages}'}"
            if record.length > MAX_BYTES:
                yield Skipped(where, f"larger than the {MAX_BYTES // MIB} MiB that one page may have")
                continue
            yield source.member(
                source.name,
                partial(BytesIO, record.head + record.block),
                id=url,
                where=where,
                given={"url": url, "extra": {"captured": record.fields.get("warc-date", "")}},
                reader=_READ_RESPONSE,
            )
    if not pages:
        yield source.skipped("holds no HTML page")


def read_response(source: InputFile) -> Iterator[LoadedArticle | Skipped]:
    """Yield the article of one record."""
    from warcio.bufferedreaders import BufferedReader
    from warcio.recordloader import ArcWarcRecordLoader

    record = ArcWarcRecordLoader(verify_http=False).parse_record_stream(
        BufferedReader(BytesIO(source.read()))
    )
    body = record.content_stream().read(MAX_BYTES + 1)
    charset = re.search(r"charset=[\"']?([\w-]+)", record.http_headers.get_header("content-type", ""))
    yield from read_html(
        replace(source, opener=lambda: BytesIO(body), charset=charset[1] if charset else None)
    )


_READ_RESPONSE = apart(read_response, limit=MAX_BYTES + MAX_LINES * MAX_LINE)


class _Record(NamedTuple):
    head: bytes
    """Its lines as they stand in the file, down to the blank one."""
    fields: dict[str, str]
    """What the lines say, by name in lower case."""
    block: bytes
    """What follows, cut at ``MAX_BYTES``."""
    length: int
    """Bytes that follow."""


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
