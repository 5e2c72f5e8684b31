"""Publishing: in one step, at the cost of the change; compaction, upgrading, checking and mending."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import qa
from embeddings.index import build as index_build
from qa.storage import snapshot
from qa.storage.folder import DATABASE
from qa.storage.generations import DERIVED
from qa.storage.keyword_index import KeywordIndex
from qa.storage.lock import HOLDER, sole_writer
from qa.storage.manifest import NAME, Manifest
from qa.storage.snapshot import KEYWORDS, VECTORS
from qa.storage.write_transaction import INCOMING, OUTGOING
from tests.conftest import SEEDS

WORDS = "mayor king dog train river".split()


def stored(archive: qa.Archive) -> Path:
    with archive._database.read() as transaction:
        return archive.path / DERIVED / transaction.meta("derived")


def inodes(folder: Path) -> dict[str, int]:
    return {p.relative_to(folder).as_posix(): p.stat().st_ino for p in folder.rglob("*") if p.is_file()}


def contents(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def found(archive: qa.Archive, question: str, k: int = 50) -> set[str]:
    return {hit.article_id for hit in archive.search(question, k=k)}


@pytest.fixture
def many(archive, article):
    """60 articles, so that adding one leaves the files of most of them as they are."""
    archive.add(article(f"a{n}", f"Report {n}: the mayor opened bridge {n}.") for n in range(60))
    return archive


@pytest.fixture
def cut_off(monkeypatch):
    """Let the next publication of an archive be cut off before anything of it is done."""

    def cut_off(archive: qa.Archive) -> None:
        def stop(**_: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(archive._generations, "publish", stop)

    return cut_off


# -- one step ------------------------------------------------------------------------------------


def test_what_is_staged_is_seen_by_nobody(many, article, settings, cut_off):
    cut_off(many)
    with pytest.raises(KeyboardInterrupt):
        many.add([article("a7", "The mill burnt down."), article("new", "The mill had burnt.")])
    with pytest.raises(KeyboardInterrupt):
        many.remove("a8")
    with (
        sole_writer(many.path, "standing in for a writer at work"),
        qa.Archive.open(many.path, settings=settings) as reader,
    ):
        assert len(reader) == 60
        assert reader.get("a7").text == "Report 7: the mayor opened bridge 7."
        assert reader.get("a8")
        assert {"a7", "a8"} <= found(reader, "mayor bridge", 60)
        assert "new" not in found(reader, "mill", 60)
        assert reader.describe()["staged"] == 3
        with pytest.raises(qa.ArticleNotFound):
            reader.get("new")
    with qa.Archive.open(many.path, settings=settings) as next_reader:
        assert found(next_reader, "mill burnt", 2) == {"a7", "new"}
        assert len(next_reader) == 60
        assert next_reader.describe()["staged"] == 0


def test_a_run_that_was_cut_off_goes_on_where_it_stopped(many, article, settings, cut_off, monkeypatch):
    monkeypatch.setattr("qa.ingest.indexer.BATCH_PASSAGES", 20)
    again = [article(f"b{n}", f"Story {n} of the mill.") for n in range(130)]
    many.add(again[:100])
    cut_off(many)
    with pytest.raises(KeyboardInterrupt):
        many.add([*again[:90], *(article(f"b{n}", f"Story {n}, corrected.") for n in range(90, 110))])
    with qa.Archive.open(many.path, settings=settings) as archive:
        assert archive.describe()["articles"] == 160
        report = archive.add(again)
        assert (report.added, report.updated, report.unchanged) == (20, 20, 90)
        assert sorted(a.text for a in archive if a.id[0] == "b") == sorted(a.text for a in again)
        assert archive.check().ok


def test_a_long_run_publishes_before_its_end(many, article, monkeypatch):
    monkeypatch.setattr("qa.ingest.indexer.BATCH_PASSAGES", 20)
    monkeypatch.setattr("qa.storage.generations.STAGED_PASSAGES", 100)
    generation = many.describe()["generation"]
    many.add(article(f"b{n}", f"Story {n} of the mill.") for n in range(290))
    assert many.describe()["generation"] == generation + 3, "100, 200 and 290 articles"
    assert len(many) == 350
    assert many.check().ok


def test_the_last_of_many_changes_before_a_publication_counts(many, article, settings, cut_off):
    cut_off(many)
    for change in (
        lambda: many.add(article("a1", "First version.")),
        lambda: many.remove("a1"),
        lambda: many.add(article("a1", "Second version.")),
        lambda: many.add(article("new", "Shortlived.")),
        lambda: many.remove("new"),
        lambda: many.add(article("a2", "Soon removed.")),
        lambda: many.remove("a2"),
    ):
        with pytest.raises(KeyboardInterrupt):
            change()
    with qa.Archive.open(many.path, settings=settings) as archive:
        assert found(archive, "version", 1) == {"a1"}
        assert archive.get("a1").text == "Second version."
        assert len(archive) == 59
        assert archive.check() == qa.CheckReport(articles=59, passages=59)


def test_sources_and_days_are_counted_as_articles_come_and_go(archive, article):
    archive.add([article("a", source="The Gull", published="2020-01-01"), article("b", source="the gull ")])
    archive.add([article("c", source="Wire", published="2021-05-05"), article("d")])
    assert archive.sources() == ["The Gull", "Wire"]
    everything = qa.Filters(sources=("wire", "THE GULL"))
    assert (archive.coverage().articles, archive.coverage(everything).articles) == (4, 3)
    archive.remove(["a", "b"])
    archive.add(article("c", "Moved.", source="Desk"))
    assert archive.sources() == ["Desk"]
    assert archive.coverage() == qa.Coverage(articles=2, undated=2)
    assert archive.check().ok


# -- at the cost of the change -------------------------------------------------------------------


def test_a_publication_links_to_what_stays_and_leaves_it_untouched(many, article):
    first = stored(many)
    kept = contents(first)
    many.add([article("new", "The mill burnt down in 1900."), article("a1", "Report 1, corrected.")])
    second = stored(many)
    linked = {n for n, inode in inodes(first).items() if inodes(second).get(n) == inode}
    assert {name.split("/")[0] for name in linked} == {VECTORS, KEYWORDS}
    assert any(name.endswith(".store") for name in linked)
    assert not linked & {f"{KEYWORDS}/meta.json", f"{KEYWORDS}/.managed.json", NAME}
    assert contents(first) == kept
    Manifest.read(first).check(first, thorough=True)
    many.remove("a3")
    assert not first.exists(), "only the last two states are kept"
    assert second.exists()
    assert {name: kept[name] for name in linked & contents(stored(many)).keys()}.items() <= contents(
        stored(many)
    ).items()
    assert found(many, "mill", 1) == {"new"}
    assert "a3" not in found(many, "mayor bridge", 100)
    assert many.check().ok


def test_files_of_vectors_grow_geometrically(archive, article):
    for n in range(20):
        archive.add(article(f"a{n}", f"Report {n}: the mayor opened bridge {n}."))
    counts = [part.count for part in Manifest.read(stored(archive)).parts]
    assert sum(counts) == 20
    assert counts == sorted(counts, reverse=True)
    assert len(counts) <= 5
    assert len(found(archive, "bridge", 20)) == 20


def test_much_that_is_loose_is_joined_by_itself(many, article, monkeypatch):
    monkeypatch.setattr(snapshot, "LOOSE_PASSAGES", 10)
    many.add(article(f"b{n}", f"Story {n} of the mill.") for n in range(8))
    assert [part.count for part in Manifest.read(stored(many)).parts] == [60, 8]
    many.add(article(f"c{n}", f"Story {n} of the inn.") for n in range(5))
    assert [part.count for part in Manifest.read(stored(many)).parts] == [73]
    many.remove(f"a{n}" for n in range(12))
    assert [part.count for part in Manifest.read(stored(many)).parts] == [61]
    assert np.load(stored(many) / "gone.npy").tolist() == []
    assert many.check().ok


def test_without_links_files_are_copied(many, article, monkeypatch):
    def refuse(*_: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    many.add(article("new", "The mill burnt down."))
    many.remove("a1")
    assert found(many, "mill", 1) == {"new"}
    assert many.check().ok


def test_search_finds_the_same_however_the_archive_came_about(tmp_path, settings, article):
    texts = {
        f"a{n}": f"Report {n}: the {w} opened bridge {n}." for n, w in enumerate("mayor king dog".split() * 5)
    }
    with (
        qa.Archive.create(tmp_path / "grown", settings=settings) as grown,
        qa.Archive.create(tmp_path / "made", settings=settings) as made,
    ):
        for name in texts:
            grown.add([article(name, "An earlier version."), article(f"{name} gone", "The mayor's dog.")])
        for name, text in texts.items():
            grown.add(article(name, text))
            grown.remove(f"{name} gone")
        made.add(article(name, text) for name, text in texts.items())
        for question in ("Which bridge did the king open?", "dog report 17"):
            assert dense_scores(grown, question) == dense_scores(made, question)
            assert found(grown, question, 60) == found(made, question, 60) == set(texts)


def dense_scores(archive: qa.Archive, question: str) -> dict[str, float]:
    def read(transaction, snapshot):
        ids, scores = snapshot.vectors.search(archive.encoder.encode_queries([question]), 1000)
        article = transaction.articles_of(ids[0].tolist())
        pairs = zip(ids[0].tolist(), scores[0].tolist(), strict=True)
        return {article[number]: round(score, 5) for number, score in pairs}

    return archive._generations.reading(read)


def test_a_large_archive_grows_and_shrinks_too(archive, article, monkeypatch, settings):
    monkeypatch.setattr(index_build, "EXACT_UP_TO", 200)
    archive.add(article(f"a{n}", f"Report {n}: the {w} opened it.") for n, w in enumerate(WORDS * 80))
    assert len(list((stored(archive) / VECTORS).iterdir())) == 2, "vectors, and codes to find candidates by"
    archive.add([article("a1", "Report 1, corrected."), article("new", "The mill burnt down in 1900.")])
    archive.remove(f"a{n}" for n in range(100, 130))
    assert len(list((stored(archive) / VECTORS).iterdir())) == 3
    assert found(archive, "mill burnt", 1) == {"new"}
    assert len(found(archive, "mayor report", 1000)) == 400 + 1 - 30
    assert found(archive, "report 1 corrected", 1) == {"a1"}
    assert archive.check() == qa.CheckReport(articles=371, passages=371)


def test_no_statement_of_a_publication_goes_through_all_articles(many):
    with many._database.read() as transaction:
        for statement in (
            f"SELECT id FROM passage WHERE article IN ({OUTGOING})",
            f"DELETE FROM passage WHERE article IN ({OUTGOING})",
            f"UPDATE article SET current = 0 WHERE key IN ({OUTGOING})",
            "DELETE FROM article WHERE id IN (SELECT id FROM staged WHERE article IS NULL)",
            f"UPDATE article SET current = 1 WHERE key IN ({INCOMING})",
        ):
            plan = [row[3] for row in transaction.query(f"EXPLAIN QUERY PLAN {statement}")]
            assert [
                step for step in plan if step.startswith("SCAN") and step not in ("SCAN s", "SCAN staged")
            ] == []


# -- compaction ----------------------------------------------------------------------------------


def test_compaction_forgets_what_was_replaced_and_changes_no_answer(many, article):
    many.add(article(f"a{n}", f"Report {n}: the mayor opened it. " + "It rained. " * 300) for n in range(20))
    many.add(article(f"a{n}", f"Report {n}: the mayor opened bridge {n}.") for n in range(20))
    many.remove(f"a{n}" for n in range(5, 20))
    expected = found(many, "mayor bridge", 100)
    generation, before = many.describe()["generation"], many.describe()["bytes"]
    many.compact(vacuum=True)
    assert found(many, "mayor bridge", 100) == expected
    facts = many.describe()
    assert (facts["generation"], facts["vector_files"], facts["vectors_gone"]) == (generation, 1, 0)
    assert facts["bytes"] < before
    with many._database.read() as transaction:
        assert transaction.query("SELECT count(*) FROM article WHERE NOT current").fetchone() == (0,)
    assert many.check().ok


# -- older archives ------------------------------------------------------------------------------

VERSION_1 = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE article (
    key INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, current INTEGER NOT NULL,
    title TEXT NOT NULL, text TEXT NOT NULL, url TEXT, published TEXT, source TEXT, author TEXT,
    section TEXT, lang TEXT, extra TEXT NOT NULL, origin TEXT, source_key TEXT NOT NULL, stored TEXT NOT NULL
);
CREATE UNIQUE INDEX article_current ON article (id) WHERE current;
CREATE INDEX article_published ON article (published) WHERE current;
CREATE INDEX article_source ON article (source_key) WHERE current;
CREATE TABLE passage (
    id INTEGER PRIMARY KEY AUTOINCREMENT, article INTEGER NOT NULL REFERENCES article (key),
    start INTEGER NOT NULL, end INTEGER NOT NULL, vector BLOB NOT NULL
);
CREATE INDEX passage_article ON passage (article);
"""


@pytest.fixture
def version_1(tmp_path, settings, seed_archive) -> Path:
    """The seed archive as the first version of the program left it."""
    folder = tmp_path / "old"
    (folder / DERIVED / "00000001-abcdef01").mkdir(parents=True)
    with sqlite3.connect(folder / DATABASE) as old, sqlite3.connect(seed_archive.path / DATABASE) as new:
        old.execute("PRAGMA journal_mode = WAL")
        old.executescript(VERSION_1 + "PRAGMA application_id = 0x71614152; PRAGMA user_version = 1;")
        for table in ("meta", "article", "passage"):
            known = ", ".join(name for _, name, *_ in old.execute(f"PRAGMA table_info ({table})"))
            rows = new.execute(f"SELECT {known} FROM {table}").fetchall()
            old.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(rows[0]))})", rows)
        old.execute("DELETE FROM meta WHERE key = 'published_to'")
        old.execute("UPDATE meta SET value = '00000001-abcdef01' WHERE key = 'derived'")
        old.execute("INSERT INTO meta VALUES ('derived_generation', '1')")
    return folder


def test_an_archive_of_the_first_version_is_upgraded_in_place(version_1, seed_archive, settings, article):
    expected = seed_archive.search("delegation Lin'an", k=5)
    with qa.Archive.open(version_1, settings=settings) as archive:
        assert [h.passage for h in archive.search("delegation Lin'an", k=5)] == [h.passage for h in expected]
        assert archive.sources() == seed_archive.sources()
        assert archive.add(SEEDS) == qa.IngestReport(unchanged=5)
        archive.add(article("new", "The mill burnt down."))
        assert found(archive, "mill", 1) == {"new"}
        assert archive.check().ok
    with qa.Archive.open(version_1, settings=settings) as again:
        assert len(again) == 6


def test_one_that_cannot_be_written_says_so(version_1, settings, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    with pytest.raises(qa.ArchiveIncompatible, match="Open it once"):
        qa.Archive.open(version_1, settings=settings)


# -- one writer ----------------------------------------------------------------------------------


def test_a_second_writer_is_told_who_the_first_is(many, article):
    code = (
        "import sys, time, pathlib\nfrom qa.storage.lock import sole_writer\n"
        "with sole_writer(pathlib.Path(sys.argv[1]), 'adding articles'):\n"
        "    print('held', flush=True)\n    time.sleep(60)\n"
    )
    child = subprocess.Popen([sys.executable, "-c", code, many.path], stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout.readline() == "held\n"
        named = pytest.raises(qa.ArchiveBusy, match=f"adding articles, process {child.pid} on .+, since 20")
        with named, sole_writer(many.path, "testing", wait=0.2):
            pass
        assert found(many, "bridge"), "readers do not mind"
    finally:
        child.kill()
        child.wait()
    many.add(article("new"))
    assert json.loads((many.path / HOLDER).read_text())["pid"] == os.getpid()


# -- checking and mending ------------------------------------------------------------------------


def test_a_sound_archive_is_called_sound(seed_archive):
    report = seed_archive.check()
    assert report.ok
    assert report == seed_archive.check(repair=True)
    facts = seed_archive.describe()
    assert (report.articles, report.passages) == (facts["articles"], facts["passages"])
    assert facts["index"] == "sound"


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("UPDATE passage SET end = end + 5000 WHERE id = 2", "Passage 2 lies outside its article"),
        ("UPDATE passage SET end = start WHERE id = 2", "Passage 2 lies outside its article"),
        ("UPDATE passage SET vector = zeroblob(128) WHERE id = 2", "Passage 2 of .* has no sound vector"),
        ("UPDATE passage SET vector = x'00' WHERE id = 2", "Passage 2 of .* has no sound vector"),
        ("UPDATE passage SET vector = 'text' WHERE id = 2", "Passage 2 of .* has no sound vector"),
        (
            "UPDATE passage SET vector = CAST(x'007e' || substr(vector, 3) AS BLOB) WHERE id = 2",
            "Passage 2 of .* has no sound vector",
        ),
        ("DELETE FROM passage WHERE id = 2", "lacks 0 passages and holds 1 that are gone"),
        ("DELETE FROM passage WHERE article = 1", "has no passages"),
        ("UPDATE article SET current = 0 WHERE key = 1", "passages belong to no article"),
        ("UPDATE source SET articles = 99", "number of articles is wrong for 2 sources"),
        ("INSERT INTO staged VALUES ('x', 99)", "1 staged changes have lost their article"),
        ("UPDATE meta SET value = '' WHERE key = 'derived'", "not built yet"),
    ],
)
def test_damage_in_the_database_is_named_and_mended(seed_archive, settings, statement, named):
    seed_archive.close()
    with sqlite3.connect(seed_archive.path / DATABASE) as db:
        db.execute(statement)
    db.close()
    with qa.Archive.open(seed_archive.path, settings=settings) as archive:
        report = archive.check()
        assert not report.ok
        assert any(re.search(named, problem) for problem in report.problems), report
        mended = archive.check(repair=True)
        assert mended.ok, mended
        assert mended.repaired
        assert archive.check() == mended.model_copy(update={"repaired": ()})
        for article in archive:
            for hit in archive.search(article.text[:200], k=5):
                assert archive.get(hit.article_id).text[hit.passage.start : hit.passage.end] == hit.text


def test_text_that_cannot_be_read_remains_named(seed_archive, settings):
    seed_archive.close()
    with sqlite3.connect(seed_archive.path / DATABASE) as db:
        db.execute("UPDATE article SET extra = 'no JSON' WHERE key = 1")
    db.close()
    with qa.Archive.open(seed_archive.path, settings=settings) as archive:
        report = archive.check(repair=True)
        assert not report.ok
        assert "cannot be read" in report.problems[0]
        assert "Add it again" in report.problems[0]


def test_damaged_pages_of_the_database_are_named(seed_archive, settings):
    seed_archive.compact(vacuum=True)
    seed_archive.close()
    path = seed_archive.path / DATABASE
    data = bytearray(path.read_bytes())
    data[4096 * 3 : 4096 * 3 + 200] = b"\xa5" * 200
    path.write_bytes(data)
    for extra in ("-wal", "-shm"):
        path.with_name(path.name + extra).unlink(missing_ok=True)
    with qa.Archive.open(seed_archive.path, settings=settings) as archive:
        report = archive.check()
    assert not report.ok
    assert any("The database is damaged" in p for p in report.problems), report


@pytest.mark.parametrize(
    "pattern", [f"{VECTORS}/*", f"{KEYWORDS}/*.idx", f"{KEYWORDS}/*.fast", "gone.npy", NAME]
)
@pytest.mark.parametrize("how", ["scribbled", "short", "missing"])
def test_damaged_files_are_named_and_built_again(many, settings, article, pattern, how):
    many.add(article("new", "The mill burnt down."))
    expected = found(many, "mill bridge", 100)
    many.close()
    path = sorted(stored(many).glob(pattern))[0]
    if how == "missing":
        path.unlink()
    elif how == "short":
        os.truncate(path, path.stat().st_size - 1)
    else:
        status = path.stat()
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 0x10
        path.write_bytes(content)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    with qa.Archive.open(many.path, settings=settings) as archive:
        assert not archive.check().ok
        assert "search index is damaged" in archive.check().problems[0]
        assert archive.check(repair=True).ok
        assert found(archive, "mill bridge", 100) == expected


@pytest.mark.parametrize("pattern", [f"{VECTORS}/*.faiss", f"{KEYWORDS}/*.term", NAME])
def test_a_writer_finds_damaged_files_and_builds_them_again(many, settings, article, pattern, caplog):
    many.close()
    for path in stored(many).glob(pattern):
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 0x10
        path.write_bytes(content)
    with qa.Archive.open(many.path, settings=settings) as archive:
        archive.add(article("new", "The mill burnt down."))
        assert "is being rebuilt" in caplog.text
        assert archive.check().ok
        assert len(found(archive, "mill bridge", 100)) == 61


def test_what_writers_left_behind_is_cleared_away(many):
    left = many.path / DERIVED / ".building-00000009-deadbeef"
    left.mkdir()
    (left / "x").write_text("x")
    assert many.check(repair=True).ok
    assert not left.exists()


def test_a_state_whose_files_go_while_they_are_opened_is_not_answered_from(many, settings, monkeypatch):
    expected = found(many, "Which bridge was opened?")
    with qa.Archive.open(many.path, settings=settings) as reader:
        opened, before = KeywordIndex.open, stored(reader)

        def open_slowly(folder: Path) -> KeywordIndex:
            """Let a writer publish, and prune what it replaced, once the first files are open."""
            if folder.parent == before:
                many.compact()
                next(folder.glob("*.pos")).unlink()
            return opened(folder)

        monkeypatch.setattr(KeywordIndex, "open", open_slowly)
        assert found(reader, "Which bridge was opened?") == expected


def test_opening_reads_no_large_file(many, settings, monkeypatch):
    monkeypatch.setattr("qa.storage.manifest.HASHED_BYTES", -1)
    monkeypatch.setattr("qa.storage.manifest.sha256", lambda path: pytest.fail(f"{path} was read"))
    many.close()
    with qa.Archive.open(many.path, settings=settings) as archive:
        assert found(archive, "bridge")


def test_the_folder_of_indexes_may_be_deleted_at_any_time(many, article):
    shutil.rmtree(many.path / DERIVED)
    many.add(article("new", "The mill burnt down."))
    assert found(many, "mill", 1) == {"new"}
    shutil.rmtree(many.path / DERIVED)
    time.sleep(0.01)
    many.remove("new")
    assert len(found(many, "bridge", 100)) == 60
    assert many.check().ok
