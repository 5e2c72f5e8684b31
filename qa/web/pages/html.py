"""How the templates are rendered: every value is escaped, whoever writes the template.

A line break beside a tag is there for who reads the template, and is not part of the page: where a space is to
be seen, it stands within a line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from jinja2.ext import Extension
from markupsafe import Markup, escape

from qa.text.characters import without_control
from qa.types import Article

_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")
_LAYOUT = re.compile(r"(?<=[>}])\s*\n\s*|\s*\n\s*(?=[<{])")
"""A line break beside a tag, with the indentation."""
_TRUE = (True, 1, "1", "true", "yes", "True")
"""How a source writes that something is so."""


class Piece(NamedTuple):
    """A stretch of a text, and what it is marked as, if anything."""

    text: str
    kind: str = ""
    id: str = ""


def render(template: str, **values: Any) -> str:
    """Render a template of ``templates/``."""
    return _ENVIRONMENT.get_template(template).render(values)


def render_stream(template: str, **values: Any) -> Iterable[str]:
    """Render a template piece by piece, as fast as the iterators among its values go on."""
    return _ENVIRONMENT.get_template(template).generate(values)


def prepare() -> None:
    """Compile all templates, so that the first reader does not wait for it."""
    for name in _ENVIRONMENT.list_templates():
        _ENVIRONMENT.get_template(name)


def isolate(text: str) -> Markup:
    """Keep the writing direction of a text, and any override in it, to itself."""
    return Markup("<bdi>{}</bdi>").format(text)


def fill(sentence: str, **values: object) -> Markup:
    """Fill in the braces of a sentence by values that may hold markup."""
    return escape(sentence).format(**values)


def verbatim(text: str) -> Markup:
    """Escape a text so that a parser gives back its very characters, carriage returns too."""
    return escape(text).replace("\r", Markup("&#13;"))


def well_formed(lang: str | None) -> bool:
    """Whether this is a language tag, fit for a ``lang`` attribute: it chooses the right glyphs and voice."""
    return bool(lang and _LANGUAGE.fullmatch(lang))


def translated(article: Article | None) -> bool:
    """Whether an article is machine-translated, as its language tag (RFC 6497) or its source says."""
    if article is None:
        return False
    said: Mapping[str, Any] = article.extra
    tagged = re.search(r"-(?:t|x-mtfrom)-[a-z]", article.lang or "", re.I)
    return bool(tagged) or any(said.get(name) in _TRUE for name in ("machine_translated", "translated"))


class _Layout(Extension):
    """Drops the layout of the templates' source before it is compiled."""

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        return _LAYOUT.sub("", source)


def _displayable(value: object) -> object:
    """Replace control characters, which HTML cannot hold; the last thing that is done to each value."""
    if isinstance(value, Markup):
        return Markup(without_control(value))
    return without_control(value) if isinstance(value, str) else value


def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent.parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_displayable,
        auto_reload=False,
        extensions=[_Layout],
    )
    made.filters.update(isolate=isolate, fill=fill)
    made.tests.update(well_formed=well_formed, translated=translated)
    return made


_ENVIRONMENT = _environment()
