"""``qa index`` and ``qa remove``: articles in, articles out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from qa.archive import Archive
from qa.cli import progress
from qa.cli.options import FAILED, archive_option, opened
from qa.settings import Settings
from qa.storage.folder import DATABASE
from qa.text.characters import harmless


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PATH...")
@click.option(
    "--archive",
    "folder",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="The archive's folder; made if it does not exist.",
)
@click.option("--model", metavar="NAME", help="Embedding model of a new archive: a folder or a Hub name.")
@click.option(
    "--map",
    "mappings",
    multiple=True,
    metavar="FIELD=COLUMN,...",
    help="Where tables and JSON have an article's fields: text=body,date=published_at.",
)
@click.option(
    "--format",
    metavar="EXTENSION",
    help="What standard input is, and files without a known extension: csv, html.  "
    "[default: told by their beginning]",
)
@click.option(
    "--prune", is_flag=True, help="Remove the articles that these files and folders do not hold any more."
)
@click.option("--quiet", "-q", is_flag=True, help="Show no progress.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print events as lines of JSON; the last one is the report."
)
def index(
    paths: tuple[Path, ...],
    folder: Path,
    model: str | None,
    mappings: tuple[str, ...],
    format: str | None,
    prune: bool,
    quiet: bool,
    as_json: bool,
) -> int:
    """Add articles to an archive; those it holds already are updated or left alone.

    PATH is a file, a folder (with all below it), a pattern in quotes ('pages/**/*.html') or - for standard input.
    """
    columns = _columns(mappings)
    settings = Settings.from_environ()
    new = not (folder / DATABASE).exists()
    if model and not new:
        settings = settings.model_copy(update={"model": model})
    archive = (
        Archive.create(folder, model, settings=settings) if new else Archive.open(folder, settings=settings)
    )
    with archive:
        archive.encoder  # noqa: B018 - loading it may print a notice, which must come before the progress bar
        with progress.shown(quiet=quiet, as_json=as_json) as show:
            report = archive.add(paths, map=columns, format=format, progress=show, prune=prune)
        size = len(archive)
    if as_json:
        progress.event("report", **report.model_dump(mode="json"), articles=size)
        return 0
    progress.show_lists(report, folder)
    plural = "" if size == 1 else "s"
    click.echo(f"{progress.summary(report)}. {folder} holds {size:,} article{plural}.")
    return 0


def _columns(mappings: Sequence[str]) -> dict[str, str]:
    """Read ``text=body,date=published_at``."""
    columns = {}
    for part in ",".join(mappings).split(",") if mappings else ():
        field, _, column = part.partition("=")
        if not (field.strip() and column.strip()):
            raise click.UsageError(f"--map: write FIELD=COLUMN, not {part!r}")
        columns[field.strip()] = column.strip()
    return columns


@click.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@archive_option
def remove(ids: tuple[str, ...], folder: Path | None) -> int:
    """Remove articles by id."""
    with opened(folder) as archive:
        for missing in [one for one in ids if one not in archive]:
            click.echo(f"qa: no article {harmless(missing)!r}", err=True)
        removed = archive.remove(ids)
    click.echo(f"{removed:,} removed.")
    return 0 if removed else FAILED
