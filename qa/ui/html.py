"""Escaping, dates and the skeleton of a page."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from datetime import date

from qa.types import Coverage

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


def escape(text: str) -> str:
    """Make ``text`` inert in HTML text and in quoted attributes; control characters become U+FFFD."""
    return html.escape(_CONTROL.sub("\ufffd", text), quote=True)


def isolate(text: str) -> str:
    """Escape ``text`` and keep its writing direction (and any override in it) to itself."""
    return f"<bdi>{escape(text)}</bdi>"


def day(value: date) -> str:
    """Write a date in full, the same in every locale: ``11 September 2023``."""
    return f"{value.day} {_MONTHS[value.month - 1]} {value.year}"


def day_html(value: date | None) -> str:
    """Write a date as a ``<time>`` element, or say that there is none."""
    return f'<time datetime="{value.isoformat()}">{day(value)}</time>' if value else "undated"


def coverage_text(coverage: Coverage) -> str:
    """Say what an archive holds: ``5 articles, 26 May 2022 – 28 February 2024, 1 undated``."""
    parts = ["1 article" if coverage.articles == 1 else f"{coverage.articles:,} articles"]
    if coverage.first and coverage.last:
        same = coverage.first == coverage.last
        parts.append(day(coverage.first) if same else f"{day(coverage.first)} – {day(coverage.last)}")
    if coverage.undated:
        parts.append(f"{coverage.undated:,} undated")
    return ", ".join(parts)


def document(title: str, body: str, *, lang: str | None = None, styles: Sequence[str] = ("article",)) -> str:
    """Wrap ``body`` (HTML) into a whole page that loads nothing but this server's stylesheets."""
    language = lang if lang and re.fullmatch(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*", lang) else "en"
    return (
        f'<!doctype html>\n<html lang="{language}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n"
        + "".join(f'<link rel="stylesheet" href="/ui/{name}.css">\n' for name in ("palette", *styles))
        + f"</head>\n<body>\n{body}\n</body>\n</html>\n"
    )
