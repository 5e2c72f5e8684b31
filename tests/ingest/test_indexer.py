"""Adding: stages side by side, what is kept when something goes wrong, what is told meanwhile."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import qa
from qa.cli import progress as shown
from qa.ingest import indexer as ingest
from qa.ingest.pipeline import PENDING, Pipeline


def articles(n: int, words: str = "The mayor opened bridge") -> Iterator[qa.Article]:
    return (qa.Article(id=f"a{i}", text=f"Report {i}. {words} {i}.") for i in range(n))


def jsonl(path: Path, n: int) -> Path:
    path.write_text(
        "".join(json.dumps({"id": a.id, "text": a.text}) + "\n" for a in articles(n)), encoding="utf-8"
    )
    return path


@pytest.fixture
def small_batches(monkeypatch):
    monkeypatch.setattr(ingest, "BATCH_PASSAGES", 4)


class Wrapped:
    """An encoder with another ``encode``."""

    def __init__(self, encoder, encode):
        self._encoder = encoder
        self.encode = encode

    def __getattr__(self, name):
        return getattr(self._encoder, name)


def failing_on(words: str, encoder) -> Wrapped:
    """The encoder, unable to encode texts with these words."""

    def encode(texts):
        if any(words in text for text in texts):
            raise RuntimeError("a tensor of the wrong shape")
        return encoder.encode(texts)

    return Wrapped(encoder, encode)


# -- the pipeline --------------------------------------------------------------------------------


def test_batches_are_written_in_order_and_few_are_on_their_way():
    written, taken = [], []
    most = 0

    def write(batch: int) -> None:
        time.sleep(0.001)
        written.append(batch)

    with Pipeline(lambda batch: batch * 10, write, lambda: None) as pipeline:
        for number in range(50):
            pipeline.put(number)
            taken.append(number)
            most = max(most, len(taken) - len(written))
    assert written == [number * 10 for number in range(50)]
    assert most <= PENDING + 1


@pytest.mark.parametrize("step", ["encode", "write"])
def test_what_goes_wrong_in_a_thread_is_raised_and_nothing_is_written_after_it(step):
    written = []

    def failing(name: str, batch: int) -> int:
        if name == step and batch == 3:
            raise ValueError("no room")
        if name == "write":
            written.append(batch)
        return batch

    def run() -> None:
        with Pipeline(
            lambda b: failing("encode", b), lambda b: failing("write", b) and None, lambda: None
        ) as pipeline:
            for number in range(20):
                pipeline.put(number)

    with pytest.raises(ValueError, match="no room"):
        run()
    assert written == [0, 1, 2]


def test_threads_end_when_the_caller_raises():
    before = threading.active_count()

    def run() -> None:
        with Pipeline(lambda b: b, lambda b: None, lambda: None) as pipeline:
            pipeline.put(1)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run()
    assert threading.active_count() == before


# -- adding --------------------------------------------------------------------------------------


@pytest.mark.usefixtures("small_batches")
def test_many_batches_store_what_one_does(archive, tmp_path, settings):
    archive.add(articles(50))
    with qa.Archive.create(tmp_path / "other", settings=settings) as other:
        for start in range(0, 50, 10):
            other.add(list(articles(50))[start : start + 10])
        assert list(other) == list(archive)
        assert [(h.article_id, h.text) for h in other.search("bridge 7", k=50)] == [
            (h.article_id, h.text) for h in archive.search("bridge 7", k=50)
        ]


@pytest.mark.usefixtures("small_batches")
def test_the_last_of_several_versions_wins_across_batches(archive):
    versions = [qa.Article(id="a", text=f"Version {n}.") for n in range(30)]
    others = list(articles(30))
    report = archive.add([a for pair in zip(versions, others, strict=True) for a in pair])
    assert archive.get("a").text == "Version 29."
    assert (report.added, report.updated) == (31, 29)
    assert len(archive) == 31


def test_an_article_read_twice_in_one_batch_is_stored_once(archive, article):
    assert archive.add([article("a"), article("a")]) == qa.IngestReport(added=1, unchanged=1)


@pytest.mark.usefixtures("small_batches")
def test_one_article_that_cannot_be_encoded_costs_only_itself(archive):
    encoder = archive.encoder
    archive.encoder = failing_on("bridge 5.", encoder)
    report = archive.add(articles(9))
    assert report.added == 8
    assert report.skipped == [qa.Skipped("a5", "cannot be encoded: a tensor of the wrong shape")]
    archive.encoder = encoder
    assert archive.add(articles(9)) == qa.IngestReport(added=1, unchanged=8)


def test_a_copy_of_an_article_that_cannot_be_encoded_costs_only_itself_too(archive, article):
    archive.encoder = failing_on("broken", archive.encoder)
    why = "cannot be encoded: a tensor of the wrong shape"
    report = archive.add(
        [article("one", "A broken text."), article("two", "A broken text."), article("three")]
    )
    assert (report.added, report.skipped) == (1, [qa.Skipped("one", why), qa.Skipped("two", why)])


def test_reading_and_writing_threads_keep_out_of_each_others_way(archive, article, monkeypatch):
    monkeypatch.setattr(ingest, "BATCH_PASSAGES", 64)
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        report = archive.add(article(f"a{n}", f"Report {n}.") for n in range(2000))
    finally:
        sys.setswitchinterval(before)
    assert report == qa.IngestReport(added=2000)


def test_one_article_that_cannot_be_cut_costs_only_itself(archive):
    encoder = archive.encoder

    def token_spans(text):
        if "bridge 1." in text:
            raise RuntimeError("out of range")
        return encoder.token_spans(text)

    archive.encoder = Wrapped(encoder, encoder.encode)
    archive.encoder.token_spans = token_spans
    report = archive.add(articles(3))
    assert (report.added, report.skipped) == (
        2,
        [qa.Skipped("a1", "cannot be cut into passages: out of range")],
    )


@pytest.mark.usefixtures("small_batches")
def test_a_broken_encoder_stops_the_run_and_says_what_is_kept(archive):
    encoder, calls = archive.encoder, []

    def encode(texts):
        calls.append(len(texts))
        if len(calls) > 3:
            raise RuntimeError("the model is gone")
        return encoder.encode(texts)

    archive.encoder = Wrapped(encoder, encode)
    with pytest.raises(RuntimeError, match="the model is gone") as raised:
        archive.add(articles(100))
    archive.search("bridge")  # publishes what was staged
    assert len(archive) == 12
    assert raised.value.__notes__ == [
        "12 articles are stored. Run the same command again; it goes on where it stopped."
    ]
    archive.encoder = encoder
    assert archive.add(articles(100)) == qa.IngestReport(added=88, unchanged=12)


@pytest.mark.usefixtures("small_batches")
def test_an_interrupted_source_keeps_what_was_stored(archive):
    def interrupted():
        yield from articles(60)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as raised:
        archive.add(interrupted())
    archive.search("bridge")
    kept = len(archive)
    assert 0 < kept <= 60
    assert raised.value.__notes__[0].startswith(f"{kept} articles are stored.")
    assert archive.add(articles(60)) == qa.IngestReport(added=60 - kept, unchanged=kept)


def test_sources_are_read_in_the_callers_thread(archive):
    names = set()

    def told():
        for article in articles(3):
            names.add(threading.current_thread())
            yield article

    archive.add(told(), progress=lambda _: names.add(threading.current_thread()))
    assert names == {threading.main_thread()}


# -- progress ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("small_batches")
def test_progress_counts_what_is_read_and_stored(archive, tmp_path, monkeypatch):
    monkeypatch.setattr("qa.ingest.progress.EVERY", 0.0)
    file = jsonl(tmp_path / "a.jsonl", 40)
    events: list[qa.Progress] = []
    archive.add(file, progress=events.append)
    archive.add([file], progress=events.append)
    first, last = events[0], events[-1]
    assert (first.stage, first.read, first.stored, first.fraction) == ("reading", 0, 0, None)
    assert (last.stage, last.read, last.unchanged, last.stored, last.fraction) == ("publishing", 40, 40, 0, 1)
    middle = next(i for i, e in enumerate(events) if e.stage == "publishing")
    assert (events[middle].stored, events[middle].passages, events[middle].fraction) == (40, 40, 1.0)
    fractions = [e.fraction for e in events[: middle + 1] if e.fraction is not None]
    assert fractions == sorted(fractions)
    assert any(0 < fraction < 1 for fraction in fractions)
    stored = [e.stored for e in events[: middle + 1]]
    assert stored == sorted(stored)


def test_nobody_pretends_to_know_how_much_a_stream_holds(archive, monkeypatch):
    monkeypatch.setattr("qa.ingest.progress.EVERY", 0.0)
    events: list[qa.Progress] = []
    archive.add(articles(5), progress=events.append)
    assert {event.fraction for event in events} == {None}
    assert events[-1].seconds_left is None


def test_a_watcher_that_raises_stops_the_run(archive):
    def watch(progress: qa.Progress) -> None:
        raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        archive.add(articles(5), progress=watch)


@pytest.mark.parametrize(
    ("progress", "said"),
    [
        (qa.Progress(stored=1200, unchanged=34), "1,234 articles"),
        (
            qa.Progress(stored=10, passages=90, seconds=2, fraction=0.25, skipped=1),
            "25% · 10 articles · 1 skipped · 45 passages/s · 6 s left",
        ),
        (qa.Progress(stage="publishing", stored=10, passages=90, seconds=2, fraction=1), "10 articles"),
    ],
)
def test_the_facts_beside_the_bar(progress, said):
    assert shown.facts(progress) == said


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.4, "0 s"), (59, "59 s"), (90, "2 min"), (12_000, "3 h 20 min")]
)
def test_durations(seconds, said):
    assert shown.duration(seconds) == said


# -- the command ---------------------------------------------------------------------------------

SLOW = """
import sys, time
from embeddings.encoding.tiny import TinyEncoder
import qa.cli, qa.ingest.indexer
qa.ingest.indexer.BATCH_PASSAGES = 4
plain = TinyEncoder.encode
def slow(self, texts):
    time.sleep(0.02 * len(texts))
    return plain(self, texts)
TinyEncoder.encode = slow
qa.cli.main(sys.argv[1:])
"""


@pytest.fixture
def environment(tmp_path) -> dict[str, str]:
    own = {
        "QA_MODEL": "tiny",
        "QA_READER": "none",
        "QA_DATA_DIR": str(tmp_path),
        "QA_CACHE_DIR": str(tmp_path),
    }
    return {k: v for k, v in os.environ.items() if not k.startswith("QA_")} | own


def test_ctrl_c_keeps_what_is_stored_says_how_to_go_on_and_goes_on(tmp_path, environment, settings):
    everything = 2_000  # forty seconds of work: no machine is done with it before the signal comes
    file = jsonl(tmp_path / "a.jsonl", everything)
    command = [
        sys.executable,
        "-c",
        SLOW,
        "index",
        str(file),
        "--archive",
        str(tmp_path / "archive"),
        "--json",
    ]
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    for line in process.stdout:
        if json.loads(line)["stored"] >= 20:
            break
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "Traceback" not in said
    with qa.Archive.open(tmp_path / "archive", settings=settings) as archive:
        kept = len(archive.search("bridge", k=everything))
        assert 20 <= kept < everything
        assert len(archive) == kept
        assert f"stopped. {kept} articles are stored. Run the same command again" in said
        assert archive.add(file) == qa.IngestReport(added=everything - kept, unchanged=kept)


def test_json_is_one_event_a_line_and_the_last_is_the_report(tmp_path, environment):
    file = jsonl(tmp_path / "a.jsonl", 30)
    command = ["-m", "qa", "index", file, "--archive", tmp_path / "archive", "--json"]
    done = subprocess.run(
        [sys.executable, *map(str, command)], env=environment, capture_output=True, text=True, check=True
    )
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert {e["event"] for e in events[:-1]} == {"progress"}
    assert events[-1]["event"] == "report"
    assert (events[-1]["added"], events[-1]["articles"]) == (30, 30)
    assert done.stderr == ""


def test_a_long_list_of_what_was_skipped_goes_to_a_file(tmp_path, environment):
    (tmp_path / "in").mkdir()
    for n in range(30):
        (tmp_path / "in" / f"{n:02}\x1b[31m.txt").write_bytes(b"")
    (tmp_path / "in" / "good.txt").write_text("The mill burnt down.")
    command = ["-m", "qa", "index", tmp_path / "in", "--archive", tmp_path / "archive"]
    done = subprocess.run(
        [sys.executable, *map(str, command)], env=environment, capture_output=True, text=True, check=True
    )
    file = tmp_path / "archive-skipped.txt"
    lines = done.stderr.splitlines()
    assert len(lines) == 21
    assert lines[-1] == f"qa: 10 more were skipped; all 30 are listed in {file}"
    listed = file.read_text().splitlines()
    assert len(listed) == 30
    assert all(line.endswith(".txt: the file is empty") for line in listed)
    assert "\x1b" not in done.stderr + "".join(listed)


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
@pytest.mark.parametrize(("options", "shows"), [([], True), (["--quiet"], False)])
def test_a_terminal_sees_a_bar_unless_it_shall_be_quiet(tmp_path, environment, options, shows):
    import pty

    file = jsonl(tmp_path / "a.jsonl", 100)
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, "index", str(file), "--archive", str(tmp_path / "archive"), *options],
        env=environment | {"TERM": "xterm", "COLUMNS": "120"},
        stdout=subprocess.PIPE,
        stderr=follower,
    )
    os.close(follower)
    seen = b""
    while True:
        try:
            data = os.read(leader, 4096)
        except OSError:  # the other end is closed
            break
        if not data:
            break
        seen += data
    os.close(leader)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0, seen
    assert b"100 added, 0 updated, 0 unchanged, 0 skipped" in out
    assert (b"passages/s" in seen and b"left" in seen) == shows
    if not shows:
        assert seen == b""
