"""What stands on the page before anything is asked: heading, examples, the form, the filters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from qa.types import Coverage
from qa.web.pages.html import render
from qa.words import PageWords

_MOST_SOURCES = 500
"""Names offered while a source is typed."""


def frame_html(
    coverage: Coverage,
    sources: Sequence[str],
    examples: Iterable[str],
    words: PageWords,
    problem: str = "",
    *,
    adds: bool = False,
) -> str:
    """Render the page's frame; ``problem`` says why the archive cannot be used, ``adds`` whether it takes articles."""
    return render(
        "frame.html",
        covers="" if problem else words.coverage(coverage),
        sources=sources[:_MOST_SOURCES],
        questions=list(examples),
        label=words.try_asking,
        problem=problem,
        adds=adds,
        words=words,
    )


def questions_html(questions: Iterable[str], label: str) -> str:
    """Render questions as buttons; a click asks."""
    return render("suggestions.html", questions=list(questions), label=label)
