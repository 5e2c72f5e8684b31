"""The program's own words: one catalogue a language, nothing missing in it and nothing that nobody says."""

from __future__ import annotations

import re
import tomllib
from datetime import date
from pathlib import Path

import pytest

import qa.words
from qa.types import Coverage
from qa.words import AnswerWords, PageWords, answer_words, page_words, words_accepted, words_for

ROOT = Path(qa.words.__file__).parents[1]
FILES = {
    path.stem: tomllib.loads(path.read_text("utf-8"))
    for path in sorted(Path(qa.words.__file__).parent.glob("*.toml"))
}
SECTIONS = ("occurrences", "adding", "evidence", "errors")
BESIDE = set(dir(str)) | set(dir(list)) | set(dir(dict))
"""What the code calls on other things that it names ``words`` or ``said``."""


@pytest.mark.parametrize(
    ("question", "lang"),
    [
        ("Who led the delegation?", "en"),
        ("检察长带队去了哪里？", "zh"),
        ("NBA是什么？", "en"),
        ("南岭代表团在 Geneva 见了谁？", "zh"),
        ("東京の天気はどうですか", "en"),
        ("Что сказал мэр?", "en"),
        ("?", "en"),
    ],
)
def test_the_language_of_the_question_picks_the_words(question, lang):
    assert words_for(question) is answer_words(lang)


@pytest.mark.parametrize(
    ("accepted", "lang"),
    [
        (None, "en"), ("", "en"), ("en-GB,en;q=0.9,zh;q=0.8", "en"), ("zh-CN,zh;q=0.9,en;q=0.8", "zh-Hans"),
        ("de,zh;q=0.5,en;q=0.4", "zh-Hans"), ("zh;q=0,en;q=0.1", "en"), ("de;q=1", "en"), ("zh;q=x", "en"),
        ("en;q=0.3, ZH-TW;q=0.7", "zh-Hans"), ("," * 10_000, "en"), ("*", "en"),
    ],
)  # fmt: skip
def test_the_language_a_browser_prefers(accepted, lang):
    assert words_accepted(accepted).lang == lang


@pytest.mark.parametrize(
    ("after", "before", "english", "chinese"),
    [
        ("2023-01-01", "2023-12-31", "2023", "2023年"),
        ("2023-09-01", "2023-09-30", "September 2023", "2023年9月"),
        ("2023-11-01", "2024-02-29", "November 2023 – February 2024", "2023年11月 – 2024年2月"),
        ("2023-09-11", "2023-09-11", "11 September 2023", "2023年9月11日"),
        (
            "2023-09-01",
            "2023-09-29",
            "1 September 2023 – 29 September 2023",
            "2023年9月1日 – 2023年9月29日",
        ),
        ("2023-01-01", None, "since 1 January 2023", "2023年1月1日以来"),
        (None, "9999-12-31", "until 31 December 9999", "截至9999年12月31日"),
    ],
)
def test_a_period_is_written_as_short_as_it_can_be(after, before, english, chinese):
    first, last = (edge and date.fromisoformat(edge) for edge in (after, before))
    assert page_words("en").period(first, last) == english
    assert page_words("zh").period(first, last) == chinese


def test_coverage_is_told_in_full():
    english, chinese = answer_words("en"), answer_words("zh")
    dated = Coverage(articles=1200, undated=3, first=date(2023, 9, 1), last=date(2024, 1, 2))
    assert (
        english.coverage(dated)
        == "It holds 1,200 articles, published from 2023-09-01 to 2024-01-02 (3 undated)."
    )
    assert english.coverage(Coverage(articles=1, undated=1)) == "It holds 1 article without dates."
    assert english.coverage(Coverage(articles=0)) == ""
    few = Coverage(articles=2, undated=2)
    assert english.coverage(few, filtered=True) == "With these filters it holds 2 articles without dates."
    assert (
        chinese.coverage(dated)
        == "档案共有1,200篇文章，发布于2023-09-01至2024-01-02之间（其中3篇没有日期）。"
    )


class TestFiles:
    def test_each_language_has_a_file(self):
        assert set(FILES) == set(qa.words.LANGUAGES.values())

    def test_all_have_the_same_keys_and_fill_in_the_same_blanks(self):
        english, *others = FILES.values()
        for other in others:
            assert {name: set(section) for name, section in other.items()} == {
                name: set(section) for name, section in english.items()
            }
            for name, section in english.items():
                for key, text in section.items():
                    if key.endswith("_one"):  # a language may say "1" in words
                        assert blanks(text) <= blanks(section[key.removesuffix("_one")])
                    elif key not in {"month_form", "day_form"}:
                        assert blanks(text) == blanks(other[name][key]), (name, key)

    def test_a_word_that_is_missing_is_an_error_when_the_file_is_read(self, tmp_path, monkeypatch):
        for path in ROOT.glob("words/*.toml"):
            (tmp_path / path.name).write_text(path.read_text("utf-8"), "utf-8")
        chinese = tmp_path / "zh-Hans.toml"
        chinese.write_text(re.sub(r"(?m)^differ = .*\n", "", chinese.read_text("utf-8")), "utf-8")
        monkeypatch.setattr(qa.words, "__file__", str(tmp_path / "__init__.py"))
        qa.words._read.cache_clear()
        with pytest.raises(ValueError, match=r"zh-Hans\.toml: the section \[answer\] lacks or adds differ"):
            qa.words._read("zh")
        qa.words._read.cache_clear()

    def test_what_two_sections_say_alike_in_every_language_is_written_once(self):
        said: dict[tuple, list] = {}
        for name, section in FILES["en"].items():
            for key in section:
                alike = tuple(str(file[name][key]) for file in FILES.values())
                said.setdefault(alike, []).append((name, key))
        assert [places for places in said.values() if len(places) > 1] == []

    def test_nothing_that_is_said_is_missing(self):
        for where, name, key in accessed():
            keys = {key for section in FILES["en"].values() for key in section}
            if name in SECTIONS:
                assert key in FILES["en"][name] or hasattr(PageWords, key), (where, name, key)
            else:
                known = keys | set(SECTIONS) | set(dir(PageWords)) | set(dir(AnswerWords)) | {"lang"}
                assert key in known | BESIDE, (where, name, key)

    def test_nobody_leaves_a_word_unsaid(self):
        named = {(name, key) for _, name, key in accessed()}
        counted = {
            key for path in sources() for key in re.findall(r'counted\("(\w+)"', path.read_text("utf-8"))
        }
        script = set(page_words("en").script)
        said = {key for name, key in named if name not in SECTIONS} | counted | script
        for name, section in FILES["en"].items():
            for key in section:
                plural = key.removesuffix("_one")
                assert plural in said or (name, plural) in named, f"[{name}] {key} is never said"


def blanks(text: object) -> set[str]:
    return set(re.findall(r"{\w+}", str(text)))


def sources() -> list[Path]:
    rooms = ("web", "words", "answering", "cli")
    return [path for room in rooms for kind in ("*.py", "*.html") for path in (ROOT / room).rglob(kind)]


def accessed() -> list[tuple[str, str, str]]:
    """Where which word is asked for: file, section (or the variable that holds the words), key."""
    found = []
    for path in sources():
        text = path.read_text("utf-8")
        own = re.search(r"{% set said = words\.(\w+) %}|\bsaid = words\.(\w+)$", text, re.M)
        holders = {
            "words",
            "answer_words",
            "said",
            "_words",
            *({"self"} if path.parent.name == "words" else {}),
        }
        for chain in re.findall(r"[A-Za-z_]\w*(?:\.\w+)+", text):
            parts = chain.split(".")
            for holder, key, *more in (parts[i:] for i in range(len(parts) - 1)):
                if holder not in holders:
                    continue
                if key in SECTIONS:
                    found += [(path.name, key, more[0])] if more else []
                elif holder == "said" and own and path.suffix == ".html":
                    found.append((path.name, own[1], key))
                elif holder != "self" or key in FILES["en"]["answer"] | FILES["en"]["page"]:
                    found.append((path.name, holder, key))
    return found
