"""Nothing is lost and nothing torn: writers killed at any moment, full disks, readers while a writer writes."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import qa
from qa.storage.folder import DATABASE
from tests.storage.forking import VERSIONS, Forks, articles, version, whole

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
WORDS = "mayor bridge mill harbour train school river council vote flood market".split()
State = dict[str, str]


@pytest.fixture(scope="module")
def forks(settings) -> Iterator[Forks]:
    with Forks(settings) as started:
        yield started


def story(draw: random.Random) -> str:
    sentences = (" ".join(draw.choices(WORDS, k=9)).capitalize() + "." for _ in range(draw.randint(1, 60)))
    return " ".join(sentences)


def steps(draw: random.Random, state: State) -> tuple[Any, ...]:
    """Draw what to do next with an archive in some state."""
    kind = draw.choice(["add", "add", "update", "remove", "compact"] if len(state) > 8 else ["add"])
    some = draw.sample(sorted(state), min(len(state), draw.randint(1, 8)))
    if kind == "add":
        return "add", [[f"a{draw.randrange(10**6)}", story(draw)] for _ in range(draw.randint(1, 12))]
    if kind == "update":
        return "add", [[name, story(draw)] for name in some]
    return ("remove", some) if kind == "remove" else ("compact",)


def states_on_the_way(state: State, what: str, changed: Any = ()) -> list[State]:
    """Return the states that readers may see while something is done, in order."""
    if what == "add":
        return [state | dict(changed[:n]) for n in range(len(changed) + 1)]
    if what == "remove":
        return [state, {name: text for name, text in state.items() if name not in changed}]
    return [state]


def seen(archive: qa.Archive) -> State:
    """Return what a reader sees, after looking at it from all sides."""
    hits = archive.search("mayor bridge mill", k=1000)
    state = {article.id: article.text for article in archive}
    assert sorted(hit.article_id for hit in hits) == sorted(state), "every article is found, none twice"
    for hit in hits:
        passage = hit.passage
        assert state[hit.article_id][passage.start : passage.end] == passage.text
    for citation in archive.ask("Which bridge has the mayor?").citations:
        assert state[citation.article_id][citation.start : citation.end] == citation.quote
    return state


def kill_again_and_again(forks: Forks, folder: Path, settings: qa.Settings, seed: int, kills: int) -> None:
    """Kill writers at random moments; after each, look, check and let another one go on."""
    draw = random.Random(seed)
    typical = {"add": 0.3, "remove": 0.2, "compact": 0.3}
    qa.Archive.create(folder, settings=settings).close()
    state: State = {}
    done: list[tuple[Any, ...]] = []
    killed = 0
    while killed < kills:
        step = steps(draw, state)
        allowed = states_on_the_way(state, *step)
        while draw.random() < 0.8 and killed < kills:
            at_work, took = forks.kill(folder, *step, after=draw.random() * typical[step[0]])
            killed += at_work
            if not at_work:
                typical[step[0]] = max(0.01, min(typical[step[0]], took) * 0.9)
            with qa.Archive.open(folder, settings=settings) as archive:
                assert archive.check().ok, (step, archive.check())
                now = seen(archive)
                assert now in allowed, f"seed {seed}, after {killed} kills: {step}"
                allowed = allowed[allowed.index(now) :]
                assert archive.check() == qa.CheckReport(
                    articles=len(now), passages=archive.describe()["passages"]
                )
        forks.start(folder, *step)
        finished, said = forks.end()
        assert finished, said
        state = allowed[-1]
        done.append(step)
    with (
        qa.Archive.open(folder, settings=settings) as archive,
        qa.Archive.create(folder.with_name("uninterrupted"), settings=settings) as other,
    ):
        for what, *given in done:
            if what == "add":
                other.add(articles(*given))
            elif what == "remove":
                other.remove(*given)
        assert seen(archive) == seen(other) == state
        assert archive.check().ok
        assert archive.describe()["passages"] == other.describe()["passages"]
        left = {p.name for p in (folder / "derived").iterdir()}
        archive.compact()
        assert len(left) <= 2
        assert not any(name.startswith(".building") for name in left)


def test_killed_writers_lose_nothing(forks, tmp_path, settings):
    kill_again_and_again(forks, tmp_path / "archive", settings, seed=1, kills=8)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [11, 12, 13, 14])
def test_a_hundred_killed_writers_lose_nothing(forks, tmp_path, settings, seed):
    kill_again_and_again(forks, tmp_path / "archive", settings, seed=seed, kills=26)


# -- full disks ----------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.02, 0.3, 0.9, 1.02])
def test_a_file_that_may_not_grow_loses_nothing(forks, tmp_path, settings, share):
    """The limit stops the database, the keyword index or the vectors, whichever reaches it first."""
    draw = random.Random(5)
    folder = tmp_path / "archive"
    before = [[f"a{n}", story(draw)] for n in range(40)]
    more = [[f"b{n}", story(draw)] for n in range(40)]
    with qa.Archive.create(folder, settings=settings) as archive:
        archive.add(articles(before))
        archive.compact(vacuum=True)
    limit = int((folder / DATABASE).stat().st_size * share)
    forks.start(folder, "add", more, limit=limit)
    finished, said = forks.end()
    assert finished
    assert said.startswith(("Nothing", str(folder), "The indexes of")) or "Nothing was lost" in said, said
    with qa.Archive.open(folder, settings=settings) as archive:
        assert seen(archive) in states_on_the_way(dict(before), "add", more)
        assert archive.check().ok
        archive.add(articles(more))
        assert seen(archive) == dict(before) | dict(more)
        assert archive.check() == qa.CheckReport(articles=80, passages=archive.describe()["passages"])


@contextlib.contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[None]:
    folder.mkdir()
    mount = shutil.which("mount")
    if os.geteuid() != 0 or mount is None:
        pytest.skip("needs root to mount a small disk")
    command = [mount, "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("may not mount a small disk here")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_loses_nothing(tmp_path, settings, monkeypatch):
    monkeypatch.setattr("qa.ingest.indexer.BATCH_PASSAGES", 8)
    monkeypatch.setattr("qa.storage.generations.STAGED_PASSAGES", 24)
    draw = random.Random(6)
    everything = [[f"a{n}", story(draw)] for n in range(400)]
    with small_disk(tmp_path / "disk", 1500):
        folder = tmp_path / "disk" / "archive"
        with qa.Archive.create(folder, settings=settings) as archive:
            with pytest.raises(qa.ArchiveError, match="Nothing was lost"):
                archive.add(articles(everything))
            now = seen(archive)
            assert 0 < len(now) < 400
            assert now in states_on_the_way({}, "add", everything)
            assert archive.check().ok
        with qa.Archive.open(folder, settings=settings) as archive:
            assert archive.check().ok
            with contextlib.suppress(qa.ArchiveError):
                archive.remove(sorted(now)[:5])
        subprocess.run(["mount", "-o", "remount,size=60m", str(tmp_path / "disk")], check=True)
        with qa.Archive.open(folder, settings=settings) as archive:
            report = archive.add(articles(everything))
            assert report.added < 400, "what had been stored was not stored again"
            assert seen(archive) == dict(everything)
            assert archive.check().ok


# -- readers and a writer ------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [4, pytest.param(30, marks=pytest.mark.slow)])
def test_readers_see_whole_states_while_a_writer_writes(forks, tmp_path, settings, seconds):
    folder = tmp_path / "archive"
    texts = {a.text_sha256: a.text for n in range(VERSIONS) for a in version(n)}
    failures: list[str] = []
    asked = [0]
    stop = threading.Event()

    def look(archive: qa.Archive) -> None:
        hits = archive.search("version of the report", k=50)
        if not whole(hits):
            failures.append(f"torn: {[hit.text[:40] for hit in hits]}")
        for citation in archive.ask("Who is the author of the report?").citations:
            if texts[citation.text_sha256][citation.start : citation.end] != citation.quote:
                failures.append(f"inexact: {citation}")
        asked[0] += 1

    def read(archive: qa.Archive) -> None:
        try:
            while not stop.is_set():
                look(archive)
        except BaseException as error:  # noqa: BLE001 - a thread must not hide its failure
            failures.append(f"{type(error).__name__}: {error}")

    qa.Archive.create(folder, settings=settings).close()
    with (
        Forks(settings) as writer,
        Forks(settings) as reader,
        qa.Archive.open(folder, settings=settings) as one,
        qa.Archive.open(folder, settings=settings) as other,
    ):
        threads = [threading.Thread(target=read, args=(archive,)) for archive in [one, other] * 8]
        for process, what in ((writer, "write"), (reader, "read"), (forks, "read")):
            process.start(folder, what, seconds)
        for thread in threads:
            thread.start()
        finished, written = writer.end()
        assert finished
        assert int(written) > 1
        stop.set()
        for thread in threads:
            thread.join()
        for process in (reader, forks):
            finished, said = process.end()
            assert finished
            assert said.startswith("0 of "), said
            assert int(said.split()[-1]) > 0
        assert failures == []
        assert asked[0] > 0
        assert one.check().ok
