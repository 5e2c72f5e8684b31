"""An answer laid out for a terminal, which no article can steer."""

from __future__ import annotations

import json
import re
import shutil
import textwrap
from collections.abc import Sequence
from itertools import groupby

import click

from qa.types import Answer, Citation
from qa.words import words_for

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def render(answer: Answer, width: int | None = None) -> str:
    """Lay an answer out for a terminal; styles are left to :func:`click.echo`, which drops them in a pipe."""
    width = width or min(shutil.get_terminal_size((88, 24)).columns, 100)
    lines = []
    words = words_for(answer.question)
    if answer.abstained:
        lines += wrapped(plain(answer.text), width)
        if answer.closest:
            lines += ["", click.style(f"{words.closest}:", bold=True)]
            lines += [*_quote(answer.closest, width), *_sources([answer.closest], width)]
        return "\n".join(lines)
    if answer.citations[0].kind == "metadata":
        lines += [*wrapped(plain(answer.text), width), ""]
    else:
        if answer.lead:
            lines += [*wrapped(plain(answer.lead), width), ""]
        for citation in answer.citations:
            lines += [*_quote(citation, width), ""]
        for question in answer.unanswered:
            lines += [*wrapped(words.silent_on.format(question=plain(question)), width), ""]
    lines += [click.style("Sources", bold=True), *_sources(answer.citations, width)]
    return "\n".join(lines)


def _quote(citation: Citation, width: int) -> list[str]:
    text = f"“{plain(citation.quote)}” [{citation.n}]"
    short = plain(citation.answer or "")
    lines = wrapped(text, width)
    if short and citation.answer_start is not None:
        before = len(" ".join(plain(citation.quote[: citation.answer_start - citation.start]).split()))
        lines = _marked(lines, before + 1, short)
    return lines


def _marked(lines: list[str], near: int, short: str) -> list[str]:
    """Make the short answer bold, on the occurrence nearest to where it stands; one may run over a line end."""
    text = "\n".join(lines)
    pattern = r"\s+".join(map(re.escape, short.split()))
    found = min(re.finditer(pattern, text), key=lambda m: abs(m.start() - near), default=None)
    if found is None:
        return lines
    parts = [click.style(part, bold=True, underline=True) for part in found[0].split("\n")]
    return (text[: found.start()] + "\n".join(parts) + text[found.end() :]).split("\n")


def _sources(citations: Sequence[Citation], width: int) -> list[str]:
    """List each article once, with the numbers of its quotes and where they stand."""
    lines = []
    for _, group in groupby(citations, key=lambda c: c.article_id):
        quotes = list(group)
        first = quotes[0]
        numbers = "".join(f"[{c.n}]" for c in quotes)
        facts = [first.title or first.article_id, first.source, str(first.published or "undated")]
        lines += wrapped(plain(f"{numbers} {' · '.join(f for f in facts if f)}"), width, indent="    ")
        places = ", ".join(f"{c.start}–{c.end}" for c in quotes)
        lines.append(f"    {plain(first.url or first.article_id)} ({places})")
        if first.also:
            lines += wrapped(plain(_also(first)), width, indent="    ")
    return lines


def _also(citation: Citation) -> str:
    """Say where else a story stands."""
    n, first = len(citation.also), citation.first_told
    began = ""
    if first:
        began = f", first published {first.published}" + (f" by {first.source}" if first.source else "")
    return f"    also in {n:,} other{'s' if n > 1 else ''}{began}"


def wrapped(text: str, width: int, indent: str = "") -> list[str]:
    """Break text into lines, those after the first indented; empty paragraphs are dropped."""
    return [
        line
        for paragraph in text.split("\n")
        if paragraph.strip()
        for line in textwrap.wrap(paragraph, width, subsequent_indent=indent, break_on_hyphens=False)
    ]


def plain(text: str) -> str:
    """Keep an article from steering the terminal: control and direction characters are dropped."""
    return _CONTROL.sub("", text)


def pretty_json(value: object) -> str:
    """Write a value as JSON that people can read."""
    return json.dumps(value, ensure_ascii=False, indent=2)
