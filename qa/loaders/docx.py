"""DOCX → one article: its paragraphs and tables."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from io import BytesIO

from qa.loaders.input_file import InputFile
from qa.loaders.limits import MAX_DOCUMENT, MIB, Unreadable
from qa.loaders.loaded import LoadedArticle
from qa.loaders.text import parse_document
from qa.types import Skipped

MAX_UNPACKED = 4 * MAX_DOCUMENT
"""Bytes a document may have once it is unpacked."""
TITLES = ("Title", "Heading 1")
"""Styles that make the first paragraph the title."""


def load_docx(file: InputFile) -> Iterator[LoadedArticle | Skipped]:
    """Yield the document's article."""
    from docx import Document
    from docx.table import Table

    data = BytesIO(file.read(MAX_DOCUMENT))
    with zipfile.ZipFile(data) as parts:
        if sum(part.file_size for part in parts.infolist()) > MAX_UNPACKED:
            raise Unreadable(f"unpacks to more than {MAX_UNPACKED // MIB} MiB")
    document = Document(data)
    title, lines = document.core_properties.title.strip(), []
    for block in document.iter_inner_content():
        if isinstance(block, Table):
            lines += [
                " | ".join(dict.fromkeys(cell.text.strip() for cell in row.cells)) for row in block.rows
            ]
        elif not any(lines) and block.style is not None and block.style.name in TITLES:
            title = block.text.strip() or title
        else:
            lines.append(block.text.strip())
    text = "\n".join(lines).strip()
    if not text:
        raise Unreadable("holds no text")
    yield file.article(**parse_document(text, title, document.core_properties.author))
