"""The glossary: a file of words that mean the same; nothing changes without it."""

from __future__ import annotations

import logging

import pytest
from click.testing import CliRunner

import qa
from qa.cli import cli
from qa.query.glossary import FILE, REWRITTEN_WEIGHT, Glossary
from qa.types import Query
from qa.web.pages.article import article_page
from qa.web.pages.links import Asked, Place
from qa.words import page_words

SAID = "procuratorate = prosecutor's office = procurator's office\nLu Yueping = Yueping Lu\n检察院 = 检控处\n"


def query(question: str) -> Query:
    return Query(question=question, text=question)


class TestReading:
    def test_groups_remarks_and_blank_lines(self):
        glossary = Glossary.parse(f"# the newsroom's\n\n{SAID}")
        assert list(glossary.lines()) == SAID.strip().split("\n")
        assert glossary.problems == ()

    @pytest.mark.parametrize(
        ("line", "said"),
        [
            ("procuratorate", "write two terms or more with = between them"),
            ("a = ", "write two terms"),
            ("= b", "write two terms"),
            ("!! = ??", "write two terms"),
            ("b = " + "x" * 101, "12 terms of 100 characters"),
            (" = ".join("abcdefghijklm"), "12 terms"),
            ("office = Offices", "stands twice in it"),
            ("ours = Yueping Lu", "stands in line 2"),
        ],
    )
    def test_a_bad_line_is_one_clear_sentence_and_the_others_stay(self, line, said):
        glossary = Glossary.parse(f"{SAID}{line}\nmayor = burgomaster")
        [problem] = glossary.problems
        assert problem.startswith("glossary.txt:4: ")
        assert said in problem
        assert len(glossary.groups) == 4

    def test_a_file_that_is_no_text_is_one_clear_line(self, tmp_path):
        (tmp_path / FILE).write_bytes(b"\xff\xfe\x00")
        with pytest.raises(qa.GlossaryError, match="not UTF-8 text"):
            Glossary.read(tmp_path)


class TestRewriting:
    @pytest.mark.parametrize(
        ("text", "rewritten"),
        [
            ("Who led the Prosecutor’s office?", "Who led the procuratorate?"),
            ("the procurator's offices, and Yueping\nLu.", "the procuratorate, and Lu Yueping."),
            ("Who is Lu Yueping of the procuratorate?", "Who is Lu Yueping of the procuratorate?"),
            ("检控处在哪里", "检察院在哪里"),
            ("officer Lu", "officer Lu"),
            ("", ""),
        ],
    )
    def test_other_words_give_way_to_the_archives_own(self, text, rewritten):
        assert Glossary.parse(SAID).rewrite(text) == rewritten

    def test_the_longest_term_counts(self):
        glossary = Glossary.parse("A = office\nB = head office\nC = office party")
        assert glossary.rewrite("head office, office party, office") == "B, C, A"

    def test_a_query_is_searched_and_read_in_both_words(self):
        expanded = Glossary.parse(SAID).expand(query("Where is the prosecutor's office?"))
        assert expanded.searched == (
            ("Where is the prosecutor's office?", 1.0),
            ("Where is the procuratorate?", REWRITTEN_WEIGHT),
        )
        assert expanded.reading_text == "Where is the procuratorate?"
        assert expanded.question == "Where is the prosecutor's office?"

    def test_a_query_whose_reading_alone_has_such_words_is_searched_once(self):
        asked = query("And where?").model_copy(
            update={"reading": "Who led the prosecutor's office? And where?"}
        )
        expanded = Glossary.parse(SAID).expand(asked)
        assert expanded.searched == (("And where?", 1.0),)
        assert expanded.reading_text == "Who led the procuratorate? And where?"

    def test_a_query_without_such_words_stays_the_same(self):
        asked = query("Where is the procuratorate?")
        assert Glossary.parse(SAID).expand(asked) is asked
        assert Glossary().expand(query("prosecutor's office")).context == ()


class TestArchive:
    @pytest.fixture
    def worded(self, archive, article):
        archive.add([article(f"x{i}", f"The number {i} bus stops at the square.") for i in range(30)])
        archive.add(
            [article("a", "The procuratorate moved to Red Lane."), article("b", "Yueping Lu met Lu Yueping.")]
        )
        return archive

    def test_a_question_in_other_words_finds_the_article(self, worded):
        def score():
            hits = worded.search("Which prosecutor's office stops at the square?", 32)
            return next(hit.score for hit in hits if hit.article_id == "a") - hits[0].score

        before = score()
        (worded.path / FILE).write_text(SAID, "utf-8")
        assert score() > before + 0.5
        (worded.path / FILE).unlink()
        assert score() == before

    def test_nothing_changes_without_a_glossary_or_its_words(self, seed_archive):
        def scores(question):
            return [(hit.article_id, hit.score) for hit in seed_archive.search(question)]

        question = "Who led the Nanling procuratorate's delegation?"
        before = scores(question)
        (seed_archive.path / FILE).write_text(SAID, "utf-8")
        assert scores(question) == before

    def test_mentions_are_of_all_that_means_the_same(self, worded):
        assert len(worded.mentions("Lu Yueping")) == 1
        (worded.path / FILE).write_text(SAID, "utf-8")
        assert [o.quote for o in worded.mentions("Lu Yueping").occurrences] == ["Yueping Lu", "Lu Yueping"]
        assert len(worded.mentions("Lu Yueping", exact=True)) == 1

    def test_a_bad_line_is_told_once_and_the_others_work(self, worded, caplog):
        (worded.path / FILE).write_text(f"alone\n{SAID}", "utf-8")
        with caplog.at_level(logging.WARNING, "qa"):
            for _ in range(3):
                assert len(worded.mentions("Lu Yueping")) == 2
        assert [r.getMessage() for r in caplog.records if "glossary.txt:1" in r.getMessage()] == [
            "glossary.txt:1: write two terms or more with = between them: procuratorate = prosecutor's office. "
            "The line is left out."
        ]


class TestCommand:
    def run(self, archive, *args):
        return CliRunner().invoke(
            cli, ["glossary", *args, "--archive", str(archive.path)], standalone_mode=False
        )

    def test_it_shows_and_adds(self, archive):
        assert "no glossary yet" in self.run(archive).output
        assert self.run(archive, "--add", "procuratorate = prosecutor's office").exception is None
        assert self.run(archive, "--add", "Lu Yueping = Yueping Lu").exception is None
        assert self.run(archive).output == "procuratorate = prosecutor's office\nLu Yueping = Yueping Lu\n"

    def test_it_adds_no_bad_line(self, archive):
        done = self.run(archive, "--add", "alone")
        assert isinstance(done.exception, qa.GlossaryError)
        assert "glossary.txt:1: write two terms" in str(done.exception)
        assert not (archive.path / FILE).exists()


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"lang": "en-t-zh"}, True),
        ({"lang": "en-x-mtfrom-zh"}, True),
        ({"lang": "en-T-zh-t0-und"}, True),
        ({"extra": {"machine_translated": "true"}}, True),
        ({"lang": "en"}, False),
        ({"lang": "zh-Hant-TW"}, False),
        ({"extra": {"translated": "no"}}, False),
        ({}, False),
    ],
)
def test_a_machine_translation_says_so(fields, shown):
    article = qa.Article(id="a", text="x", **fields)
    english, chinese = (article_page(article, Place(), Asked(), page_words(lang)) for lang in ("en", "zh"))
    assert ('<span class="badge">machine-translated</span>' in english) is shown
    assert ('<span class="badge">机器翻译</span>' in chinese) is shown
