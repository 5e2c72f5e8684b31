"""The archive on disk: incremental, consistent, rebuilt when damaged, honest about what it cannot do."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import qa
from qa.storage.folder import DATABASE
from qa.storage.generations import DERIVED
from tests.conftest import SEEDS


def derived(archive: qa.Archive) -> Path:
    (folder,) = [p for p in (archive.path / DERIVED).iterdir() if p.name == _recorded(archive)]
    return folder


def _recorded(archive: qa.Archive) -> str:
    with archive._database.read() as transaction:
        return transaction.meta("derived")


# -- adding and removing -------------------------------------------------------------------------


def test_adding_twice_changes_nothing(archive):
    assert archive.add(SEEDS) == qa.IngestReport(added=5)
    generation = archive.describe()["generation"]
    assert archive.add(SEEDS) == qa.IngestReport(unchanged=5)
    assert archive.describe()["generation"] == generation
    assert len(archive) == 5


def test_an_update_replaces_the_text_that_is_found(archive, article):
    archive.add([article("a", "The mill burnt down in 1900."), article("b", "The bridge fell.")])
    old = archive.search("mill")[0].passage
    report = archive.add(article("a", "The mill was rebuilt in 1903."))
    assert report == qa.IngestReport(updated=1)
    assert archive.get("a").text == "The mill was rebuilt in 1903."
    new = archive.search("mill")[0].passage
    assert new.text == "The mill was rebuilt in 1903."
    assert new.id > old.id, "passage ids are never used again"


def test_removed_articles_are_gone(archive, article):
    archive.add([article("a", "The mill."), article("b", "The bridge.")])
    assert archive.remove(["a", "nope"]) == 1
    assert [h.article_id for h in archive.search("mill")] == ["b"]
    with pytest.raises(qa.ArticleNotFound, match="'a'"):
        archive.get("a")
    assert [a.id for a in archive] == ["b"]


def test_passage_ids_are_not_reused_after_everything_was_removed(archive, article):
    archive.add(article("a"))
    first = archive.search("mayor")[0].passage.id
    archive.remove("a")
    archive.add(article("a"))
    assert archive.search("mayor")[0].passage.id > first


def test_the_last_of_two_versions_in_one_batch_wins(archive, article):
    report = archive.add([article("a", "First."), article("a", "Second.")])
    assert (report.added, report.updated) == (1, 1)
    assert archive.get("a").text == "Second."
    assert len(archive) == 1


def test_articles_without_text_are_named(archive, article):
    report = archive.add([article("a"), qa.Article(id="blank", text=" \n")])
    assert report.skipped == [qa.Skipped("blank", "the article has no text")]
    assert report.added == 1


def test_nothing_readable_is_an_error_that_names_it(archive, tmp_path):
    with pytest.raises(qa.InputError, match=r"nope\.txt: no such file"):
        archive.add(tmp_path / "nope.txt")


def test_two_files_of_one_name_are_two_articles(archive, tmp_path):
    for folder in ("2001", "2002"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "news.txt").write_text(f"The mayor of {folder} spoke.")
        archive.add(tmp_path / folder)
    assert sorted(a.text for a in archive) == ["The mayor of 2001 spoke.", "The mayor of 2002 spoke."]
    assert archive.add([tmp_path / "2001", tmp_path / "2002"]) == qa.IngestReport(unchanged=2)


def test_a_folder_that_was_moved_is_updated_not_doubled(archive, tmp_path):
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()
    (before / "news.txt").write_text("The mayor spoke.")
    archive.add(before)
    before.rename(after)
    (after / "news.txt").write_text("The mayor spoke twice.")
    assert archive.add(after) == qa.IngestReport(updated=1)


@pytest.mark.parametrize(
    "hostile", ["../../x", "/etc/passwd", "a b/ü\t空", "x'; DROP TABLE article; --", "\ud800", "%"]
)
def test_ids_are_opaque(archive, article, hostile):
    archive.add(article(hostile, "The mayor spoke."))
    (hit,) = archive.search("mayor")
    assert archive.get(hit.article_id).text == "The mayor spoke."
    assert archive.remove(hit.article_id) == 1


def test_hostile_text_is_stored_and_cited_exactly(archive, article):
    text = "The mayor\0 spoke. 😀 Ünï\ud800code\u202e reversed. " + "x" * 5000 + " The mill burnt."
    archive.add(article("a", text))
    stored = archive.get("a").text
    assert len(stored) == len(text)
    for hit in archive.search("mayor mill"):
        assert stored[hit.passage.start : hit.passage.end] == hit.text


def test_an_empty_archive_answers_honestly(archive):
    assert archive.search("anything") == []
    answer = archive.ask("anything at all?")
    assert answer.abstained
    assert "empty" in answer.text


# -- opening -------------------------------------------------------------------------------------


def test_an_archive_is_the_same_after_it_was_closed(seed_archive, settings):
    before = seed_archive.search("delegation", k=5)
    seed_archive.close()
    with qa.Archive.open(seed_archive.path, settings=settings) as reopened:
        assert reopened.search("delegation", k=5) == before


def test_no_archive_at_the_path(tmp_path, settings):
    with pytest.raises(qa.ArchiveNotFound, match="qa index"):
        qa.Archive.open(tmp_path / "nope", settings=settings)
    (tmp_path / "file").write_text("x")
    with pytest.raises(qa.ArchiveNotFound, match="is not a folder"):
        qa.Archive.open(tmp_path / "file", settings=settings)


def test_create_leaves_what_is_there_alone(seed_archive, tmp_path, settings):
    with pytest.raises(qa.ArchiveExists, match="an archive"):
        qa.Archive.create(seed_archive.path, settings=settings)
    (tmp_path / "file").write_text("x")
    with pytest.raises(qa.ArchiveExists, match="something else"):
        qa.Archive.create(tmp_path / "file", settings=settings)


def test_a_newer_schema_is_refused(seed_archive, settings):
    seed_archive.close()
    with sqlite3.connect(seed_archive.path / DATABASE) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(qa.ArchiveIncompatible, match="newer version"):
        qa.Archive.open(seed_archive.path, settings=settings)


def test_another_model_is_refused(seed_archive, settings):
    with pytest.raises(qa.ArchiveIncompatible, match="QA_MODEL"):
        qa.Archive.open(seed_archive.path, settings=settings.model_copy(update={"model": "other/model"}))


def test_changed_weights_under_the_same_name_are_refused(seed_archive, settings):
    with seed_archive._database.write() as transaction:
        transaction.set_meta(fingerprint="0" * 64)
    refused = pytest.raises(qa.ArchiveIncompatible, match="another version of the model")
    with qa.Archive.open(seed_archive.path, settings=settings) as reopened, refused:
        reopened.search("delegation")


@pytest.mark.parametrize("damage", [b"", b"not a database at all" * 99])
def test_a_damaged_database_is_one_clear_error(seed_archive, settings, damage):
    seed_archive.close()
    (seed_archive.path / DATABASE).write_bytes(damage)
    with pytest.raises(qa.ArchiveDamaged):
        qa.Archive.open(seed_archive.path, settings=settings)


# -- derived files -------------------------------------------------------------------------------


def _truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _scribble(path: Path) -> None:
    path.write_bytes(os.urandom(path.stat().st_size))


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) * 2 // 3] ^= 0xFF
    path.write_bytes(data)


@pytest.mark.parametrize("damage", [_truncate, _scribble, _flip, Path.unlink], ids=lambda f: f.__name__)
@pytest.mark.parametrize(
    "pattern",
    [
        "vectors/*.faiss",
        "gone.npy",
        "keywords/*.store",
        "keywords/*.term",
        "keywords/meta.json",
        "manifest.json",
    ],
)
def test_damaged_indexes_are_rebuilt_with_a_notice(seed_archive, settings, caplog, damage, pattern):
    expected = seed_archive.search("delegation Lin'an", k=5)
    seed_archive.close()
    for path in list(derived(seed_archive).glob(pattern)):
        damage(path)
    with qa.Archive.open(seed_archive.path, settings=settings) as reopened:
        assert reopened.search("delegation Lin'an", k=5) == expected
    assert "is being rebuilt" in caplog.text


def test_a_deleted_index_folder_is_rebuilt(seed_archive, settings):
    expected = seed_archive.search("delegation", k=5)
    seed_archive.close()
    shutil.rmtree(seed_archive.path / DERIVED)
    with qa.Archive.open(seed_archive.path, settings=settings) as reopened:
        assert reopened.search("delegation", k=5) == expected


def test_what_an_interrupted_writer_left_is_indexed_by_the_next_question(
    archive, article, monkeypatch, settings
):
    archive.add(article("a", "The mill burnt down."))

    def power_cut() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(archive._generations, "publish", power_cut)
    with pytest.raises(KeyboardInterrupt):
        archive.add(article("b", "The bridge fell."))
    with qa.Archive.open(archive.path, settings=settings) as reopened:
        assert {h.article_id for h in reopened.search("bridge", k=5)} == {"a", "b"}


def test_readers_follow_a_writer_in_another_handle(seed_archive, settings, article):
    with qa.Archive.open(seed_archive.path, settings=settings) as reader:
        assert len(reader.search("mill", k=9)) == 5
        seed_archive.add(article("mill", "The mill burnt down in 1900."))
        assert reader.search("mill burnt", k=9)[0].article_id == "mill"
        seed_archive.remove("mill")
        assert len(reader.search("mill", k=9)) == 5


def test_threads_ask_while_another_writes(archive, article):
    archive.add(article(f"a{i}", f"Report {i}. The mayor opened bridge {i}.") for i in range(10))
    errors: list[BaseException] = []
    stop = threading.Event()

    def ask() -> None:
        try:
            while not stop.is_set():
                for hit in archive.search("mayor bridge", k=10):
                    assert hit.text
                for citation in archive.ask("Who opened bridge 3?").citations:
                    assert citation.quote
        except BaseException as error:  # noqa: BLE001 - a thread must not hide its failure
            errors.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for i in range(10):
        archive.add(article(f"a{i}", f"Report {i}, revised. The mayor opened bridge {i} again."))
        archive.remove(f"a{i}") if i % 3 == 0 else None
    stop.set()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(archive) == 6


def test_a_folder_that_cannot_be_written_is_still_read(seed_archive, settings, tmp_path):
    """Root ignores permissions, so the reading is done by a child that becomes nobody once all is imported."""
    if os.geteuid() != 0:
        pytest.skip("needs root to become another user")
    seed_archive.close()
    home = tmp_path / "public"
    shutil.copytree(seed_archive.path, home)
    shutil.rmtree(home / DERIVED)
    for path in [home, *home.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    code = (
        "import os, sys, qa, qa.ingest.indexer\n"
        f"settings = qa.Settings(model='tiny', reader=None, cache_dir='/nonexistent', data_dir='/nonexistent')\n"
        "with qa.Archive.open(sys.argv[1], settings=settings) as warm: warm.search('x')\n"
        f"os.chdir('{home}'); os.setuid(65534)\n"
        "a = qa.Archive.open('.', settings=settings)\n"
        "assert len(a.search('delegation', k=5)) == 5\n"
        "try: a.add('x.txt')\n"
        "except qa.ArchiveReadOnly as e: print(e)\n"
    )
    for parent in [home, *home.parents]:
        if parent.stat().st_uid == 0 and not parent.stat().st_mode & 0o001:
            parent.chmod(parent.stat().st_mode | 0o011)
    done = subprocess.run(
        [sys.executable, "-c", code, seed_archive.path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "cannot be written" in done.stdout
