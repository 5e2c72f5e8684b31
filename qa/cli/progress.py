"""What ``qa index`` shows: a bar on a terminal, events for programs, the report, the lists of skipped inputs."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from qa.text.characters import harmless
from qa.types import IngestReport, Progress

SHOWN = 20
"""Lines of a list (of skipped inputs, of removed articles) that the terminal shows; a longer list goes to a file."""
EVENT_EVERY = 1.0
"""Seconds between two events in JSON, unless the stage changes."""


@contextmanager
def shown(*, quiet: bool, as_json: bool) -> Iterator[Callable[[Progress], None] | None]:
    """Yield the function that shows a run's progress: as JSON lines, as a bar on a terminal, or ``None``."""
    if as_json:
        yield None if quiet else _Lines()
    elif quiet or not sys.stderr.isatty():
        yield None
    else:
        with _bar() as show:
            yield show


def event(name: str, **values: object) -> None:
    """Print an event as one line of JSON."""
    click.echo(json.dumps({"event": name, **values}, ensure_ascii=False))


def summary(report: IngestReport) -> str:
    """Say in one line what was done."""
    rest = f"{report.duplicates:,} duplicate{'s' * (report.duplicates != 1)}, " if report.duplicates else ""
    rest += f"{len(report.removed):,} removed, " if report.removed else ""
    return (
        f"{report.added:,} added, {report.updated:,} updated, {report.unchanged:,} unchanged, "
        f"{rest}{len(report.skipped):,} skipped"
    )


def show_lists(report: IngestReport, folder: Path) -> None:
    """Name what was removed and what was skipped; a long list goes to a file beside the archive.

    Args:
        report: What was done.
        folder: The archive's.
    """
    skipped = [f"{where}: {why}" for where, why in report.skipped]
    for what, lines in (("removed", report.removed), ("skipped", skipped)):
        _show_list(what, [" ".join(harmless(line).split()) for line in lines], folder)


def _show_list(what: str, lines: list[str], folder: Path) -> None:
    for line in lines[:SHOWN]:
        click.echo(f"qa: {what} {line}", err=True)
    if len(lines) <= SHOWN:
        return
    home = folder.resolve()
    file = home.with_name(f"{home.name or 'archive'}-{what}.txt")
    try:
        file.write_text("\n".join(lines) + "\n", encoding="utf-8", errors="backslashreplace")
        more = f"all {len(lines):,} are listed in {file}"
    except OSError as error:
        more = f"{file} cannot be written ({error.strerror}); --json lists them all"
    click.echo(f"qa: {len(lines) - SHOWN:,} more were {what}; {more}", err=True)


class _Lines:
    """Prints progress as lines of JSON."""

    def __init__(self) -> None:
        self._next = 0.0
        self._stage = ""

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if now >= self._next or progress.stage != self._stage:
            self._next, self._stage = now + EVENT_EVERY, progress.stage
            event(
                "progress",
                **progress.model_dump(mode="json"),
                rate=round(progress.rate, 1),
                seconds_left=progress.seconds_left,
            )


@contextmanager
def _bar() -> Iterator[Callable[[Progress], None]]:
    from rich import progress as rich
    from rich.console import Console

    bar = rich.Progress(
        rich.TextColumn("{task.description}"),
        rich.BarColumn(),
        rich.TextColumn("{task.fields[facts]}", style="dim"),
        rich.TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    task = bar.add_task("Reading", total=None, facts="")

    def show(progress: Progress) -> None:
        bar.update(
            task,
            description="Reading" if progress.stage == "reading" else "Building the search indexes",
            total=None if progress.fraction is None or progress.stage == "publishing" else 1.0,
            completed=progress.fraction or 0.0,
            facts=facts(progress),
        )

    with bar:
        yield show


def facts(progress: Progress) -> str:
    """Say how far a run has come, in a few words."""
    parts = [f"{progress.stored + progress.unchanged:,} articles"]
    if progress.skipped:
        parts.append(f"{progress.skipped:,} skipped")
    if progress.stage == "reading":
        if progress.passages:
            parts.append(f"{progress.rate:,.0f} passages/s")
        if progress.fraction is not None:
            parts.insert(0, f"{progress.fraction:.0%}")
        if progress.seconds_left is not None:
            parts.append(f"{duration(progress.seconds_left)} left")
    return " · ".join(parts)


def duration(seconds: float) -> str:
    """Say a time in one or two units: ``40 s``, ``12 min``, ``3 h 20 min``."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
