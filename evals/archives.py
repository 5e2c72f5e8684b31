"""Archives built for an evaluation: the seeds' at each run, a folder's whenever what builds it changes."""

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

BUILT_BY = ("text/*.py", "storage/*.py", "ingest/*.py", "types.py")
"""What decides what an archive holds; the eval archives are made anew when a file of it changes."""
"""The modules, seen from ``qa``, that decide what is stored: when one changes, archives are built again."""
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
    kept = settings.cache_dir / "evals" / f"{dataset.name}-{_state(dataset, settings)}"
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


def _prune(folder: Path) -> None:
    """Remove what no run has opened for a day: archives of code, models and corpora that have changed since."""
    for path in folder.iterdir():
        with suppress(FileNotFoundError):  # another run may be pruning too
            if time.time() - path.stat().st_mtime > KEPT_SECONDS:
                shutil.rmtree(path, ignore_errors=True)


def _build(path: Path, dataset: Dataset, settings: Settings) -> qa.Archive:
    click.echo(f"indexing {dataset.corpus} ...", err=True)
    archive = qa.Archive.create(path, settings=settings)
    report = archive.add([dataset.corpus])
    for where, why in report.skipped:
        click.echo(f"skipped {where}: {why}", err=True)
    return archive


def _check(dataset: Dataset, archive: qa.Archive) -> None:
    present = {article.id for article in archive}
    for question in dataset.questions:
        named = {e.doc_id for e in question.evidence} | dataset.qrels.get(question.id, frozenset())
        if missing := sorted(named - present):
            raise DatasetError(f"question {question.id!r} names {missing[0]!r}, an article the corpus lacks")


def _state(dataset: Dataset, settings: Settings) -> str:
    """Return a digest of all that decides what the archive holds."""
    digest = hashlib.sha256()
    home = Path(qa.__file__).parent
    for path in [dataset.corpus, *(p for pattern in BUILT_BY for p in sorted(home.glob(pattern)))]:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    digest.update(load_encoder(settings.model, settings.cache_dir).fingerprint.encode())
    return digest.hexdigest()[:16]
