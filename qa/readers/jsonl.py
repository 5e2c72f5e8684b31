"""JSON Lines → articles: one object a line, of which only ``text`` is required."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from qa.readers.days import parse_day
from qa.readers.found import Found
from qa.types import Article, Skipped

FIELDS = ("id", "title", "text", "url", "published", "source", "author", "section", "lang")


def read_jsonl(path: Path, article_id: str) -> Iterator[Found | Skipped]:
    """Yield an article for each line. The date may be under ``published`` or ``date``; other keys go to ``extra``.

    A line without ``id`` is named by its URL, or else by its title and text, never by its position.
    """
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield _article(line, f"{path}:{number}")


def _article(line: bytes, where: str) -> Found | Skipped:
    try:
        row = json.loads(line.decode("utf-8-sig"))
    except UnicodeDecodeError:
        return Skipped(where, "the line is not UTF-8")
    except (json.JSONDecodeError, RecursionError) as error:
        return Skipped(where, f"the line is not valid JSON: {error}")
    if not isinstance(row, dict):
        return Skipped(where, f"the line holds a JSON {type(row).__name__}, not an object")
    text = row.get("text")
    if not isinstance(text, str) or not text.strip():
        return Skipped(where, 'the article has no "text"')
    values: dict[str, Any] = {k: row[k] for k in FIELDS if k != "published" and row.get(k) is not None}
    extra = {k: v for k, v in row.items() if k not in FIELDS and k != "date"}
    if (stated := row.get("published") or row.get("date")) is not None:
        values["published"] = parse_day(str(stated))
        if values["published"] is None:
            extra["date"] = stated
    identity = values.get("id", values.get("url"))
    if identity in (None, ""):
        identity = hashlib.sha256(
            f"{values.get('title', '')}\0{text}".encode("utf-8", "replace")
        ).hexdigest()[:16]
    values["id"] = str(identity)
    try:
        return Found(Article(**values, extra=extra))
    except ValidationError as error:
        first = error.errors()[0]
        return Skipped(where, f'"{first["loc"][0]}": {first["msg"]}')
