"""PDF → one article: the text of its pages, with the lines joined into paragraphs again."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from io import BytesIO
from itertools import pairwise

from qa.loaders.input_file import InputFile
from qa.loaders.limits import MAX_DOCUMENT, Unreadable
from qa.loaders.loaded import LoadedArticle
from qa.loaders.text import parse_document
from qa.types import Skipped

_FILE_NAME = re.compile(
    r"microsoft word - .*|untitled.*|.*\.(?:docx?|pdf|indd|qxd|pptx?|rtf|odt)", re.I | re.S
)
_ENDS_SENTENCE = re.compile(r"[.!?:;。！？：；][\"'”’)）]*$")
_HYPHENATED = re.compile(r"[^\W\d_]-$")
_HAN = re.compile(r"[\u3000-\u30ff\u3400-\u9fff\uff00-\uffef]")


def load_pdf(file: InputFile) -> Iterator[LoadedArticle | Skipped]:
    """Yield the document's article, and the pages that cannot be read."""
    from pypdf import PdfReader
    from pypdf.errors import DependencyError

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    document = PdfReader(BytesIO(file.read(MAX_DOCUMENT)))
    try:
        if document.is_encrypted and not document.decrypt(""):
            raise Unreadable("encrypted: save it without its password")
    except DependencyError:
        raise Unreadable("encrypted: save it without its password") from None
    pages: list[list[str]] = []
    for number, page in enumerate(document.pages, 1):
        try:
            pages.append([" ".join(line.split()) for line in page.extract_text().splitlines()])
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - a broken page raises anything, the others may be whole
            yield file.skipped(f"page {number} cannot be parsed: {error}"[:300])
    text = joined([line for page in without_headers(pages) for line in page])
    if not text:
        raise Unreadable("holds no text; if its pages are pictures, they need character recognition first")
    title, author = (document.metadata.title, document.metadata.author) if document.metadata else (None, None)
    if not title or _FILE_NAME.fullmatch(title):
        title = ""
    yield file.article(**parse_document(text, title, author))


def without_headers(pages: Sequence[list[str]]) -> list[list[str]]:
    """Drop page numbers, and first or last lines that most pages share but for the numbers in them."""
    bodies = [[line for line in page if line] for page in pages]
    for at in (0, -1) if len(bodies) > 1 else ():
        edges = Counter(_form(body[at]) for body in bodies if body)
        for body in bodies:
            if body and (
                not _form(body[at]).strip("#–—- /") or edges[_form(body[at])] > max(2, len(pages) // 2)
            ):
                del body[at]
    return bodies


def _form(line: str) -> str:
    return re.sub(r"\d+", "#", line)


def joined(lines: Sequence[str]) -> str:
    """Join lines that are separate only because the page is narrow."""
    if not lines:
        return ""
    width = sorted(map(len, lines))[len(lines) * 9 // 10]
    parts = [lines[0]]
    for line, following in pairwise(lines):
        if _HYPHENATED.search(line) and following[:1].islower():
            parts[-1] = parts[-1][:-1]
        elif len(line) < 0.6 * width or (len(line) < 0.85 * width and _ENDS_SENTENCE.search(line)):
            parts.append("\n")
        elif not (_HAN.match(line[-1:]) and _HAN.match(following[:1])):
            parts.append(" ")
        parts.append(following)
    return "".join(parts).strip()
