"""An eval archive is built again whenever what decides its content changes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import qa
from evals import archives
from evals.dataset import Dataset


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text('{"id": "a", "text": "One."}\n')
    return Dataset(name="toy", corpus=corpus, questions=(), qrels={})


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A copy of the code."""
    for name in ("qa", "embeddings"):
        shutil.copytree(
            archives.HERE / name, tmp_path / "home" / name, ignore=lambda _, names: {"__pycache__", "weights"}
        )
    return tmp_path / "home"


@pytest.mark.parametrize(
    ("file", "rebuilt"),
    [
        ("qa/ingest/near_duplicates.py", True),
        ("qa/ingest/indexer.py", True),
        ("qa/loaders/jsonl.py", True),
        ("qa/storage/keyword_index.py", True),
        ("qa/text/chunking.py", True),
        ("qa/types/*.py", True),
        ("embeddings/encoding/openvino_encoder.py", True),
        ("embeddings/index/build.py", True),
        ("qa/answering/selector.py", False),
        ("qa/web/routes.py", False),
    ],
)
def test_a_change_of_what_builds_an_archive_changes_its_key(dataset, settings, home, file, rebuilt):
    before = archives.key(dataset, settings, home)
    assert archives.key(dataset, settings, home) == before == archives.key(dataset, settings)
    with (home / file).open("a") as code:
        code.write("\n# changed\n")
    assert (archives.key(dataset, settings, home) != before) is rebuilt


def test_another_corpus_and_another_window_have_another_key(dataset, settings, monkeypatch):
    before = archives.key(dataset, settings)
    encoder = qa.Archive.create(dataset.corpus.parent / "archive", settings=settings).encoder
    encoder.max_tokens -= 1
    monkeypatch.setattr(archives, "load_encoder", lambda *_: encoder)
    assert archives.key(dataset, settings) != before
    monkeypatch.undo()
    dataset.corpus.write_text('{"id": "a", "text": "Two."}\n')
    assert archives.key(dataset, settings) != before


@pytest.mark.parametrize("pattern", archives.BUILT_BY)
def test_each_pattern_names_code_that_is_there(pattern):
    assert list(archives.HERE.glob(pattern))
