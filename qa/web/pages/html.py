"""Escaping, dates and the skeleton of a page."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from datetime import date

from qa.types import Article
from qa.web.texts import ENGLISH, Texts

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_TRUE = (True, 1, "1", "true", "yes", "True")
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")


def escape(text: str) -> str:
    """Make ``text`` inert in HTML text and in quoted attributes; control characters become U+FFFD."""
    return html.escape(_CONTROL.sub("\ufffd", text), quote=True)


def isolate(text: str) -> str:
    """Escape ``text`` and keep its writing direction (and any override in it) to itself."""
    return f"<bdi>{escape(text)}</bdi>"


def day_html(value: date | None, texts: Texts = ENGLISH) -> str:
    """Write a date as a ``<time>`` element, or say that there is none."""
    return f'<time datetime="{value.isoformat()}">{texts.day(value)}</time>' if value else texts.undated


def lang_attribute(lang: str | None) -> str:
    """Write `` lang="…"`` for a well-formed language tag, else nothing: it chooses the right glyphs and voice."""
    return f' lang="{lang}"' if lang and _LANGUAGE.fullmatch(lang) else ""


def translated_html(article: Article, texts: Texts) -> str:
    """Say quietly that an article is machine-translated, where its language tag (RFC 6497) or its source says so."""
    tagged = re.search(r"-(?:t|x-mtfrom)-[a-z]", article.lang or "", re.I)
    said = any(article.extra.get(name) in _TRUE for name in ("machine_translated", "translated"))
    return f'<span class="badge">{texts.translated}</span>' if tagged or said else ""


def document(title: str, body: str, texts: Texts = ENGLISH, *, styles: Sequence[str] = ("article",)) -> str:
    """Wrap ``body`` (HTML) into a whole page that loads nothing but this server's stylesheets."""
    return (
        f'<!doctype html>\n<html lang="{texts.lang}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n"
        + "".join(f'<link rel="stylesheet" href="/ui/{name}.css">\n' for name in ("palette", *styles))
        + f"</head>\n<body>\n{body}\n</body>\n</html>\n"
    )
