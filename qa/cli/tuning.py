"""``qa calibrate`` and ``qa glossary``: an archive's own threshold and words."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from qa.cli.options import archive_option, opened, write
from qa.cli.terminal import plain, pretty_json
from qa.errors import GlossaryError
from qa.query.glossary import FILE, Glossary


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

            found = archive.calibrate(questions, seed=seed, progress=show)
    if as_json:
        click.echo(pretty_json(found.model_dump()))
        return 0
    click.echo(
        f"{found.questions:,} questions made of the archive's articles, each asked with its article and without:"
    )
    click.echo(f"{'':<34}{'before':>8}{'after':>8}")
    for label, name in (
        ("refused although it is there", "needless"),
        ("refused when it is held out", "refused"),
        ("calibration error", "error"),
    ):
        click.echo(f"{label:<34}{getattr(found.before, name):>8.1%}{getattr(found.after, name):>8.1%}")
    click.echo(f"Answers below a confidence of {found.refuse:.2f} are now refused; --reset undoes this.")
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
                held = path.read_text("utf-8-sig") if path.exists() else ""
                _checked(Glossary.parse(text := f"{held.rstrip()}\n{' '.join(line.split())}\n".lstrip()))
                write(path, text)
            if edit:
                path.touch()
                click.edit(filename=str(path))
        except OSError as error:
            raise GlossaryError(f"{path} cannot be used ({error.strerror}).") from None
        found = Glossary.read(archive.path)
    if not found.groups:
        click.echo(f"There is no glossary yet. It is {path}; --add LINE or --edit begins it.")
    for text in found.lines():
        click.echo(plain(text))
    _checked(found)
    return 0


def _checked(glossary: Glossary) -> None:
    if glossary.problems:
        raise GlossaryError(" ".join(glossary.problems))
