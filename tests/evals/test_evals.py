"""The runner: loading, judging, reporting, the gate, with a fake archive; the command with the tiny model."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

import qa
from evals.__main__ import main
from evals.archives import archive_of
from evals.dataset import Dataset, DatasetError, GoldEvidence, Question
from evals.gate import Bar, Baseline
from evals.outcomes import Outcome, examine, gold_spans, inexactness
from evals.summary import Summary
from qa.types import Answer, Article, Citation, Coverage, Hit, Passage, Query

HARBOUR = Article(
    id="harbour",
    title="Harbour",
    text="The harbour opened in 1912. Ada Quill led the works.",
    published="1999-05-04",
)
BRIDGE = Article(id="a/bridge", title="Bridge", text="The bridge is 84 metres long. It was painted green.")


def cite(article: Article, quote: str, answer: str | None = None, n: int = 1, **rest: object) -> Citation:
    start = article.text.index(quote)
    marks = {}
    if answer:
        marks = {
            "answer_start": article.text.index(answer),
            "answer_end": article.text.index(answer) + len(answer),
        }
    return Citation(
        n=n,
        article_id=article.id,
        title=article.title,
        quote=quote,
        start=start,
        end=start + len(quote),
        text_sha256=article.text_sha256,
        **marks,
        **rest,
    )


class FakeArchive:
    """Finds the harbour first, then the bridge, and gives the answers it is made with."""

    def __init__(self, answers: dict[str, tuple[tuple[Citation, ...], float]], text: str = "") -> None:
        self.answers = answers
        self.text = text
        self.histories: list[object] = []

    def search(
        self,
        question: str,
        k: int = 10,
        history: object = None,
        filters: object = None,
        *,
        collapse: bool = True,
    ) -> list[Hit]:
        self.histories.append(history)
        passages = [
            Passage(id=i, article_id=a.id, start=0, end=3, text="The")
            for i, a in enumerate((HARBOUR, BRIDGE))
        ]
        return [Hit(passage=p, score=1.0, score_kind="rrf", rank=i) for i, p in enumerate(passages, 1)]

    def ask(self, question: str, history: object = None, filters: object = None) -> Answer:
        citations, confidence = self.answers.get(question, ((), 0.1))
        return Answer(
            question=question,
            text=self.text,
            citations=citations,
            confidence=confidence,
            abstained=not citations,
            coverage=Coverage(articles=2),
            query=Query(text=question, question=question),
        )

    def get(self, article_id: str) -> Article:
        return {a.id: a for a in (HARBOUR, BRIDGE)}[article_id]


def question(text: str, answers: tuple[str, ...] = (), *evidence: GoldEvidence, **rest: object) -> Question:
    values = {"id": text, "type": "extractive", "answerable": bool(answers), **rest}
    return Question(question=text, answers=answers, evidence=evidence, **values)


def dataset(*questions: Question) -> Dataset:
    qrels = {q.id: frozenset(e.doc_id for e in q.evidence) for q in questions if q.evidence}
    return Dataset(name="toy", corpus=Path("toy"), questions=questions, qrels=qrels)


WHO = question("who led", ("Ada Quill",), GoldEvidence(doc_id="harbour", quote="Ada Quill", start=28, end=37))
LONG = question(
    "how long", ("84 metres",), GoldEvidence(doc_id="a/bridge", quote="84 metres", start=14, end=23)
)
COST = question("what did it cost", type="unanswerable_near")
WEATHER = question("weather", type="unanswerable_far")
LED = cite(HARBOUR, "Ada Quill led the works.", "Ada Quill")
OPENED = cite(HARBOUR, "The harbour opened in 1912.", n=2)
PAINTED = cite(BRIDGE, "It was painted green.", "green")


def judged(archive: FakeArchive, *questions: Question) -> list[Outcome]:
    return list(examine(archive, dataset(*questions)))


def summary_of(outcomes: list[Outcome]) -> Summary:
    return Summary.of(outcomes, data="toy", model="tiny", articles=2, passages=2)


def test_an_answer_is_judged_by_its_quotes_and_places() -> None:
    [outcome] = judged(FakeArchive({"who led": ((LED, OPENED), 0.9)}), WHO)
    assert outcome.scores == {
        **{"hit@1": 1, "recall@5": 1, "MRR@10": 1, "nDCG@10": 1, "nDCG@5": 1},
        **{"contained answer": 1, "answer F1": 1, "right article": 1, "articles cited": 1},
        **{"citation precision": 1 / 2, "citation recall": 1},
    }
    assert outcome.faults == []


def test_a_wrong_answer_and_a_refusal_score_nothing_and_say_so() -> None:
    wrong, refused = judged(FakeArchive({"how long": ((PAINTED,), 0.8)}), LONG, WHO)
    assert wrong.scores["hit@1"] == 0
    assert wrong.scores["MRR@10"] == 1 / 2
    assert wrong.scores["right article"] == 1
    assert wrong.scores["contained answer"] == wrong.scores["citation precision"] == 0
    assert wrong.faults == ["hit@1", "contained answer"]
    assert refused.scores["contained answer"] == refused.scores["citation recall"] == 0
    assert "citation precision" not in refused.scores
    assert refused.faults == ["contained answer", "right article", "refused"]


def test_an_answer_is_not_pieced_together_from_two_quotes() -> None:
    across = question("across", ("green Ada",), GoldEvidence(doc_id="harbour"))
    [outcome] = judged(FakeArchive({"across": ((PAINTED, LED), 0.9)}), across)
    assert outcome.scores["contained answer"] == 0


def test_a_field_of_the_article_is_looked_for_in_the_answers_text() -> None:
    when = question("when", ("1999-05-04", "4 May 1999"), GoldEvidence(doc_id="harbour"), type="metadata")
    field = cite(HARBOUR, "The harbour opened in 1912.", kind="metadata", field="published")
    [outcome] = judged(FakeArchive({"when": ((field,), 0.9)}, text="Published on 4 May 1999 [1]."), when)
    assert outcome.scores["contained answer"] == 1
    assert "citation recall" not in outcome.scores
    [by_text] = judged(FakeArchive({"when": ((OPENED,), 0.9)}, text="Published on 4 May 1999 [1]."), when)
    assert by_text.scores["contained answer"] == 0


def test_gold_sentences_are_compared_by_characters() -> None:
    sentences = GoldEvidence(
        doc_id="harbour", sentences=("The harbour opened in 1912.", "Ada Quill led the works.")
    )
    [outcome] = judged(FakeArchive({"who led": ((LED,), 0.9)}), question("who led", ("w " * 20,), sentences))
    cited, gold = len("Ada Quill led the works."), len("The harbour opened in 1912.Ada Quill led the works.")
    assert outcome.scores["sentence F1"] == pytest.approx(2 * cited / (cited + gold))
    assert outcome.scores["citation recall"] == 1 / 2
    assert "contained answer" not in outcome.scores


def test_a_gold_quote_without_offsets_may_stand_at_any_of_its_places() -> None:
    assert gold_spans(GoldEvidence(doc_id="harbour", quote="he "), HARBOUR) == [((1, 4), (43, 46))]
    assert gold_spans(GoldEvidence(doc_id="harbour", quote="absent"), HARBOUR) == []


def test_turns_that_cannot_be_judged_are_left_out() -> None:
    vague = question("and that?", type="underspecified", answerable=False)
    outcomes = judged(FakeArchive({"who led": ((LED,), 0.9)}), vague, WHO, COST)
    assert outcomes[0].scores == {}
    assert outcomes[0].faults == []
    row = summary_of(outcomes).row("abstention/recall")
    assert row is not None
    assert row.n == 1


def test_history_is_passed_on() -> None:
    archive = FakeArchive({})
    follow_up = question(
        "and then?",
        ("Ada Quill",),
        GoldEvidence(doc_id="harbour"),
        history=[{"role": "user", "content": "?"}],
    )
    judged(archive, follow_up)
    assert archive.histories == [(qa.Turn(role="user", content="?"),)]


def test_a_quote_that_differs_from_its_article_is_found() -> None:
    shifted = OPENED.model_copy(update={"start": 1, "end": 1 + len(OPENED.quote)})
    assert inexactness(LED, HARBOUR) is None
    assert "does not read" in str(inexactness(shifted, HARBOUR))
    assert "another revision" in str(inexactness(LED.model_copy(update={"text_sha256": "0"}), HARBOUR))
    outcomes = judged(FakeArchive({"who led": ((shifted, LED), 0.9)}), WHO)
    summary = summary_of(outcomes)
    assert summary.inexact == (f"who led: {inexactness(shifted, HARBOUR)}",)
    row = summary.row("citations/exact")
    assert row is not None
    assert (row.value, row.n) == (1 / 2, 2)


@pytest.fixture
def summary() -> Summary:
    answers = {"who led": ((LED,), 0.9), "how long": ((PAINTED,), 0.3), "what did it cost": ((OPENED,), 0.5)}
    outcomes = judged(FakeArchive(answers), WHO, LONG, COST, WEATHER)
    return summary_of([o.model_copy(update={"milliseconds": 2.0}) for o in outcomes])


def test_the_summary_sums_up_by_metric_and_by_type(summary: Summary) -> None:
    values = {row.key: row.value for row in summary.rows}
    assert values["retrieval/hit@1"] == 1 / 2
    assert values["answers/contained answer"] == 1 / 2
    assert values["abstention/precision"] == 1
    assert values["abstention/recall"] == 1 / 2
    assert values["abstention/refused/unanswerable_near"] == 0
    assert values["abstention/refused/unanswerable_far"] == 1
    assert values["abstention/needless refusals"] == 0
    # of the pairs, .9 > .5, .9 > .1 and .3 > .1 are in order, .3 < .5 is not
    assert values["abstention/AUROC"] == 3 / 4
    assert values["speed/ask, mean ms"] == 2
    assert {row.subset for row in summary.by_type} == {"extractive", "unanswerable_near", "unanswerable_far"}


def test_the_summary_reads_the_same_every_time(summary: Summary) -> None:
    again = Summary.of(summary.outcomes, data="toy", model="tiny", articles=2, passages=2)
    assert again.table() == summary.table()
    assert again.model_dump_json() == summary.model_dump_json()
    assert Summary.model_validate_json(summary.model_dump_json()) == summary
    head, _, columns, group, row = summary.table().splitlines()[:5]
    assert head == "toy: 4 questions, 2 articles, 2 passages, tiny"
    assert columns.split() == ["metric", "value", "95", "%", "interval", "n"]
    assert group == "retrieval"
    assert row.split() == ["hit@1", "0.500", "0.000", "–", "1.000", "2"]


@pytest.mark.parametrize(
    ("key", "value", "holds"),
    [
        ("retrieval/hit@1", 0.52, True),
        ("retrieval/hit@1", 0.53, False),
        ("abstention/needless refusals", 0.0, True),
        ("abstention/recall", 0.1, True),
        ("answers/no such metric", 0.0, False),
    ],
)
def test_the_gate_fails_what_falls_below_its_bar(
    summary: Summary, key: str, value: float, holds: bool
) -> None:
    failures = Baseline(metrics={key: Bar(value=value, tolerance=0.02)}).failures(summary)
    assert [*failures] == ([] if holds else [key])


def test_the_gate_holds_refusals_down_not_up(summary: Summary) -> None:
    refusing = [o.model_copy(update={"abstained": True}) for o in summary.outcomes]
    bar = Baseline(metrics={"abstention/needless refusals": Bar(value=0.1)})
    [failure] = bar.failures(summary_of(refusing)).values()
    assert failure == "FAIL abstention/needless refusals: 1.000, baseline 0.100, tolerance 0.020"


def test_updating_a_baseline_keeps_tolerances_and_leaves_speed_out(summary: Summary, tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    Baseline(metrics={"retrieval/hit@1": Bar(value=0.9, tolerance=0.05)}).updated(summary).save(path)
    bars = Baseline.load(path).metrics
    assert bars["retrieval/hit@1"] == Bar(value=0.5, tolerance=0.05)
    assert bars["abstention/recall"] == Bar(value=0.5, tolerance=0.02)
    assert not [key for key in bars if key.startswith(("speed", "citations"))]
    assert Baseline.load(path).failures(summary) == {}


# Evaluation folders

Folder = Callable[..., Path]

ARTICLES = [HARBOUR, BRIDGE]
QUESTIONS = [WHO, LONG, COST, WEATHER]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    def make(**files: str) -> Path:
        lines = {
            "corpus.jsonl": "\n".join(
                json.dumps({"id": a.id, "title": a.title, "text": a.text}) for a in ARTICLES
            ),
            "queries.jsonl": "\n".join(q.model_dump_json() for q in QUESTIONS),
            "qrels.tsv": "who led\tharbour\t1\nhow long\ta/bridge\t1\n",
        }
        for name, text in {**lines, **{k.replace("_", "."): v for k, v in files.items()}}.items():
            (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path

    return make


GOOD = '{"id": "a", "question": "b?", "answerable": false, "type": "t"}\n'


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"queries_jsonl": GOOD + "\n{"}, r"queries\.jsonl:3: not valid JSON"),
        ({"queries_jsonl": '{"id": "a"}'}, r"queries\.jsonl:1: question: Field required"),
        ({"queries_jsonl": GOOD + GOOD}, r"queries\.jsonl:2: the id 'a' is there twice"),
        ({"queries_jsonl": "\n"}, r"queries\.jsonl: holds no questions"),
        ({"qrels_tsv": "who led harbour 1"}, r"qrels\.tsv:1: 1 columns"),
        (
            {"qrels_tsv": "who led\tharbour\t1\nnobody\tharbour\t1"},
            r"qrels\.tsv:2: there is no question 'nobody'",
        ),
        ({"qrels_tsv": "who led\tharbour\tyes"}, r"qrels\.tsv:1: the relevance is 'yes'"),
    ],
)
def test_a_line_that_does_not_fit_is_named(folder: Folder, files: dict[str, str], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        Dataset.load(folder(**files))


def test_evidence_that_does_not_span_its_quote_is_named(folder: Folder) -> None:
    line = WHO.model_dump(mode="json")
    line["evidence"][0]["end"] += 1
    with pytest.raises(DatasetError, match=r"queries\.jsonl:1: evidence\.0: .*\[28:38\] does not span"):
        Dataset.load(folder(queries_jsonl=json.dumps(line)))


def test_a_folder_without_a_corpus_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"corpus\.jsonl: not there"):
        Dataset.load(tmp_path)


def test_a_limit_spreads_over_the_file() -> None:
    questions = dataset(*(question(str(i), type="t") for i in range(10)))
    assert [q.id for q in questions.limited(5).questions] == ["0", "2", "4", "6", "8"]
    assert questions.limited(None) == questions.limited(99) == questions


def test_questions_about_articles_that_are_not_there_are_refused(
    folder: Folder, tmp_path: Path, settings: qa.Settings
) -> None:
    folder(qrels_tsv="who led\telsewhere\t1\n")
    with (
        pytest.raises(DatasetError, match="'who led' names 'elsewhere'"),
        archive_of(Dataset.load(tmp_path), settings),
    ):
        pass


# The command

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def settings(tmp_path: Path) -> qa.Settings:
    return qa.Settings(model="tiny", reader=None, cache_dir=tmp_path / "cache", data_dir=tmp_path / "data")


@pytest.fixture
def run(settings: qa.Settings) -> Run:
    def invoke(*arguments: object) -> tuple[int, str]:
        environment = {
            "QA_CACHE_DIR": str(settings.cache_dir),
            "QA_MODEL": "tiny",
            "QA_READER": "none",
            "QA_REFUSE": "0",
        }
        result = CliRunner().invoke(main, [str(a) for a in arguments], env=environment)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result.exit_code, result.output

    return invoke


def test_a_folder_is_evaluated_from_end_to_end(folder: Folder, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "summary.json"
    code, output = run("--data", folder(), "--json", file, "--wrong")
    assert code == 0, output
    summary = Summary.model_validate_json(file.read_bytes())
    assert summary.table() in output
    assert (summary.questions, summary.articles) == (4, 2)
    assert [o.id for o in summary.outcomes] == [q.id for q in QUESTIONS]
    exact = summary.row("citations/exact")
    assert exact is not None
    assert exact.value == 1


def test_an_archive_is_built_once_for_a_corpus(folder: Folder, run: Run) -> None:
    assert "indexing" in run("--data", folder())[1]
    assert "indexing" not in run("--data", folder())[1]
    changed = (
        json.dumps({"id": "harbour", "text": HARBOUR.text})
        + "\n"
        + json.dumps({"id": "a/bridge", "text": "New."})
    )
    assert "indexing" in run("--data", folder(corpus_jsonl=changed))[1]


def test_the_gate_is_held_and_updated(folder: Folder, run: Run, tmp_path: Path) -> None:
    bars = tmp_path / "bars.json"
    with_bars = "--data", folder(), "--baseline", bars
    assert run(*with_bars)[0] == 2
    assert run(*with_bars, "--update-baseline")[0] == 0
    assert run(*with_bars)[0] == 0
    Baseline(metrics={"retrieval/hit@1": Bar(value=1.5)}).save(bars)
    code, output = run(*with_bars)
    assert (code, output.splitlines()[-1].split(":")[0]) == (1, "FAIL retrieval/hit@1")
    assert run(*with_bars, "--no-gate")[0] == 0
    assert run(*with_bars, "--limit", 2)[0] == 0


def test_parts_judge_only_themselves(folder: Folder, run: Run) -> None:
    _, retrieval = run("--data", folder(), "--part", "retrieval")
    assert "hit@1" in retrieval
    assert "contained answer" not in retrieval
    _, answers = run("--data", folder(), "--part", "answers")
    assert "contained answer" in answers
    assert "\nretrieval\n" not in answers


def test_what_cannot_be_run_exits_2_with_one_line(run: Run, tmp_path: Path) -> None:
    code, output = run("--data", tmp_path / "nowhere")
    assert code == 2
    assert output.startswith("evals: ")
    assert output.count("\n") == 1
    assert run("--data", tmp_path, "--update-baseline")[0] == 2


def test_the_seeds_are_evaluated_by_default(run: Run) -> None:
    code, output = run("--limit", 12)
    assert code == 0, output
    assert output.splitlines()[1].startswith("seeds: 12 questions, 5 articles")
