"""``python -m evals``: run the questions of an evaluation folder, print the table, hold the gate."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import cast, get_args

import click

from embeddings import EmbeddingError
from evals.archives import archive_of
from evals.baselines import compare
from evals.dataset import Dataset
from evals.gate import SEED_BASELINE, Baseline
from evals.outcomes import Outcome, Part, examine
from evals.summary import Summary
from qa.errors import QAError
from qa.settings import Settings

FILE = click.Path(dir_okay=False, path_type=Path)
PARTS = get_args(Part)


@click.command(context_settings={"max_content_width": 110})
@click.option("--data", type=click.Path(path_type=Path), help="Evaluation folder; by default the seeds'.")
@click.option("--json", "--out", "json_file", type=FILE, help="Write the summary here, with every outcome.")
@click.option("--limit", type=click.IntRange(min=1), help="Ask this many questions, spread evenly; no gate.")
@click.option("--part", type=click.Choice(PARTS), default="all", help="Judge only this; no gate.")
@click.option("--model", help="Embedding model to index the corpus with.")
@click.option(
    "--baselines", is_flag=True, help="Also rank by BM25, dense and RRF, and compare, question by question."
)
@click.option("--wrong", is_flag=True, help="List each question that went wrong, with what was answered.")
@click.option(
    "--gate/--no-gate", default=True, help="Fail when a metric is below its baseline, if it has one."
)
@click.option(
    "--baseline", "baseline_file", type=FILE, help="By default, for the seeds, evals/baseline.json."
)
@click.option("--update-baseline", is_flag=True, help="Write this run's values to the baseline.")
def main(
    data: Path | None,
    json_file: Path | None,
    limit: int | None,
    part: str,
    model: str | None,
    baselines: bool,
    wrong: bool,
    gate: bool,
    baseline_file: Path | None,
    update_baseline: bool,
) -> None:
    """Ask the questions of an evaluation folder and report how well they were answered.

    Exits 1 when a metric falls below its baseline by more than its tolerance, or when any citation is
    not word for word what it cites; 2 when nothing could be run.
    """
    if baseline_file is None and data is None:
        baseline_file = SEED_BASELINE
    whole = limit is None and part == "all"
    if update_baseline and not (whole and baseline_file):
        raise click.UsageError("--update-baseline needs the whole run, and for --data also --baseline FILE.")
    try:
        baseline = Baseline()
        if baseline_file and (baseline_file.exists() or not update_baseline):
            baseline = Baseline.load(baseline_file)
        summary, comparison = run(Dataset.load(data).limited(limit), cast(Part, part), model, baselines)
        click.echo("\n".join([summary.table(), *comparison]))
        if wrong:
            click.echo("\n" + "\n".join(line for o in summary.outcomes if o.faults for line in _wrong(o)))
        if json_file:
            json_file.write_text(summary.model_dump_json(indent=1) + "\n", encoding="utf-8")
        if update_baseline and baseline_file:
            baseline = baseline.updated(summary)
            baseline.save(baseline_file)
            click.echo(f"\nwrote {baseline_file}")
    except (QAError, EmbeddingError, OSError) as error:
        click.echo(f"evals: {error}", err=True)
        sys.exit(2)
    failures = [f"FAIL citation {why}" for why in summary.inexact]
    if gate and whole:
        failures += baseline.failures(summary).values()
    if failures:
        click.echo("\n" + "\n".join(failures))
        sys.exit(1)


def run(
    dataset: Dataset, part: Part = "all", model: str | None = None, baselines: bool = False
) -> tuple[Summary, list[str]]:
    """Build or open the dataset's archive, ask every question, and sum up; compare if asked to."""
    settings = Settings.from_environ()
    if model:
        settings = settings.model_copy(update={"model": model})
    with archive_of(dataset, settings) as archive:
        outcomes = list(_watched(examine(archive, dataset, part), len(dataset.questions)))
        about = archive.describe()
        comparison = ["", *compare(archive, dataset, outcomes)] if baselines else []
    summary = Summary.of(
        outcomes,
        data=dataset.name,
        model=str(about["model"]),
        articles=int(about["articles"]),
        passages=int(about["passages"]),
    )
    return summary, comparison


def _watched(outcomes: Iterator[Outcome], length: int) -> Iterator[Outcome]:
    """Show progress while somebody is watching."""
    if not sys.stderr.isatty():
        yield from outcomes
        return
    with click.progressbar(outcomes, length=length, label="asking", file=sys.stderr) as bar:
        yield from bar


def _wrong(outcome: Outcome) -> Iterator[str]:
    yield f"{outcome.id} ({', '.join(outcome.faults)}) {outcome.question}"
    if outcome.answers:
        yield f"    accepted: {' | '.join(outcome.answers)}"
    if outcome.confidence is not None:
        said = "refused" if outcome.abstained else f"marked {outcome.marked!r}"
        yield f"    {said}, confidence {outcome.confidence:.3f}"
    for quote in outcome.quotes:
        yield f"    > {quote}"


if __name__ == "__main__":
    main(prog_name="python -m evals")
