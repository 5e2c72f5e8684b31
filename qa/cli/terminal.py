"""Answers and mentions as text for a terminal, without the control characters by which an article could steer it."""

from __future__ import annotations

import json
import re
import shutil
import textwrap
from collections.abc import Sequence
from itertools import groupby

import click

from qa.text.characters import harmless
from qa.types import Answer, Citation, Occurrence, Occurrences
from qa.words import words_for

_INDENT = "    "
_WIDEST, _USUAL = 100, 88
"""Columns: at most, and where the terminal does not say how many it has."""


def render(answer: Answer, width: int | None = None) -> str:
    """Lay an answer out in lines of ``width`` columns, by default the terminal's.

    The text carries styles; :func:`click.echo` drops them where the output is not a terminal.
    """
    width = width or min(shutil.get_terminal_size((_USUAL, 24)).columns, _WIDEST)
    words = words_for(answer.question)
    if answer.abstained:
        lines = wrapped(answer.text, width)
        if answer.closest:
            lines += ["", click.style(f"{words.closest}:", bold=True)]
            lines += [*_quote(answer.closest, width), *_sources([answer.closest], width)]
        return "\n".join(lines)
    if answer.kind == "metadata":
        blocks = [wrapped(answer.text, width)]
    else:
        silent = [words.silent_on.format(question=question) for question in answer.unanswered]
        blocks = [
            *([wrapped(answer.lead, width)] if answer.lead else []),
            *(_quote(citation, width) for citation in answer.citations),
            *(wrapped(sentence, width) for sentence in silent),
        ]
    lines = [line for block in blocks for line in (*block, "")]
    return "\n".join([*lines, click.style("Sources", bold=True), *_sources(answer.citations, width)])


def render_mentions(found: Occurrences) -> str:
    """List the places where a term stands, article by article, then how many there are."""
    lines = []
    for _, group in groupby(found.occurrences, key=lambda place: place.article_id):
        places = list(group)
        lines.append(click.style(_facts(places[0]), bold=True))
        for place in places:
            where = "title" if place.field == "title" else f"{place.start}–{place.end}"
            lines += wrapped(f"  {place.sentence} ({where})", _WIDEST, indent=_INDENT)
    counts = [(len(found), "mention"), (found.articles, "article")]
    totals = " in ".join(f"{count:,} {thing}{'' if count == 1 else 's'}" for count, thing in counts)
    return "\n".join([*lines, f"{totals}; {found.coverage.articles:,} looked through."])


def _quote(citation: Citation, width: int) -> list[str]:
    lines = wrapped(f"“{citation.quote}” [{citation.n}]", width)
    short = harmless(citation.answer or "")
    if short and citation.answer_start is not None:
        before = len(" ".join(harmless(citation.quote[: citation.answer_start - citation.start]).split()))
        lines = _marked(lines, before + 1, short)
    return lines


def _marked(lines: list[str], near: int, short: str) -> list[str]:
    """Make the short answer bold, at its occurrence nearest to character ``near``; it may run over a line end."""
    text = "\n".join(lines)
    pattern = r"\s+".join(map(re.escape, short.split()))
    found = min(re.finditer(pattern, text), key=lambda match: abs(match.start() - near), default=None)
    if found is None:
        return lines
    parts = [click.style(part, bold=True, underline=True) for part in found[0].split("\n")]
    return (text[: found.start()] + "\n".join(parts) + text[found.end() :]).split("\n")


def _sources(citations: Sequence[Citation], width: int) -> list[str]:
    """List each article once, with the numbers of its quotes and where they stand."""
    lines = []
    for _, group in groupby(citations, key=lambda citation: citation.article_id):
        quotes = list(group)
        first = quotes[0]
        numbers = "".join(f"[{quote.n}]" for quote in quotes)
        places = ", ".join(f"{quote.start}–{quote.end}" for quote in quotes)
        lines += wrapped(f"{numbers} {_facts(first)}", width, indent=_INDENT)
        lines.append(f"{_INDENT}{harmless(first.url or first.article_id)} ({places})")
        if first.also:
            lines += wrapped(_also(first), width, indent=_INDENT)
    return lines


def _facts(place: Citation | Occurrence) -> str:
    """Name an article by its title, source and date."""
    facts = [place.title or place.article_id, place.source, str(place.published or "undated")]
    return harmless(" · ".join(fact for fact in facts if fact))


def _also(citation: Citation) -> str:
    """Say in how many other articles the story stands, and where it stood first."""
    n, first = len(citation.also), citation.first_told
    began = ""
    if first:
        began = f", first published {first.published}" + (f" by {first.source}" if first.source else "")
    return f"{_INDENT}also in {n:,} other{'s' if n > 1 else ''}{began}"


def wrapped(text: str, width: int, indent: str = "") -> list[str]:
    """Break text into lines without control characters, those after the first indented; empty ones are dropped."""
    return [
        line
        for paragraph in harmless(text).split("\n")
        if paragraph.strip()
        for line in textwrap.wrap(paragraph, width, subsequent_indent=indent, break_on_hyphens=False)
    ]


def pretty_json(value: object) -> str:
    """Write a value as JSON that people can read."""
    return json.dumps(value, ensure_ascii=False, indent=2)
