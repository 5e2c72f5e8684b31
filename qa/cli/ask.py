"""``qa ask``, ``qa mentions`` and ``qa feedback``: an answer, every mention of a term, what people said of answers."""

from __future__ import annotations

from pathlib import Path

import click
from pydantic import TypeAdapter, ValidationError

from qa.cli.options import ABSTAINED, archive_option, filter_options, opened, write
from qa.cli.terminal import pretty_json, render, render_mentions
from qa.errors import InputError
from qa.retrieval.occurrences import ORDERS, Order, ordered
from qa.text.characters import harmless
from qa.types import Filters, Turn


@click.command()
@click.argument("question")
@archive_option
@filter_options
@click.option(
    "--history",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help='The conversation before it, as JSON: [{"role": "user", "content": "…"}, …], oldest first.',
)
@click.option("--json", "as_json", is_flag=True, help="Print the whole answer as JSON.")
@click.option(
    "--evidence",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Also write an HTML file with the answer and the articles it cites, to be filed.",
)
def ask(
    question: str,
    folder: Path | None,
    filters: Filters,
    history: Path | None,
    as_json: bool,
    evidence: Path | None,
) -> int:
    """Answer QUESTION by quotes, or say that the archive does not."""
    turns = _read_turns(history) if history else []
    with opened(folder) as archive:
        answer = archive.ask(question, turns, filters)
        if evidence:
            from qa.export import gather
            from qa.web.pages.evidence import evidence_html

            write(evidence, evidence_html(gather(archive, answer)))
    for notice in answer.notices:
        click.echo(f"qa: {notice}", err=True)
    if term := answer.query.intent.term:
        click.echo(f'qa: for every mention, not only the best: qa mentions "{harmless(term)}"', err=True)
    click.echo(pretty_json(answer.model_dump(mode="json")) if as_json else render(answer))
    return ABSTAINED if answer.abstained else 0


def _read_turns(path: Path) -> list[Turn]:
    """Read a conversation from a JSON file.

    Raises:
        InputError: It cannot be read, or is not a list of turns.
    """
    try:
        return TypeAdapter(list[Turn]).validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}). Name another file.") from None
    except ValidationError:
        form = '[{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}]'
        raise InputError(f"{path} is not a conversation. Write {form}.") from None


@click.command()
@click.argument("term")
@archive_option
@filter_options
@click.option("--exact", is_flag=True, help="Only as written: prosecutors is not prosecutor.")
@click.option("--sort", type=click.Choice(ORDERS), default="date", show_default=True, help="In which order.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV; cells like formulas get a leading '.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def mentions(
    term: str, folder: Path | None, filters: Filters, exact: bool, sort: Order, as_csv: bool, as_json: bool
) -> int:
    """List every mention of TERM: a word, a name or a phrase."""
    with opened(folder) as archive:
        found = ordered(archive.mentions(term, filters, exact=exact), sort)
    from qa.export import csv_lines, json_text

    if as_csv:
        click.echo("".join(csv_lines(found)), nl=False)
    else:
        click.echo(json_text(found) if as_json else render_mentions(found))
    return 0 if found.occurrences else ABSTAINED


@click.command()
@click.argument("out", type=click.Path(path_type=Path), metavar="FOLDER")
@archive_option
def feedback(out: Path, folder: Path | None) -> int:
    """Write what people said of answers into FOLDER, for python -m evals --data FOLDER."""
    from qa.feedback import export

    with opened(folder) as archive:
        count = export(archive, out)
    click.echo(f"{count:,} question{'' if count == 1 else 's'} with the archive's articles in {out}.")
    return 0
