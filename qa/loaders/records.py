"""Rows of named values → articles: which column holds which field."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date, datetime
from typing import Any

from qa.errors import InputError
from qa.loaders.input_file import InputFile
from qa.loaders.limits import Unreadable
from qa.loaders.loaded import LoadedArticle, make_article
from qa.text.dates import parse_day
from qa.types import Skipped

FIELDS = ("id", "title", "text", "url", "published", "source", "author", "section", "lang")


def columns(mapping: Mapping[str, str]) -> dict[str, str]:
    """Return a mapping of fields to columns, checked; ``date`` stands for ``published``.

    Raises:
        InputError: There is no such field.
    """
    checked = {"published" if name == "date" else name: column for name, column in mapping.items()}
    for name in checked:
        if name not in FIELDS:
            raise InputError(f"map: an article has no field {name!r}, only {', '.join(FIELDS)}.")
    return checked


def require_text(file: InputFile, present: Collection[str]) -> None:
    """Raise :class:`Unreadable` where a table has no column for the text."""
    wanted = file.columns.get("text", "text")
    if wanted not in present:
        held = ", ".join(list(present)[:20])[:300]
        raise Unreadable(f'no column "{wanted}" among {held}: name the one with the text, --map text=COLUMN')


def load_row(row: Mapping[str, Any], file: InputFile, line: int) -> LoadedArticle | Skipped:
    """Return the article of a row, or why there is none.

    The date is taken from ``published`` or ``date`` unless the mapping names another column. Columns that are no
    field go to ``extra``. The id of a row that has none never depends on the row's position.
    """
    taken = {name: file.columns.get(name, name) for name in FIELDS}
    if "published" not in file.columns and not row.get("published"):
        taken["published"] = "date"
    values = {name: row[column] for name, column in taken.items() if row.get(column) is not None}
    extra = {str(key): value for key, value in row.items() if key not in taken.values()}
    if (stated := values.pop("published", None)) is not None:
        values["published"] = _day(stated)
        if values["published"] is None:
            extra[taken["published"]] = stated
    text = values.get("text")
    if not isinstance(text, str) or not text.strip():
        return file.skipped(f'the article has no "{taken["text"]}"', line)
    try:
        return make_article({**values, "extra": extra})
    except Unreadable as error:
        return file.skipped(str(error), line)


def _day(stated: Any) -> date | None:
    if isinstance(stated, datetime):
        return stated.date()
    return stated if isinstance(stated, date) else parse_day(str(stated))
