"""Archives built for an evaluation: of a folder of articles at each run, of a corpus file when anything changed."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import click

import qa
from embeddings import load_encoder
from evals.dataset import Dataset, DatasetError
from qa.settings import Settings

HERE = Path(__file__).parents[1]
BUILT_BY = (
    *("qa/types/*.py", "qa/text/*.txt", "qa/storage/schema/*.sql"),
    *(f"qa/{folder}/**/*.py" for folder in ("text", "loaders", "storage", "ingest")),
    *(f"embeddings/{folder}/**/*.py" for folder in ("encoding", "index", "runtime")),
)
"""The code that decides what an archive holds: when a file of it changes, archives are built again."""
KEPT_SECONDS = 24 * 3600
"""How long an archive is kept that no run opens: long enough for a run elsewhere that is at work with it."""


@contextmanager
def archive_of(dataset: Dataset, settings: Settings) -> Iterator[qa.Archive]:
    """Open the archive of a dataset's corpus, built first where need be.

    Raises:
        DatasetError: The questions name articles that the corpus lacks.
    """
    if dataset.corpus.is_dir():
        with (
            tempfile.TemporaryDirectory(prefix="evals-") as scratch,
            _build(Path(scratch) / "archive", dataset, settings) as archive,
        ):
            _check(dataset, archive)
            yield archive
        return
    kept = settings.cache_dir / "evals" / f"{dataset.name}-{key(dataset, settings)}"
    if kept.exists():
        kept.touch()
    else:
        kept.parent.mkdir(parents=True, exist_ok=True)
        _prune(kept.parent)
        with tempfile.TemporaryDirectory(prefix="building-", dir=kept.parent) as scratch:
            fresh = Path(scratch) / "archive"
            _build(fresh, dataset, settings).close()
            if not kept.exists():  # another run may have put it there meanwhile
                fresh.rename(kept)
    with qa.Archive.open(kept, settings=settings) as archive:
        _check(dataset, archive)
        yield archive


def key(dataset: Dataset, settings: Settings, home: Path = HERE) -> str:
    """Return a digest of all that decides what the archive of a corpus file holds: corpus, code and model.

    Args:
        dataset: Has the corpus.
        settings: Name the model; its window decides where articles are cut.
        home: Holds the code: the folders ``qa`` and ``embeddings``.
    """
    encoder = load_encoder(settings.model, settings.cache_dir)
    digest = hashlib.sha256(f"{encoder.fingerprint} {encoder.dim} {encoder.max_tokens}".encode())
    for path in [dataset.corpus, *(p for pattern in BUILT_BY for p in sorted(home.glob(pattern)))]:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _prune(folder: Path) -> None:
    """Remove the archives that no run has opened for a day: their code, model or corpus has changed since."""
    for path in folder.iterdir():
        with suppress(FileNotFoundError):  # another run may be pruning too
            if time.time() - path.stat().st_mtime > KEPT_SECONDS:
                shutil.rmtree(path, ignore_errors=True)


def _build(path: Path, dataset: Dataset, settings: Settings) -> qa.Archive:
    click.echo(f"indexing {dataset.corpus} ...", err=True)
    archive = qa.Archive.create(path, settings=settings)
    for where, why in archive.add([dataset.corpus]).skipped:
        click.echo(f"skipped {where}: {why}", err=True)
    return archive


def _check(dataset: Dataset, archive: qa.Archive) -> None:
    present = {article.id for article in archive}
    for question in dataset.questions:
        named = {e.doc_id for e in question.evidence} | dataset.qrels.get(question.id, frozenset())
        if missing := sorted(named - present):
            raise DatasetError(f"question {question.id!r} names {missing[0]!r}, an article the corpus lacks")
