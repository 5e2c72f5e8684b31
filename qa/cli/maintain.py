"""``qa info``, ``qa check`` and ``qa compact``: whether an archive is sound, and what it takes."""

from __future__ import annotations

from pathlib import Path

import click

from qa.cli.options import FAILED, archive_option, opened
from qa.cli.terminal import plain, pretty_json

SHOWN_SENTENCES = 20


@click.command()
@archive_option
@click.option("--json", "as_json", is_flag=True, help="Print the facts as JSON.")
def info(folder: Path | None, as_json: bool) -> int:
    """Show what an archive holds."""
    with opened(folder) as archive:
        facts = archive.describe()
    if as_json:
        click.echo(pretty_json(facts))
    else:
        width = max(map(len, facts))
        for name, value in facts.items():
            click.echo(
                f"{name:<{width}}  {value:,}"
                if isinstance(value, int)
                else f"{name:<{width}}  {plain(value)}"
            )
    return 0


@click.command()
@archive_option
@click.option("--repair", is_flag=True, help="Mend what can be mended.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def check(folder: Path | None, repair: bool, as_json: bool) -> int:
    """Check an archive: the database, every passage, every count, every file."""
    with opened(folder) as archive:
        report = archive.check(repair=repair)
    if as_json:
        click.echo(pretty_json(report.model_dump(mode="json")))
        return 0 if report.ok else FAILED
    for title, sentences in (
        ("repaired", report.repaired),
        ("damage", report.problems),
        ("note", report.notes),
    ):
        for sentence in sentences[:SHOWN_SENTENCES]:
            click.echo(f"{title}: {plain(sentence)}")
        if (more := len(sentences) - SHOWN_SENTENCES) > 0:
            click.echo(f"{title}: and {more:,} more; --json lists them all")
    hint = "" if report.ok or repair else " Run qa check --repair to mend what can be."
    state = "All is sound." if report.ok else f"Damage remains.{hint}"
    click.echo(f"{report.articles:,} articles, {report.passages:,} passages. {state}")
    return 0 if report.ok else FAILED


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
