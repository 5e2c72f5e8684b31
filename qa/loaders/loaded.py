"""What a loader yields: an article, and where it comes from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import ValidationError
from pydantic_core import to_jsonable_python

from qa.loaders.limits import MAX_FIELD, MAX_ID, MAX_TEXT, Unreadable
from qa.types import Article

SHORT_FIELDS = ("title", "url", "source", "author", "section", "lang")


class LoadedArticle(NamedTuple):
    """An article and where it comes from."""

    article: Article
    origin: str | None = None
    """The file on disk whose path its id was made from; ``None`` where the id has another origin."""
    file: str = ""
    """The file on disk that it was loaded from; empty where there is none."""


def make_article(values: Mapping[str, Any], origin: str | None = None) -> LoadedArticle:
    """Return an article with these fields; its id is ``id``, else its URL, else a hash of title and text.

    Raises:
        Unreadable: A field is not what it must be, or too long.
    """
    fields = {name: _short(value) if name in SHORT_FIELDS else value for name, value in values.items()}
    text = fields.get("text")
    if isinstance(text, str) and len(text) > MAX_TEXT:
        raise Unreadable(f"the article has {len(text):,} characters, and may have {MAX_TEXT:,}: split it")
    names = [str(fields[key]) for key in ("id", "url") if fields.get(key) not in (None, "")]
    fields["id"] = names[0] if names else _digest(f"{fields.get('title', '')}\0{text}")
    if len(fields["id"]) > MAX_ID:
        raise Unreadable(f'"id": longer than {MAX_ID:,} characters')
    try:
        return LoadedArticle(Article(**{**fields, "extra": _storable(fields.get("extra", {}))}), origin)
    except ValidationError as error:
        first = error.errors()[0]
        name, why = first["loc"][0], first["msg"]
        if name == "published":
            why = f"“{str(first['input'])[:40]}” is not a date like 2023-09-11"
        raise Unreadable(f'"{name}": {why}') from None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]


def _short(value: Any) -> Any:
    """Join a list of names; cut what is too long."""
    if isinstance(value, list) and value and all(isinstance(part, str) for part in value):
        value = ", ".join(value)
    if isinstance(value, str) and len(value) > MAX_FIELD:
        return value[: MAX_FIELD - 1] + "…"
    return value


def _storable(extra: Mapping[str, Any]) -> Any:
    """Return values that go through JSON unchanged: well-formed text, no NaN, nothing too deep."""
    try:
        text = json.dumps(extra, ensure_ascii=False, default=_plain).encode("utf-8", "replace")
        return to_jsonable_python(json.loads(text, parse_constant=lambda _: None))
    except (RecursionError, ValueError):
        raise Unreadable("a value is nested too deeply or cannot be written as JSON") from None


def _plain(value: object) -> Any:
    return to_jsonable_python(value, bytes_mode="base64", fallback=str)
