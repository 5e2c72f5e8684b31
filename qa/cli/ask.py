"""``qa ask``, ``qa mentions``, and ``qa feedback``, which tells what people said of answers."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

import click

from qa.cli.options import ABSTAINED, archive_option, filter_options, opened, write
from qa.cli.terminal import plain, pretty_json, render, wrapped
from qa.query.intent import asked_term
from qa.retrieval.occurrences import ORDERS, Order, ordered
from qa.types import Filters


@click.command()
@click.argument("question")
@archive_option
@filter_options
@click.option("--json", "as_json", is_flag=True, help="Print the whole answer as JSON.")
@click.option(
    "--evidence",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Also write an HTML file with the answer and the articles it cites, to be filed.",
)
def ask(question: str, folder: Path | None, filters: Filters, as_json: bool, evidence: Path | None) -> int:
    """Answer QUESTION by quotes, or say that the archive does not."""
    with opened(folder) as archive:
        answer = archive.ask(question, filters=filters)
        if evidence:
            from qa.export import gather
            from qa.web.pages.evidence import evidence_html

            write(evidence, evidence_html(gather(archive, answer)))
    for notice in answer.notices:
        click.echo(f"qa: {notice}", err=True)
    if term := asked_term(question):
        click.echo(f'qa: for every mention, not only the best: qa mentions "{plain(term)}"', err=True)
    click.echo(pretty_json(answer.model_dump(mode="json")) if as_json else render(answer))
    return ABSTAINED if answer.abstained else 0


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
    from qa.tabular import csv_lines, json_text

    if as_csv:
        click.echo("".join(csv_lines(found)), nl=False)
    elif as_json:
        click.echo(json_text(found))
    else:
        for article_id, group in groupby(found.occurrences, key=lambda o: o.article_id):
            places = list(group)
            facts = [places[0].title or article_id, places[0].source, str(places[0].published or "undated")]
            click.echo(click.style(plain(" · ".join(fact for fact in facts if fact)), bold=True))
            for place in places:
                where = "title" if place.field == "title" else f"{place.start}–{place.end}"
                click.echo("\n".join(wrapped(f"  {plain(place.sentence)} ({where})", 100, indent="    ")))
        counts = [(len(found), "mention"), (found.articles, "article")]
        said = " in ".join(f"{count:,} {thing}{'' if count == 1 else 's'}" for count, thing in counts)
        click.echo(f"{said}; {found.coverage.articles:,} looked through.")
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
