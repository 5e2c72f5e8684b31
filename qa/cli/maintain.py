"""``qa info``, ``check``, ``compact``, ``calibrate``, ``glossary``: an archive's state, its threshold and its words."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from qa.cli.options import FAILED, archive_option, opened, write
from qa.cli.terminal import pretty_json
from qa.errors import GlossaryError
from qa.query.glossary import FILE, Glossary
from qa.text.characters import harmless

SHOWN_SENTENCES = 20
"""Sentences of each kind that ``qa check`` prints; ``--json`` has all of them."""
QUALITIES = {
    "needless": "refused although it is there",
    "refused": "refused when it is held out",
    "error": "calibration error",
}
"""Fields of :class:`~qa.answering.calibration.Quality` that ``qa calibrate`` prints, and their labels."""


@click.command()
@archive_option
@click.option("--json", "as_json", is_flag=True, help="Print the facts as JSON.")
def info(folder: Path | None, as_json: bool) -> int:
    """Show what an archive holds."""
    with opened(folder) as archive:
        facts = archive.describe()
    if as_json:
        click.echo(pretty_json(facts))
        return 0
    width = max(map(len, facts))
    for name, value in facts.items():
        shown = f"{value:,}" if isinstance(value, int) else harmless(value)
        click.echo(f"{name:<{width}}  {shown}")
    return 0


@click.command()
@archive_option
@click.option("--repair", is_flag=True, help="Mend what can be mended.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def check(folder: Path | None, repair: bool, as_json: bool) -> int:
    """Check an archive: the database, every passage, every count, every file."""
    with opened(folder) as archive:
        report = archive.check(repair=repair)
    code = 0 if report.ok else FAILED
    if as_json:
        click.echo(pretty_json(report.model_dump(mode="json")))
        return code
    for title, sentences in (
        ("repaired", report.repaired),
        ("damage", report.problems),
        ("note", report.notes),
    ):
        for sentence in sentences[:SHOWN_SENTENCES]:
            click.echo(f"{title}: {harmless(sentence)}")
        if (more := len(sentences) - SHOWN_SENTENCES) > 0:
            click.echo(f"{title}: and {more:,} more; --json lists them all")
    hint = "" if report.ok or repair else " Run qa check --repair to mend what can be."
    state = "All is sound." if report.ok else f"Damage remains.{hint}"
    click.echo(f"{report.articles:,} articles, {report.passages:,} passages. {state}")
    return code


@click.command()
@archive_option
@click.option("--vacuum", is_flag=True, help="Write the database anew too, to give back unused room.")
def compact(folder: Path | None, vacuum: bool) -> int:
    """Write an archive's indexes anew, each in one piece; forget revisions that were replaced."""
    with opened(folder) as archive:
        before = archive.describe()["bytes"]
        archive.compact(vacuum=vacuum)
        after = archive.describe()["bytes"]
    click.echo(f"{before:,} bytes before, {after:,} now.")
    return 0


@click.command()
@archive_option
@click.option(
    "--questions", default=200, show_default=True, type=click.IntRange(min=1), help="How many to ask."
)
@click.option("--seed", default=0, show_default=True, help="Decides which questions are made.")
@click.option("--reset", is_flag=True, help="Go back to the package's own calibration.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def calibrate(folder: Path | None, questions: int, seed: int, reset: bool, as_json: bool) -> int:
    """Fit when to answer and when to refuse to an archive, on questions made of its own articles."""
    with opened(folder) as archive:
        if reset:
            archive.uncalibrate()
            click.echo("The package's own calibration is in use.")
            return 0
        with click.progressbar(length=questions, label="Asking", file=sys.stderr) as bar:

            def show(done: int, total: int) -> None:
                bar.length = total
                bar.update(1)

            fit = archive.calibrate(questions, seed=seed, progress=show)
    if as_json:
        click.echo(pretty_json(fit.model_dump()))
        return 0
    click.echo(
        f"{fit.questions:,} questions made of the archive's articles, each asked with its article and without:"
    )
    click.echo(f"{'':<34}{'before':>8}{'after':>8}")
    for name, label in QUALITIES.items():
        click.echo(f"{label:<34}{getattr(fit.before, name):>8.1%}{getattr(fit.after, name):>8.1%}")
    click.echo(f"Answers below a confidence of {fit.refuse:.2f} are now refused; --reset undoes this.")
    return 0


@click.command()
@archive_option
@click.option("--add", "line", metavar="LINE", help="Add a line: procuratorate = prosecutor's office.")
@click.option("--edit", is_flag=True, help="Open the file in an editor.")
def glossary(folder: Path | None, line: str | None, edit: bool) -> int:
    """Show the words that mean the same in an archive: first as its articles put it, then as people ask."""
    with opened(folder) as archive:
        path = archive.path / FILE
        try:
            if line is not None:
                _add_line(path, line)
            if edit:
                path.touch()
                click.edit(filename=str(path))
        except OSError as error:
            raise GlossaryError(f"{path} cannot be used ({error.strerror}).") from None
        found = Glossary.read(archive.path)
    if not found.groups:
        click.echo(f"There is no glossary yet. It is {path}; --add LINE or --edit begins it.")
    for text in found.lines():
        click.echo(harmless(text))
    _raise_problems(found)
    return 0


def _add_line(path: Path, line: str) -> None:
    """Append a line to a glossary's file, unless the glossary would then have a line that does not fit."""
    before = path.read_text("utf-8-sig") if path.exists() else ""
    text = f"{before.rstrip()}\n{' '.join(line.split())}\n".lstrip()
    _raise_problems(Glossary.parse(text))
    write(path, text)


def _raise_problems(glossary: Glossary) -> None:
    if glossary.problems:
        raise GlossaryError(" ".join(glossary.problems))
