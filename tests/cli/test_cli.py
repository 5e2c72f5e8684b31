"""The command as a process: what it prints, where, and the code it exits with."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from qa.storage.folder import DATABASE
from tests.conftest import SEEDS

ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith("QA_")}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    environment = ENVIRONMENT | {
        "QA_DATA_DIR": str(home / "data"),
        "QA_CACHE_DIR": str(home / "cache"),
        "QA_MODEL": "tiny",
        "QA_READER": "none",
    }

    def call(
        *args: object, code: int | None = 0, stdin: bytes = b"", **extra: str
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "qa", *map(str, args)],
            capture_output=True, text=True, check=False, cwd=home, env=environment | extra, input=stdin.decode(),
        )  # fmt: skip
        assert "Traceback" not in done.stderr, done.stderr
        if code is not None:
            assert done.returncode == code, done.stderr
        return done

    return call


@pytest.fixture(scope="module")
def folder(run, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("archives") / "seeds"
    run("index", SEEDS, "--archive", path)
    return path


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("qa: ")
    return line


def test_an_answer_in_a_pipe_is_plain_text_with_its_sources(run, folder):
    done = run("ask", "Who led the Nanling delegation?", "--archive", folder, QA_REFUSE="0")
    assert "Lu Yueping" in done.stdout
    assert "] · " in done.stdout or "[1]" in done.stdout
    assert "Sources" in done.stdout
    assert "\x1b" not in done.stdout
    assert done.stderr == ""


def test_json_is_the_whole_answer(run, folder):
    done = run("ask", "Who led the Nanling delegation?", "--archive", folder, "--json", QA_REFUSE="0")
    answer = json.loads(done.stdout)
    assert set(answer) == {
        "question", "kind", "text", "short", "lead", "citations", "confidence", "abstained", "reason", "closest",
        "coverage", "hits", "query", "differ", "unanswered", "given_up", "notices",
    }  # fmt: skip
    assert answer["citations"][0]["quote"]
    assert answer["hits"][0]["rank"] == 1


def test_a_question_about_the_date_is_answered_from_metadata(run, folder):
    done = run(
        "ask", "When was the article on the Taiqian ministerial meeting published?", "--archive", folder
    )
    assert "May 26, 2022 (2022-05-26)" in done.stdout


def test_abstaining_exits_with_3_and_says_what_there_is(run, folder):
    done = run("ask", "What is the price of bitcoin?", "--archive", folder, code=3, QA_REFUSE="0.5")
    assert done.stdout.startswith("The archive does not say.")
    assert "5 articles" in done.stdout
    assert "2022-05-26 to" in " ".join(done.stdout.split())


def test_filters_leave_other_articles_out(run, folder):
    done = run("ask", "Nanling delegation", "--archive", folder, "--after", "2024", "--json", code=None)
    assert [h["passage"]["article_id"][:3] for h in json.loads(done.stdout)["hits"]] == ["001"]
    done = run("ask", "Nanling", "--archive", folder, "--source", "nobody", code=3)
    assert "No article matches the filters." in done.stdout


def test_a_follow_up_is_read_with_the_conversation_before_it(run, folder, tmp_path):
    file = tmp_path / "history.json"
    file.write_text('[{"role": "user", "content": "Who led the Nanling delegation?"}]', "utf-8")
    done = run("ask", "When was it?", "--archive", folder, "--history", file, "--json", code=None)
    assert "Nanling" in json.loads(done.stdout)["query"]["text"]


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "cannot be read"), ("{", "is not a conversation"), ('[{"role": "x"}]', "is not a conversation")],
)
def test_a_conversation_that_cannot_be_read_is_one_clear_line(run, folder, tmp_path, content, message):
    file = tmp_path / "history.json"
    if content is not None:
        file.write_text(content, "utf-8")
    assert message in one_line(run("ask", "Who?", "--archive", folder, "--history", file, code=2))


@pytest.mark.parametrize("question", ["", "   ", "\x01\x02", "?!"])
def test_an_empty_question_is_one_clear_line(run, folder, question):
    assert "question is empty" in one_line(run("ask", question, "--archive", folder, code=2))


def test_a_question_of_100_000_characters_is_cut_with_a_notice_and_answered(run, folder):
    question = ("Who led the Nanling delegation? " * 4000)[:100_000]
    done = run("ask", question, "--archive", folder, QA_REFUSE="0")
    assert "only its first 2,000 were used" in one_line(done)
    assert "Sources" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("ask", "x", "--archive", "nope"), "holds no archive"),
        (("info", "--archive", "nope"), "holds no archive"),
        (("ask", "x", "--after", "2023-13"), "--after: use a date like"),
        (("ask", "x", "--after", "2024", "--before", "2023"), "the period is empty"),
        (("index", "nope.txt", "--archive", "new"), "nope.txt: no such file or folder"),
        (("index", "--archive", "new"), "Missing argument"),
        (("frobnicate",), "No such command"),
        (("serve", "--port", "99999"), "--port"),
    ],
)
def test_what_cannot_be_done_is_one_clear_line(run, arguments, message):
    assert message in one_line(run(*arguments, code=2))


def test_a_file_where_a_folder_should_be(run, tmp_path):
    (tmp_path / "file").write_text("x")
    assert "is not a folder" in one_line(run("ask", "x", "--archive", tmp_path / "file", code=2))
    assert "already holds something else" in one_line(
        run("index", SEEDS, "--archive", tmp_path / "file", code=2)
    )


def test_another_model_than_the_archives(run, folder):
    line = one_line(run("ask", "x", "--archive", folder, code=2, QA_MODEL="some/model"))
    assert "was made with the model tiny" in line


def test_a_wrong_setting_is_named(run, folder):
    assert "QA_REFUSE='often'" in one_line(run("ask", "x", "--archive", folder, code=2, QA_REFUSE="often"))


def test_indexing_names_what_it_skips_and_goes_on(run, tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "good.txt").write_text("The mill burnt down in 1900.")
    (tmp_path / "in" / "empty.txt").write_text("")
    (tmp_path / "in" / "noise.txt").write_bytes(bytes(range(256)) * 10)
    done = run("index", tmp_path / "in", tmp_path / "nope", "--archive", tmp_path / "archive")
    assert "1 added, 0 updated, 0 unchanged, 3 skipped" in done.stdout
    assert [line.split(": ", 2)[2] for line in done.stderr.strip().splitlines()] == [
        "the file is empty",
        "binary data, not text",
        "no such file or folder",
    ]
    again = run("index", tmp_path / "in" / "good.txt", "--archive", tmp_path / "archive", "--json", "--quiet")
    assert json.loads(again.stdout)["unchanged"] == 1


TABLE = b"key,body,published_at,views\n1,The mill burnt down in 1900.,2023-09-11,5\n"


def test_a_table_on_standard_input_is_mapped(run, tmp_path):
    mapping = ("--map", "id=key,text=body", "--map", "date=published_at")
    done = run("index", "-", "--format", "csv", *mapping, "--archive", tmp_path / "a", stdin=TABLE)
    assert done.stdout.startswith("1 added")
    assert json.loads(run("info", "--archive", tmp_path / "a", "--json").stdout)["first"] == "2023-09-11"


def test_a_pattern_is_expanded(run, tmp_path):
    (tmp_path / "in" / "sub").mkdir(parents=True)
    (tmp_path / "in" / "sub" / "a.txt").write_text("The mill burnt down in 1900.")
    (tmp_path / "in" / "b.md").write_text("The mill was rebuilt in 1901.")
    done = run("index", tmp_path / "in" / "**" / "*.txt", "--archive", tmp_path / "a")
    assert done.stdout.startswith("1 added")
    assert "no file matches" in one_line(
        run("index", tmp_path / "*.pdf", "--archive", tmp_path / "a", code=2)
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--map", "text"), "--map: write FIELD=COLUMN, not 'text'"),
        (("--map", "txt=body"), "no field 'txt'"),
        (("--format", "doc"), ".doc is not known"),
    ],
)
def test_options_that_make_no_sense_are_one_clear_line(run, tmp_path, arguments, message):
    assert message in one_line(run("index", SEEDS, "--archive", tmp_path / "a", *arguments, code=2))


def test_info_and_remove(run, tmp_path):
    run("index", SEEDS, "--archive", tmp_path / "a")
    facts = json.loads(run("info", "--archive", tmp_path / "a", "--json").stdout)
    assert (facts["articles"], facts["first"], facts["last"], facts["model"]) == (
        5,
        "2022-05-26",
        "2024-02-28",
        "tiny",
    )
    done = run("remove", "003_561acd7d52a7ac19", "nope", "--archive", tmp_path / "a")
    assert done.stdout == "1 removed.\n"
    assert "no article 'nope'" in one_line(done)
    assert re.search(r"^articles +4$", run("info", "--archive", tmp_path / "a").stdout, re.M)
    run("remove", "nope", "--archive", tmp_path / "a", code=2)


def test_check_names_damage_and_mends_it(run, tmp_path):
    folder = tmp_path / "archive"
    run("index", SEEDS, "--archive", folder)
    assert "All is sound." in run("check", "--archive", folder).stdout
    with sqlite3.connect(folder / DATABASE) as db:
        db.execute("UPDATE passage SET end = start WHERE id = 3")
    max(folder.glob("derived/*/gone.npy")).unlink()
    done = run("check", "--archive", folder, code=2)
    assert "damage: Passage 3 lies outside its article" in done.stdout
    assert "damage: The search index is damaged: gone.npy cannot be read" in done.stdout
    assert "Run qa check --repair" in done.stdout
    assert len(json.loads(run("check", "--archive", folder, "--json", code=2).stdout)["problems"]) == 2
    mended = run("check", "--archive", folder, "--repair").stdout
    assert mended.count("repaired: ") == 2
    assert "All is sound." in mended
    with sqlite3.connect(folder / DATABASE) as db:
        db.execute("UPDATE article SET extra = 'no JSON' WHERE current AND id LIKE '001%'")
    assert "Add it again." in run("check", "--archive", folder, "--repair", code=2).stdout


def test_compact_and_info(run, tmp_path):
    folder = tmp_path / "archive"
    run("index", SEEDS, "--archive", folder)
    run("compact", "--vacuum", "--archive", folder)
    facts = json.loads(run("info", "--archive", folder, "--json").stdout)
    assert (facts["articles"], facts["vector_files"], facts["vectors_gone"], facts["index"]) == (
        5,
        1,
        0,
        "sound",
    )
    assert facts["bytes"] >= facts["database_bytes"] + facts["vector_bytes"] + facts["keyword_bytes"] > 0
    assert "database_bytes" in run("info", "--archive", folder).stdout


def test_an_article_cannot_steer_the_terminal(run, tmp_path):
    (tmp_path / "evil.txt").write_text("The mill \x1b[31mburnt\x1b]0;owned\x07 down in 1900.\u202e")
    run("index", tmp_path / "evil.txt", "--archive", tmp_path / "a")
    done = run("ask", "When did the mill burn down?", "--archive", tmp_path / "a", QA_REFUSE="0")
    assert "1900" in done.stdout
    assert not any(c in done.stdout for c in "\x1b\x07\u202e")


def test_the_default_archive_is_built_from_the_seeds(run):
    done = run("ask", "Nanling delegation", "--json", code=None)
    assert json.loads(done.stdout)["coverage"]["articles"] == 5


@pytest.mark.model
def test_the_ask_path_imports_no_heavy_package(folder, tmp_path):
    code = (
        "import sys, qa\n"
        "assert qa.ask('Who led the Nanling delegation?').citations\n"
        "heavy = {'torch', 'transformers', 'sentence_transformers', 'gradio', 'onnxruntime', 'sklearn', 'scipy',\n"
        "  'trafilatura', 'lxml', 'pypdf', 'docx', 'warcio', 'pyarrow', 'py3langid', 'charset_normalizer'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    subprocess.run(
        [sys.executable, "-c", "import qa; qa.default_archive().encoder"], check=True, capture_output=True
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stderr
