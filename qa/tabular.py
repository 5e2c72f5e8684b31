"""Mentions as a table for other programs: CSV that no spreadsheet runs, and JSON."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator

from qa.text.characters import without_control
from qa.types import Occurrences

COLUMNS = (
    "article_id",
    "title",
    "source",
    "published",
    "field",
    "start",
    "end",
    "quote",
    "sentence",
    "url",
    "text_sha256",
)
_FORMULA = re.compile(r"[\s\u200b-\u200f\ufeff]*[=+\-@＝＋－＠\t\r|%]")


def csv_lines(found: Occurrences) -> Iterator[str]:
    """Yield the mentions as CSV (RFC 4180), with a line of column names first.

    A cell that a spreadsheet would take for a formula gets a leading ``'``, as OWASP's "CSV Injection" advises.
    """
    for row in (COLUMNS, *([_cell(getattr(o, name)) for name in COLUMNS] for o in found.occurrences)):
        line = io.StringIO()
        csv.writer(line).writerow(row)
        yield line.getvalue()


def json_text(found: Occurrences) -> str:
    """Return the mentions as JSON, with the exact counts and what was looked through."""
    data = found.model_dump(mode="json")
    data["count"] = len(found)
    return json.dumps(data, ensure_ascii=False, indent=1)


def _cell(value: object) -> str:
    if value is None or isinstance(value, int):
        return "" if value is None else str(value)
    text = without_control(str(value))
    return f"'{text}" if _FORMULA.match(text) else text
