"""``python -m evals.report``: measure every set; write ``REPORT.md`` and its pictures anew after each."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path, PurePosixPath

import click

from embeddings import EmbeddingError
from embeddings.reading.reader import Reader
from evals import machine
from evals.dataset import Dataset
from evals.report import goals, pictures, sets
from evals.report.page import About, page
from evals.report.study import Study, Tell, study
from evals.training import data as reading_data
from evals.training.export import measure_reading
from qa.errors import QAError
from qa.settings import NO_READER, Settings

HERE = Path(__file__).parents[1]
PAGE, PICTURES = "REPORT.md", "report"


@click.command(context_settings={"max_content_width": 110})
@click.option(
    "--data",
    "root",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    required=True,
    help="Folder of the evaluation folders.",
)
@click.option("--sets", "chosen", metavar="SET,…", help="Only these; by default all of them.")
@click.option(
    "--limit", type=click.IntRange(min=1), help="Ask this many questions of each set, spread evenly."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=HERE,
    show_default="evals",
    help=f"Folder to write {PAGE} and {PICTURES}/ to.",
)
def main(root: Path, chosen: str | None, limit: int | None, out: Path) -> None:
    """Measure every set under the settings of the environment, and with each part left out; write it down."""
    started, described = time.monotonic(), machine.description()

    def tell(what: str) -> None:
        click.echo(f"{(time.monotonic() - started) / 60:6.1f} min  {what}", err=True)

    try:
        pictures.check_installed()
        settings = Settings.from_environ()
        names = chosen.split(",") if chosen else list(sets.MODELS)
        there = [name for name in names if sets.installed(name)]
        datasets = {name: sets.load(root, name, limit) for name in there}
        reading, read = _reading(root, settings, tell) if sets.READ_IN_TRAINING in there else (None, 0)
        (out / PICTURES).mkdir(parents=True, exist_ok=True)
        commit, options = _commit(), {"--sets": chosen, "--limit": limit}
        refuse = "as fitted" if settings.refuse is None else f"{settings.refuse:g}"
        studies: list[Study] = []
        drawn: dict[str, PurePosixPath] = {}
        for found in _studies(datasets, settings, tell):
            studies.append(found)
            drawn[found.name] = PurePosixPath(PICTURES, f"{found.name}.png")
            pictures.draw(found, out / drawn[found.name])
            about = About(
                command=" ".join(
                    ["python -m evals.report --data DIR", *(f"{o} {v}" for o, v in options.items() if v)]
                ),
                commit=commit,
                day=datetime.now(UTC).date().isoformat(),
                machine=described,
                settings=f"Settings: reader {settings.reader or NO_READER}, refuse {refuse}",
                notes=tuple(_notes(names, there, there[len(studies) :], limit)),
                minutes=(time.monotonic() - started) / 60,
            )
            text = page(about, studies, list(goals.reached(studies, reading, read)), drawn)
            (out / PAGE).write_text(text, encoding="utf-8")
    except (QAError, EmbeddingError, OSError) as error:
        click.echo(f"evals.report: {error}", err=True)
        sys.exit(2)
    tell(f"wrote {out / PAGE}")


def _studies(datasets: Mapping[str, Dataset], settings: Settings, tell: Tell) -> Iterator[Study]:
    def report(name: str, what: str) -> None:
        tell(f"{name}: {what}")

    alike = [dataset for name, dataset in datasets.items() if sets.MODELS.get(name) is None]
    for name, dataset in datasets.items():
        model = sets.MODELS.get(name)
        own = settings.model_copy(update={"model": model}) if model else settings
        yield study(dataset, own, [] if model else alike, partial(report, name))


def _notes(names: list[str], there: list[str], waiting: list[str], limit: int | None) -> Iterator[str]:
    for name in names:
        if name not in there:
            yield f"Not measured: {name}, whose model is not installed (`pip install 'archive-qa[multilingual]'`)."
    if limit:
        yield f"A quick run over at most {limit} questions of each set: no measurement."
    if sets.READ_IN_TRAINING in there:
        yield "squad2: only questions about articles that the reader was not trained on."
    if waiting:
        yield f"Not finished: {', '.join(waiting)} not measured yet."


def _reading(root: Path, settings: Settings, tell: Tell) -> tuple[dict[str, float] | None, int]:
    """Measure the bundled reader on all held-out paragraphs, if the data it was trained on are there to name them."""
    if not all((root / name).is_dir() for name in reading_data.SETS):
        return None, 0
    data = reading_data.load(root, seed=reading_data.SPLIT_SEED)
    tell(f"reading the paragraphs of {len(data.dev)} questions")
    reader = Reader.load(cache_dir=settings.cache_dir)
    return measure_reading(reader, data, data.dev), len(data.dev)


def _commit() -> str:
    """Return the commit of the working tree; marked where anything but the report itself was changed since."""

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=HERE, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    try:
        own = (f":!{PAGE}", f":!{PICTURES}")
        changed = git("status", "--porcelain", "--untracked-files=no", "--", ":/", *own)
        return git("rev-parse", "--short=12", "HEAD") + (" with changes" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


if __name__ == "__main__":
    main(prog_name="python -m evals.report")
