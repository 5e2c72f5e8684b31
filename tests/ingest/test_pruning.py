"""Removing what is gone: only what was read from the places named, and only after a complete reading."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import pytest

import qa


@pytest.fixture
def home(tmp_path) -> Path:
    folder = tmp_path / "news"
    (folder / "2001").mkdir(parents=True)
    for name in ("a", "b", "2001/c"):
        (folder / f"{name}.txt").write_text(f"The mayor of {name} spoke.")
    return folder


def ids(archive: qa.Archive) -> list[str]:
    return sorted(article.id for article in archive)


def rows(path: Path, *names: str) -> Path:
    path.write_text("".join(json.dumps({"id": n, "text": f"The {n} burnt down."}) + "\n" for n in names))
    return path


def test_articles_of_files_that_are_gone_are_removed_and_named(archive, home):
    archive.add(home)
    (home / "b.txt").unlink()
    (home / "2001" / "c.txt").unlink()
    assert archive.add(home) == qa.IngestReport(unchanged=1)
    assert ids(archive) == ["2001/c", "a", "b"], "nothing is removed unless asked for"
    report = archive.add(home, prune=True)
    assert (report.unchanged, sorted(report.removed)) == (1, ["2001/c", "b"])
    assert ids(archive) == ["a"]
    assert [hit.article_id for hit in archive.search("mayor", k=9)] == ["a"]
    assert archive.add(home, prune=True) == qa.IngestReport(unchanged=1)


def test_rows_that_are_gone_from_a_table_are_removed(archive, tmp_path):
    file = rows(tmp_path / "a.jsonl", "mill", "bridge", "tower")
    archive.add(file)
    rows(file, "mill", "church")
    report = archive.add(file, prune=True)
    assert (report.added, report.unchanged, sorted(report.removed)) == (1, 1, ["bridge", "tower"])
    assert ids(archive) == ["church", "mill"]


def test_articles_of_other_places_stay(archive, home, tmp_path, article):
    other = rows(tmp_path / "other.jsonl", "mill")
    beside = tmp_path / "news-of-yesterday"
    beside.mkdir()
    (beside / "old.txt").write_text("Yesterday the mayor slept.")
    archive.add([home, other, beside])
    archive.add(article("by-hand"))
    for path in (other, beside / "old.txt", home / "a.txt"):
        path.unlink()
    assert archive.add(home, prune=True).removed == ["a"]
    assert ids(archive) == ["2001/c", "b", "by-hand", "mill", "old"]


def test_an_article_that_stands_elsewhere_too_stays(archive, tmp_path):
    first, second = rows(tmp_path / "1.jsonl", "mill", "tower"), rows(tmp_path / "2.jsonl", "mill")
    archive.add([first, second])
    rows(first, "tower")
    assert archive.add(first, prune=True).removed == []
    rows(second, "church")
    assert archive.add(second, prune=True).removed == ["mill"]


def test_an_article_that_was_also_added_by_hand_stays(archive, tmp_path):
    file = rows(tmp_path / "a.jsonl", "mill", "tower")
    archive.add(file)
    archive.add(archive.get("mill"))
    rows(file, "tower")
    assert archive.add(file, prune=True).removed == []


def test_a_file_that_is_only_half_readable_keeps_its_articles(archive, tmp_path):
    file = rows(tmp_path / "a.jsonl", "mill", "bridge")
    archive.add(file)
    file.write_text('{"id": "mill", "text": "The mill burnt down."}\n{"id": "bri')
    report = archive.add(file, prune=True)
    assert report.removed == []
    assert report.skipped[-1].why == "not read in full, so 1 article that was not found in it this time stay"
    assert ids(archive) == ["bridge", "mill"]


def test_a_folder_that_is_empty_or_gone_removes_nothing(archive, home):
    archive.add(home)
    for path in [home / "a.txt", home / "b.txt", home / "2001" / "c.txt"]:
        path.unlink()
    (home / "2001").rmdir()
    with pytest.raises(qa.InputError, match="the folder holds no files"):
        archive.add(home, prune=True)
    home.rmdir()
    with pytest.raises(qa.InputError, match="neither a file nor a folder"):
        archive.add(home, prune=True)
    assert ids(archive) == ["2001/c", "a", "b"]


def test_a_run_that_is_interrupted_removes_nothing(archive, home, monkeypatch):
    archive.add(home)
    (home / "b.txt").unlink()
    seen = []

    def watch(progress: qa.Progress) -> None:
        seen.append(progress)
        if progress.read:
            raise KeyboardInterrupt

    monkeypatch.setattr("qa.ingest.progress.EVERY", 0.0)
    with pytest.raises(KeyboardInterrupt):
        archive.add(home, prune=True, progress=watch)
    assert seen
    assert ids(archive) == ["2001/c", "a", "b"]


@pytest.mark.parametrize("source", ["-", "*.txt", "nowhere"])
def test_what_cannot_be_compared_is_refused(archive, home, source, monkeypatch):
    archive.add(home)
    monkeypatch.chdir(home)
    with pytest.raises(qa.InputError, match="neither a file nor a folder"):
        archive.add([home, source], prune=True)
    assert len(archive) == 3


def test_articles_cannot_be_pruned(archive, article):
    with pytest.raises(qa.InputError, match="article 'a' is neither"):
        archive.add(article("a"), prune=True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_folder_that_may_not_be_read_keeps_its_articles(archive, home):
    archive.add(home)
    (home / "2001").chmod(0)
    try:
        assert archive.add(home, prune=True).removed == []
    finally:
        (home / "2001").chmod(0o755)


def test_a_file_behind_a_link_is_known_by_where_it_lies(archive, home, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(home)
    archive.add(home)
    (home / "a.txt").unlink()
    assert archive.add(link, prune=True).removed == ["a"]


def test_an_archive_of_the_version_before_learns_where_its_articles_stand(archive, home, settings):
    archive.add(home)
    with archive._database.write() as transaction:
        transaction.run(
            "DROP TABLE seen; DROP TABLE band; DROP TABLE near",
            "DROP INDEX article_same_as; DROP INDEX article_text_hash",
            "ALTER TABLE article DROP COLUMN same_as; ALTER TABLE article DROP COLUMN text_hash",
            "PRAGMA user_version = 2",
        )
    with qa.Archive.open(archive.path, settings=settings) as older:
        (home / "a.txt").unlink()
        assert older.add(home, prune=True).removed == [], "where it stood was not recorded then"
        (home / "b.txt").unlink()
        assert older.add(home, prune=True).removed == ["b"]


@pytest.mark.parametrize("seed", range(8))
def test_any_history_ends_as_a_fresh_index_of_what_is_there(archive, tmp_path, settings, seed):
    draw = random.Random(seed)
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    names = ["a.txt", "b.txt", "sub/a.txt", "sub/d.md", "rows.jsonl", "sub/more.jsonl"]
    for _ in range(12):
        for name in draw.sample(names, 3):
            path = folder / name
            if path.exists() and draw.random() < 0.4:
                path.unlink()
            elif name.endswith("jsonl"):
                rows(
                    path, *draw.sample(["mill", "bridge", "tower", "church", "town hall"], draw.randint(1, 4))
                )
            else:
                path.write_text(f"The mayor spoke {draw.randint(1, 3)} times in the town hall.")
        (folder / "always.txt").write_text("There is always something.")
        archive.add(folder, prune=draw.random() < 0.5)
    archive.add(folder, prune=True)
    with qa.Archive.create(tmp_path / "fresh", settings=settings) as fresh:
        fresh.add(folder)
        by_id = lambda archive: sorted(archive, key=lambda article: article.id)  # noqa: E731
        assert by_id(archive) == by_id(fresh)
        assert {(h.article_id, h.text) for h in archive.search("mayor", k=99)} == {
            (h.article_id, h.text) for h in fresh.search("mayor", k=99)
        }
