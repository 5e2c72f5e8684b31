"""``python -m evals.report``: measure every set; write ``REPORT.md`` and its pictures anew after each."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import click

from embeddings import EmbeddingError
from embeddings.reading.reader import Reader
from evals.dataset import Dataset
from evals.report import goals, pictures, sets
from evals.report.page import About, page
from evals.report.study import Study, study
from evals.training import data as reader_data
from evals.training.__main__ import Training
from evals.training.export import measure_reading
from qa.errors import QAError
from qa.settings import NO_READER, Settings

HERE = Path(__file__).parents[1]
PAGE, PICTURES = "REPORT.md", "report"
LIBRARIES = ("openvino", "faiss-cpu", "tantivy", "numpy")


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
    started = time.monotonic()
    machine = _machine()

    def tell(what: str) -> None:
        click.echo(f"{(time.monotonic() - started) / 60:6.1f} min  {what}", err=True)

    try:
        pictures.check_installed()
        settings = Settings.from_environ()
        names = chosen.split(",") if chosen else list(sets.MODELS)
        there = [name for name in names if sets.installed(name)]
        notes = [
            f"Not measured: {name}, whose model is not installed (`pip install 'archive-qa[multilingual]'`)."
            for name in names
            if name not in there
        ]
        if limit:
            notes.append(f"A quick run over at most {limit} questions of each set: no measurement.")
        if sets.READ_IN_TRAINING in there:
            notes.append("squad2: only questions about articles that the reader was not trained on.")
        datasets = {name: sets.load(root, name, limit) for name in there}
        reading, read = _reading(root, settings, tell) if sets.READ_IN_TRAINING in there else (None, 0)
        (out / PICTURES).mkdir(parents=True, exist_ok=True)
        commit = _commit()
        studies: list[Study] = []
        drawn: dict[str, PurePosixPath] = {}
        for found in _studies(datasets, settings, tell):
            studies.append(found)
            drawn[found.name] = PurePosixPath(PICTURES, f"{found.name}.png")
            pictures.draw(found, out / drawn[found.name])
            waiting = there[len(studies) :]
            cut_short = [f"Not finished: {', '.join(waiting)} not measured yet."] if waiting else []
            about = About(
                command=" ".join(["python -m evals.report --data DIR", *_told(chosen, limit)]),
                commit=commit,
                day=datetime.now(UTC).date().isoformat(),
                machine=machine,
                settings=f"Settings: reader {settings.reader or NO_READER}, refuse {_refuse(settings)}",
                notes=(*notes, *cut_short),
                minutes=(time.monotonic() - started) / 60,
            )
            text = page(about, studies, list(goals.reached(studies, reading, read)), drawn)
            (out / PAGE).write_text(text, encoding="utf-8")
    except (QAError, EmbeddingError, OSError) as error:
        click.echo(f"evals.report: {error}", err=True)
        sys.exit(2)
    tell(f"wrote {out / PAGE}")


def _studies(
    datasets: Mapping[str, Dataset], settings: Settings, tell: Callable[[str], None]
) -> Iterator[Study]:
    alike = [dataset for name, dataset in datasets.items() if sets.MODELS.get(name) is None]
    for name, dataset in datasets.items():
        model = sets.MODELS.get(name)
        own = settings.model_copy(update={"model": model}) if model else settings
        yield study(dataset, own, [] if model else alike, lambda what, name=name: tell(f"{name}: {what}"))  # type: ignore[misc]


def _reading(
    root: Path, settings: Settings, tell: Callable[[str], None]
) -> tuple[dict[str, float] | None, int]:
    """Measure the bundled reader on all paragraphs held out, where the data it was trained on tell which."""
    if not all((root / name).is_dir() for name in reader_data.SETS):
        return None, 0
    data = reader_data.load(root, seed=Training.seed)
    tell(f"reading the paragraphs of {len(data.dev)} questions")
    reader = Reader.load(cache_dir=settings.cache_dir)
    return measure_reading(reader, data, data.dev), len(data.dev)


def _refuse(settings: Settings) -> str:
    return "as fitted" if settings.refuse is None else f"{settings.refuse:g}"


def _told(chosen: str | None, limit: int | None) -> list[str]:
    """The options that bear on the figures, as they were given."""
    return [*([f"--sets {chosen}"] if chosen else []), *([f"--limit {limit}"] if limit else [])]


def _commit() -> str:
    """The commit of the working tree; marked where anything but the report itself was changed since."""

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=HERE, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    try:
        own = (f":!{PAGE}", f":!{PICTURES}")
        changed = git("status", "--porcelain", "--untracked-files=no", "--", ":/", *own)
        return git("rev-parse", "--short=12", "HEAD") + (" with changes" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _machine() -> str:
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES)
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    python = platform.python_version()
    return f"{_processor()}, {os.cpu_count()} cores{load}; Python {python}, {versions}"


def _processor() -> str:
    told = Path("/proc/cpuinfo")
    lines = told.read_text(encoding="utf-8").splitlines() if told.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


if __name__ == "__main__":
    main(prog_name="python -m evals.report")
