"""The speed benchmark measures what it says: the same passages and vectors for all, and no failure unseen."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import qa
from embeddings import TinyEncoder
from evals.dataset import DatasetError
from evals.speed.corpus import (
    Corpus,
    Made,
    ReadyEncoder,
    ReadyVectors,
    Real,
    made_corpora,
    opening,
    real_corpus,
)
from evals.speed.peers import OURS, PEERS, load_system, missing
from evals.speed.report import LESS, MORE, Cell, Group, Row, table
from evals.speed.run import Run
from evals.speed.worker import Worker, WorkerFailed

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def real(seed_articles) -> Real:
    return Real(tuple(seed_articles.values()), ("Who led the delegation?", "What did the meeting decide?"))


@pytest.fixture(scope="module")
def made(real, tmp_path_factory) -> Made:
    return made_corpora(real, TinyEncoder(), [30, 100], tmp_path_factory.mktemp("made"), further=20)


@pytest.fixture(scope="module")
def ready(made) -> ReadyVectors:
    return ReadyVectors.load(made.folder)


@pytest.fixture
def tiny(monkeypatch, settings) -> None:
    """Let this process and its children use the tiny encoder."""
    monkeypatch.setenv("QA_MODEL", "tiny")
    monkeypatch.setenv("QA_CACHE_DIR", str(settings.cache_dir))
    monkeypatch.setenv("QA_DATA_DIR", str(settings.data_dir))


# -- ready vectors ------------------------------------------------------------------------------------


def test_a_ready_vector_depends_on_its_passage_alone(made, ready, monkeypatch):
    monkeypatch.setattr("evals.speed.corpus.BATCH", 7)
    texts = list(made.corpora[30].texts())
    backwards = ReadyVectors.load(made.folder)(texts[::-1])
    np.testing.assert_allclose(ready(texts), backwards[::-1], atol=1e-6)
    np.testing.assert_allclose(ready(texts[3:4]), ready(texts)[3:4], atol=1e-6)


def test_ready_vectors_are_unit_and_lie_about_the_real_passage_of_their_first_sentence(made, ready):
    texts = list(made.corpora[100].texts())
    vectors = ready(texts)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    rows = [ready.openings[opening(text)] for text in texts]
    own = (vectors * ready.real[rows]).sum(axis=1).mean()
    others = (vectors @ ready.real.T).mean()
    assert 0.7 < own < 0.9
    assert own > others + 0.2


def test_passages_that_open_alike_have_different_vectors(ready):
    sentence = next(iter(ready.openings))
    one, two = ready([f"Title\n{sentence}\nOne.", f"Title\n{sentence}\nTwo."])
    assert one @ two < 0.99


def test_the_ready_encoder_looks_passages_up_and_encodes_questions(ready):
    real, text = TinyEncoder(), "Title\nA sentence."
    encoder = ReadyEncoder(real, ready)
    np.testing.assert_allclose(encoder.encode([text]), ready([text]), atol=1e-6)
    np.testing.assert_array_equal(encoder.encode_queries([text]), real.encode_queries([text]))
    assert encoder.token_spans(text) == real.token_spans(text)
    assert (encoder.fingerprint, encoder.dim) == (real.fingerprint, real.dim)


# -- corpora ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [30, 100])
def test_a_made_corpus_reaches_its_size_with_its_last_article(made, size):
    corpus = made.corpora[size]
    texts, lines = list(corpus.texts()), corpus.jsonl.read_text().splitlines()
    assert (len(lines), len(texts)) == (corpus.articles, corpus.passages)
    assert size <= corpus.passages < size + 10


def test_a_smaller_corpus_is_the_beginning_of_a_larger(made):
    small, large = made.corpora[30], made.corpora[100]
    assert list(large.texts())[: small.passages] == list(small.texts())
    assert large.jsonl.read_text().startswith(small.jsonl.read_text())


def test_the_others_get_the_very_passages_that_our_archive_cuts(made, settings, tmp_path):
    asked = []

    class Listening(TinyEncoder):
        def encode(self, texts):
            asked.extend(texts)
            return super().encode(texts)

    with qa.Archive.create(tmp_path / "archive", settings=settings) as archive:
        archive.encoder = Listening()
        report = archive.add(made.corpora[100].jsonl)
    assert report.added == made.corpora[100].articles
    assert sorted(asked) == sorted(made.corpora[100].texts())


def test_made_corpora_are_kept_for_the_next_run(real, made):
    before = {path: path.stat().st_mtime_ns for path in made.folder.rglob("*")}
    again = made_corpora(real, TinyEncoder(), [30, 100], made.folder.parent, further=20)
    assert again == made
    assert {path: path.stat().st_mtime_ns for path in made.folder.rglob("*")} == before


def test_added_articles_are_in_no_corpus(made):
    held = {json.loads(line)["id"] for line in made.corpora[100].jsonl.read_text().splitlines()}
    added = [json.loads(line)["id"] for n in range(7) for line in made.added(n).read_text().splitlines()]
    assert len(added) == len(set(added)) == 7 * 20
    assert not held & set(added)


def test_a_real_corpus_ends_where_the_articles_do(real, tmp_path):
    assert real_corpus(real, TinyEncoder(), 10_000, tmp_path).articles == len(real.articles)
    assert real_corpus(real, TinyEncoder(), 1, tmp_path).articles == 1


def test_exact_neighbours_are_those_of_a_full_comparison(made, ready, monkeypatch):
    monkeypatch.setattr("evals.speed.corpus.BATCH", 7)
    corpus = made.corpora[100]
    texts = list(corpus.texts())
    queries = TinyEncoder().encode_queries(["the delegation", "a court decided"])
    best = np.argsort(-(queries @ ready(texts).T), axis=1)[:, :5]
    assert corpus.nearest(ready, queries, 5) == [[texts[i] for i in row] for row in best]


def test_a_folder_of_evaluation_folders_gives_all_articles_and_english_questions(tmp_path, settings):
    for name, question in ("a", "Who met?"), ("b", "谁？"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "corpus.jsonl").write_text(json.dumps({"id": "1", "text": f"Text {name}."}) + "\n")
        row = {"id": "q", "question": question, "answerable": True, "type": "fact"}
        (tmp_path / name / "queries.jsonl").write_text(json.dumps(row) + "\n")
    found = Real.load(tmp_path, settings)
    assert [article.text for article in found.articles] == ["Text a.", "Text b."]
    assert found.questions == ("Who met?",)


def test_a_folder_without_a_corpus_is_refused_by_name(tmp_path, settings):
    with pytest.raises(DatasetError, match=r"holds no corpus\.jsonl"):
        Real.load(tmp_path, settings)


def test_a_line_that_is_no_article_is_named(tmp_path, settings):
    (tmp_path / "corpus.jsonl").write_text('{"text": "One."}\n{"title": "Two"}\n')
    (tmp_path / "queries.jsonl").write_text(
        '{"id": "q", "question": "Who?", "answerable": true, "type": "fact"}\n'
    )
    with pytest.raises(DatasetError, match=r"corpus\.jsonl:2: not an article"):
        Real.load(tmp_path, settings)


# -- systems ------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("tiny")
def test_our_archive_finds_the_nearest_ready_vectors(made, ready, tmp_path):
    corpus, system = made.corpora[100], load_system(OURS)
    system.load()
    system.index(corpus, tmp_path / "archive", ready)
    system.open(tmp_path / "archive")
    query = TinyEncoder().encode_queries(["the delegation"])
    assert system.nearest(query[0], 5) == corpus.nearest(ready, query, 5)[0]
    found = system.search("the delegation", 5)
    assert len(found) == 5
    assert all(any(passage.endswith(text) for passage in corpus.texts()) for text in found)


@pytest.mark.usefixtures("tiny")
def test_what_was_added_for_timing_is_gone_again(made, ready, tmp_path):
    system = load_system(OURS)
    system.load()
    system.index(made.corpora[30], tmp_path / "archive", ready)
    system.open(tmp_path / "archive")
    added, removed = system.add(made.added(0), ready)
    assert added > 0
    assert removed > 0
    with qa.Archive.open(tmp_path / "archive") as archive:
        assert len(archive) == made.corpora[30].articles


@pytest.mark.model
@pytest.mark.parametrize("name", PEERS)
def test_a_peer_finds_the_nearest_vectors_and_the_words(name, tmp_path):
    if lacking := missing(name):
        pytest.skip(f"{', '.join(lacking)} not installed")
    texts = [
        f"Minutes | 7 May 2023\nThe council of town{n} met.\nIt decided about bridge{n}." for n in range(40)
    ]
    (tmp_path / "passages.jsonl").write_text("".join(f"{json.dumps(text)}\n" for text in texts))
    corpus = Corpus(tmp_path, 0, len(texts))
    directions = np.random.default_rng(0).standard_normal((50, 384)).astype(np.float32)
    ready = ReadyVectors(directions / np.linalg.norm(directions, axis=1, keepdims=True), {})
    system = load_system(name)
    system.load()
    system.index(corpus, tmp_path / "index", ready)
    system.open(tmp_path / "index")
    query = ready(["anything"])
    assert set(system.nearest(query[0], 5)) == set(corpus.nearest(ready, query, 5)[0])
    found = system.search("What was decided about bridge17?", 10)
    assert len(found) == 10
    assert texts[17] in found


def test_what_a_peer_needs_is_named(monkeypatch):
    monkeypatch.setitem(PEERS, "peer", ("numpy", "no-such-distribution"))
    assert missing("peer") == ["no-such-distribution"]


# -- workers ------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("tiny")
def test_a_worker_measures_in_its_own_process(made, ready, tmp_path):
    worker = Worker(OURS, tmp_path / "log", patience=60)
    try:
        assert worker.call("index", made.corpora[30], tmp_path / "archive", ready) > 0
        assert worker.call("open", tmp_path / "archive", "the delegation") > 0
        assert len(worker.call("search", ["the delegation", "the court"])) == 2
        assert 10 < worker.call("memory") <= worker.call("peak") < 5000
    finally:
        worker.close()


@pytest.mark.usefixtures("tiny")
def test_a_worker_says_why_it_failed_and_goes_on(tmp_path):
    worker = Worker(OURS, tmp_path / "log", patience=60)
    try:
        with pytest.raises(WorkerFailed, match=r"ArchiveNotFound: .*holds no archive"):
            worker.call("open", tmp_path / "nothing", "the delegation")
        assert worker.call("encode", ["text"]) >= 0
    finally:
        worker.close()


@pytest.mark.usefixtures("tiny")
def test_a_worker_that_takes_too_long_or_too_much_is_ended(tmp_path):
    with pytest.raises(WorkerFailed, match="took more than 0 s"):
        Worker(OURS, tmp_path / "log", patience=0)
    with pytest.raises(WorkerFailed):
        Worker(OURS, tmp_path / "log", patience=60, memory=1 << 20)


@pytest.mark.usefixtures("tiny")
def test_a_process_that_dies_is_told_from_an_error(tmp_path):
    worker = Worker(OURS, tmp_path / "log", patience=60)
    worker._process.kill()
    with pytest.raises(WorkerFailed, match=r"killed|gone"):
        worker.call("memory")
    worker.close()


@pytest.mark.usefixtures("tiny")
def test_a_system_that_fails_is_left_out_with_a_note(tmp_path):
    run = Run([OURS], tmp_path, patience=60)
    with run.workers({"good": OURS, "bad": OURS}, "starting") as workers:
        bad = workers["bad"]

        def work(worker: Worker, number: int) -> int:
            if worker is bad and number == 1:
                worker.call("open", tmp_path / "nothing", "the delegation")
            return number

        assert run.turns(workers, "working", 3, work) == {"good": [0, 1, 2]}
        assert list(workers) == ["good"]
    assert run.failed == {OURS}
    (note,) = run.notes
    assert note.startswith(f"{OURS}, working: ArchiveNotFound: ")


# -- the table ----------------------------------------------------------------------------------------


def test_a_cell_is_the_median_and_with_enough_samples_the_p95():
    assert Cell.of([3, 1, 2]) == Cell(2, None)
    assert Cell.of(range(1, 101), 10) == Cell(505, 950)
    assert Cell.mean([0, 1]) == Cell(0.5)


def test_a_ratio_compares_with_the_best_of_the_others():
    cells = {OURS: Cell(4), "a": Cell(2), "b": Cell(8)}
    assert Row("rate", cells, MORE).ratio == 4 / 8
    assert Row("time", cells, LESS).ratio == 2 / 4
    assert Row("recall", cells).ratio is None
    assert Row("alone", {OURS: Cell(4)}, LESS).ratio is None


def test_the_table_has_a_column_for_each_system_and_a_dot_where_nothing_was_measured():
    group = Group("1,000 passages", [Row("search, ms", {OURS: Cell(4, 12.345), "a": Cell(1234.5)}, LESS)])
    unknown = Group("alone", [Row("memory, MB", {OURS: Cell(math.nan)})])
    assert list(table([group, unknown], [OURS, "a", "b"]))[2:] == [
        "| **1,000 passages** | | | | |",
        "| search, ms | 4.00 / 12.3 | 1,234 | · | 309× |",
        "| **alone** | | | | |",
        "| memory, MB | ? | · | · |  |",
    ]


# -- the command --------------------------------------------------------------------------------------


def command(*options: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "evals.speed", *options],
        cwd=ROOT, env={**os.environ, **environ}, capture_output=True, text=True, check=False, timeout=900,
    )  # fmt: skip


def test_wrong_options_get_a_sentence():
    done = command("--sizes", "many")
    assert done.returncode == 2
    assert "not a list of numbers like 1000,10000" in done.stderr
    done = command(QA_MODEL="tiny")
    assert done.returncode == 2
    assert "unset QA_MODEL, or measure --alone" in done.stderr


def test_a_missing_folder_gets_a_sentence(tmp_path):
    out = tmp_path / "SPEED.md"
    done = command("--alone", "--data", str(tmp_path / "nothing"), "--out", str(out), QA_MODEL="tiny")
    assert done.returncode == 2
    assert "holds no corpus.jsonl" in done.stderr
    assert "Traceback" not in done.stderr
    assert not out.exists()


@pytest.mark.slow
@pytest.mark.usefixtures("tiny")
def test_the_command_writes_the_whole_table(tmp_path):
    out = tmp_path / "SPEED.md"
    options = (
        "--sizes",
        "20,40",
        "--questions",
        "3",
        "--encoded",
        "10",
        "--repetitions",
        "1",
        "--added",
        "20",
    )
    done = command("--alone", *options, "--out", str(out), "--work", str(tmp_path / "work"))
    assert done.returncode == 0, done.stderr
    text = out.read_text(encoding="utf-8")
    assert text.strip() == done.stdout.strip()
    assert text.count("recall@10 of the dense search against exact | 1.00") == 2
    for measure in "`qa ask` from a cold shell, s", "search, ms", "open to first answer", "encoded, s: 4":
        assert f"| {measure}" in text
    assert "Not measured" not in text
