"""``python -m evals.speed``: how fast this program is, beside what else a user would take."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import date
from pathlib import Path

import click

from embeddings import EmbeddingError, load_encoder
from evals import machine
from evals.speed.asking import asking
from evals.speed.corpus import ReadyVectors, Real, made_corpora, real_corpus
from evals.speed.peers import OURS, PEERS, missing
from evals.speed.report import Group, Report
from evals.speed.run import Run
from evals.speed.searching import Search, encoding, growing
from evals.speed.worker import WorkerFailed
from qa.errors import QAError
from qa.settings import PREFIX, Settings

OUT = Path(__file__).parents[1] / "SPEED.md"
KEPT = "QA_CACHE_DIR", "QA_DATA_DIR", "QA_MODEL"
"""Settings that a run takes from the environment; any other would change what is measured."""
PATH = click.Path(path_type=Path)
NUMBER = click.IntRange(min=1)


def _sizes(_: click.Context, __: click.Parameter, text: str) -> list[int]:
    try:
        sizes = sorted({int(size) for size in text.split(",")})
    except ValueError:
        sizes = []
    if not sizes or sizes[0] < 1:
        raise click.BadParameter(f"{text!r} is not a list of numbers like 1000,10000.")
    return sizes


@click.command(context_settings={"max_content_width": 110, "show_default": True})
@click.option("--sizes", default="1000,10000,100000,1000000", callback=_sizes, help="Passages to search.")
@click.option("--data", type=PATH, help="An evaluation folder, or a folder of them. By default the seeds.")
@click.option("--questions", default=100, type=NUMBER, help="Questions asked of each system.")
@click.option("--encoded", default=1000, type=NUMBER, help="Real passages that each system encodes.")
@click.option("--repetitions", default=3, type=NUMBER, help="How often most things are measured.")
@click.option(
    "--added", default=1000, type=NUMBER, help="Articles added at a time to archives of every size."
)
@click.option("--alone", is_flag=True, help="Measure this program only.")
@click.option("--work", type=PATH, help="Keep corpora and archives in this folder; corpora are used again.")
@click.option("--patience", default=5400.0, help="Seconds after which a system's step is given up.")
@click.option("--out", default=OUT, type=PATH, help="Where the table goes.")
def main(
    sizes: list[int],
    data: Path | None,
    questions: int,
    encoded: int,
    repetitions: int,
    added: int,
    alone: bool,
    work: Path | None,
    patience: float,
    out: Path,
) -> None:
    """Measure asking, encoding, searching and adding, beside other systems, and write one table.

    The table is written anew after each stage. A million passages take hours and 20 GB of disk.
    """
    for name in [name for name in os.environ if name.startswith(PREFIX) and name not in KEPT]:
        del os.environ[name]
    os.environ["HF_HUB_OFFLINE"] = "1"  # nothing that is measured may wait for the network
    settings = Settings.from_environ()
    if settings.model and not alone:
        raise click.UsageError("The others know only the bundled model: unset QA_MODEL, or measure --alone.")
    command = f"python -m evals.speed {' '.join(sys.argv[1:])}".strip()
    distributions = dict.fromkeys(needed for peer in PEERS.values() for needed in peer)
    about, warning = f"{date.today()}; {machine.description(distributions)}", machine.warning()
    if warning:
        click.echo(f"evals.speed: {warning}", err=True)
    groups: list[Group] = []
    with nullcontext(str(work)) if work else tempfile.TemporaryDirectory(prefix="speed-") as folder:
        run = Run([OURS] if alone else [OURS, *PEERS], Path(folder), patience)
        try:
            Path(folder).mkdir(parents=True, exist_ok=True)
            _leave_out_missing(run)
            for group in _stages(run, settings, data, sizes, questions, encoded, repetitions, added):
                groups.append(group)
                report = Report(command, about, warning, run.systems, groups, run.notes)
                out.write_text(report.markdown(), encoding="utf-8")
        except (QAError, EmbeddingError, WorkerFailed, OSError) as error:
            click.echo(f"evals.speed: {error}", err=True)
            sys.exit(2)
    click.echo(report.markdown())
    sys.exit(1 if OURS in run.failed else 0)


def _leave_out_missing(run: Run) -> None:
    for name in [name for name in run.systems if name != OURS]:
        if lacking := missing(name):
            run.systems.remove(name)
            run.note(f"{name}: {', '.join(lacking)} not installed (pip install 'archive-qa[bench]')")


def _stages(
    run: Run,
    settings: Settings,
    data: Path | None,
    sizes: list[int],
    asked: int,
    encoded: int,
    repetitions: int,
    added: int,
) -> Iterator[Group]:
    """Measure stage by stage."""
    real = Real.load(data, settings)
    questions = real.sample(asked)
    encoder = load_encoder(settings.model, settings.cache_dir)
    yield asking(settings, Real.load(None, settings).sample(asked), repetitions, run)
    yield encoding(real_corpus(real, encoder, encoded, run.folder / "real"), questions, repetitions, run)
    run.tell("making corpora")
    made = made_corpora(real, encoder, sizes, run.folder, added)
    ready, vectors = ReadyVectors.load(made.folder), encoder.encode_queries(questions)
    archives = {}
    for corpus in made.corpora.values():
        search = Search(corpus, ready, questions, vectors, run)
        yield search.measure(repetitions)
        archives[corpus.passages] = search.folder(OURS)
    yield growing(made, ready, archives, questions[0], run)


if __name__ == "__main__":
    main(prog_name="python -m evals.speed")
