"""Feedback: kept only with consent, in the form the evals read, whole under concurrency, bounded."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from click.testing import CliRunner
from starlette.testclient import TestClient

import qa
from evals.dataset import Dataset
from qa import feedback
from qa.cli import cli
from qa.feedback import Feedback, export, keep
from qa.web import app

QUESTION = "Who led the Nanling delegation?"


@pytest.fixture
def sure(tmp_path: Path, settings: qa.Settings):
    settings = settings.model_copy(update={"refuse": 0.0, "feedback": True})
    with qa.Archive.create(tmp_path / "sure", settings=settings) as archive:
        archive.add("seeds")
        yield archive


def entries(archive: qa.Archive) -> list[dict]:
    path = archive.path / "feedback" / "queries.jsonl"
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


def said(**fields) -> Feedback:
    return Feedback(**{"verdict": "good", "consent": True, **fields})


class TestEntries:
    def test_a_right_answer_keeps_its_quotes(self, sure):
        answer = sure.ask(QUESTION)
        keep(sure, said(), answer)
        [entry] = entries(sure)
        assert (entry["question"], entry["answerable"]) == (QUESTION, True)
        for evidence in entry["evidence"]:
            assert sure.get(evidence["doc_id"]).text[evidence["start"] : evidence["end"]] == evidence["quote"]
        assert len(entry["evidence"]) == len(answer.citations)

    def test_a_right_refusal_says_that_there_is_no_answer(self, seed_archive):
        answer = seed_archive.ask("What is the boiling point of tungsten?")
        entry = keep(seed_archive, said(), answer)
        assert (entry["answerable"], entry["type"], entry["evidence"]) == (False, "unanswerable", [])

    def test_a_wrong_answer_is_judged_only_where_the_right_source_is_known(self, sure):
        article = sure.get("000_123b1eafede8e79c")
        answer = sure.ask(QUESTION)
        assert keep(sure, said(verdict="bad"), answer)["type"] == "underspecified"
        told = keep(
            sure, said(verdict="bad", article=article.id, quote="On  September\n6, Lu Yueping"), answer
        )
        assert told["evidence"] == [
            {"doc_id": article.id, "quote": "On September 6, Lu Yueping", "start": 0, "end": 26}
        ]
        by_address = said(verdict="bad", article=f"http://x.test/article/{article.id}?start=1#quote")
        assert keep(sure, by_address, answer)["evidence"] == [{"doc_id": article.id}]

    @pytest.mark.parametrize(
        ("fields", "error"),
        [
            ({"consent": False}, "Agree that it is kept"),
            ({"article": "../../etc/passwd"}, "no such article"),
            ({"article": "000_123b1eafede8e79c", "quote": "never said"}, "do not stand in the article"),
        ],
    )
    def test_what_cannot_be_kept_leaves_nothing(self, sure, fields, error):
        with pytest.raises(qa.QAError, match=error):
            keep(sure, said(**fields), sure.ask(QUESTION))
        assert entries(sure) == []

    def test_the_file_has_a_bound(self, sure, monkeypatch):
        answer = sure.ask(QUESTION)
        keep(sure, said(), answer)
        monkeypatch.setattr(feedback, "MOST_BYTES", (sure.path / "feedback" / "queries.jsonl").stat().st_size)
        with pytest.raises(qa.FeedbackError, match="no room"):
            keep(sure, said(), answer)
        turns = [qa.Turn(role="user", content="x" * 70_000)]
        with pytest.raises(qa.FeedbackError, match="too long"):
            keep(sure, said(), answer, turns)
        assert len(entries(sure)) == 1

    def test_entries_written_at_once_are_whole(self, sure):
        answer = sure.ask(QUESTION)
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda _: keep(sure, said(), answer), range(100)))
        assert len({entry["id"] for entry in entries(sure)}) == 100


class TestEvals:
    def test_they_read_what_was_kept(self, sure, tmp_path):
        keep(sure, said(), sure.ask(QUESTION), [qa.Turn(role="user", content="Before?")])
        keep(sure, said(verdict="bad"), sure.ask("Who?\nWhat?"))
        args = ["feedback", str(tmp_path / "out"), "--archive", str(sure.path)]
        done = CliRunner().invoke(cli, args, standalone_mode=False)
        assert done.output.startswith("2 questions with the archive's articles in ")
        data = Dataset.load(tmp_path / "out")
        assert [question.judged for question in data.questions] == [True, False]
        assert data.relevant(data.questions[0]) == {c.article_id for c in sure.ask(QUESTION).citations}
        assert data.questions[0].history[0].content == "Before?"
        run = subprocess.run(
            [sys.executable, "-m", "evals", "--data", str(tmp_path / "out"), "--model", "tiny"],
            capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2],
        )  # fmt: skip
        assert "Traceback" not in run.stderr, run.stderr
        assert run.returncode in {0, 1}, run.stderr

    def test_a_folder_that_holds_something_is_left_alone(self, sure, tmp_path):
        with pytest.raises(qa.FeedbackError, match="no feedback yet"):
            export(sure, tmp_path / "new")
        keep(sure, said(), sure.ask(QUESTION))
        with pytest.raises(qa.FeedbackError, match="already holds something"):
            export(sure, tmp_path)


class TestPage:
    def test_it_keeps_what_is_sent_with_consent(self, sure):
        with TestClient(app.create_app(sure)) as client:
            assert 'class="feedback"' in client.post("/turn", json={"question": QUESTION}).json()["html"]
            body = {"asking": {"question": QUESTION}, "said": {"verdict": "good"}}
            refused = client.post("/feedback", json=body)
            assert (refused.status_code, "Agree" in refused.json()["message"]) == (422, True)
            body["said"]["consent"] = True
            assert client.post("/feedback", json=body).json() == {"message": "Kept. Thank you."}
            assert client.post("/feedback", json={"asking": {}, "said": {"verdict": "x"}}).status_code == 422
        assert [entry["question"] for entry in entries(sure)] == [QUESTION]

    def test_it_is_off_by_default_and_where_the_archive_is_read_only(self, sure, seed_archive):
        shut = seed_archive.settings.model_copy(update={"feedback": True})
        read_only = qa.Archive.open(seed_archive.path, settings=shut)
        read_only._database.writable = False
        for archive in (seed_archive, read_only):
            with TestClient(app.create_app(archive)) as client:
                assert "feedback" not in client.post("/turn", json={"question": QUESTION}).json()["html"]
                body = {"asking": {"question": QUESTION}, "said": {"verdict": "good", "consent": True}}
                assert client.post("/feedback", json=body).status_code in {404, 405}
        assert entries(seed_archive) == []
