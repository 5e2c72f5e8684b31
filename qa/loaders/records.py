"""Rows of named values → articles, by a mapping of fields to columns."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date, datetime
from typing import Any

from qa.errors import InputError
from qa.loaders.limits import Unreadable
from qa.loaders.loaded import LoadedArticle, found
from qa.loaders.source import InputFile
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


def require_text(source: InputFile, present: Collection[str]) -> None:
    """Check that a table has the column that holds the text.

    Raises:
        Unreadable: It has not.
    """
    wanted = source.columns.get("text", "text")
    if wanted not in present:
        held = ", ".join(list(present)[:20])[:300]
        raise Unreadable(f'no column "{wanted}" among {held}: name the one with the text, --map text=COLUMN')


def read_row(row: Mapping[str, Any], source: InputFile, line: int) -> LoadedArticle | Skipped:
    """Return the article of a row, or why there is none.

    The date is looked for under ``published`` or ``date`` if nothing else is said. What is no field goes to
    ``extra``. A row without an id is named by its URL, or else by its title and text, never by its position.
    """
    taken = {name: source.columns.get(name, name) for name in FIELDS}
    if "published" not in source.columns and not row.get("published"):
        taken["published"] = "date"
    values = {name: row[column] for name, column in taken.items() if row.get(column) is not None}
    extra = {str(key): value for key, value in row.items() if key not in taken.values()}
    if (stated := values.pop("published", None)) is not None:
        values["published"] = _day(stated)
        if values["published"] is None:
            extra[taken["published"]] = stated
    text = values.get("text")
    if not isinstance(text, str) or not text.strip():
        return source.skipped(f'the article has no "{taken["text"]}"', line)
    try:
        return found({**values, "extra": extra})
    except Unreadable as error:
        return source.skipped(str(error), line)


def _day(stated: Any) -> date | None:
    if isinstance(stated, datetime):
        return stated.date()
    return stated if isinstance(stated, date) else parse_day(str(stated))
