"""The program's own words follow the language of the question."""

from __future__ import annotations

from datetime import date

import pytest

from qa.answering.wording import CHINESE, ENGLISH, words_for
from qa.types import Coverage


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("Who led the delegation?", ENGLISH),
        ("检察长带队去了哪里？", CHINESE),
        ("NBA是什么？", ENGLISH),
        ("南岭代表团在 Geneva 见了谁？", CHINESE),
        ("東京の天気はどうですか", ENGLISH),
        ("Что сказал мэр?", ENGLISH),
        ("?", ENGLISH),
    ],
)
def test_the_language_of_the_question_picks_the_words(question, words):
    assert words_for(question) is words


def test_coverage_is_told_in_full():
    dated = Coverage(articles=1200, undated=3, first=date(2023, 9, 1), last=date(2024, 1, 2))
    assert (
        ENGLISH.coverage(dated)
        == "It holds 1,200 articles, published from 2023-09-01 to 2024-01-02 (3 undated)."
    )
    assert ENGLISH.coverage(Coverage(articles=1, undated=1)) == "It holds 1 article without dates."
    assert ENGLISH.coverage(Coverage(articles=0)) == ""
    few = Coverage(articles=2, undated=2)
    assert ENGLISH.coverage(few, filtered=True) == "With these filters it holds 2 articles without dates."
    assert (
        CHINESE.coverage(dated)
        == "档案共有1,200篇文章，发布于2023-09-01至2024-01-02之间（其中3篇没有日期）。"
    )


def test_each_language_fills_in_the_same():
    values = {"question": "q", "title": "t", "label": "l", "value": "v", "day": "d"}
    for name in ("silent_on", "field", "no_field", "published"):
        told = [getattr(words, name).format(**values) for words in (ENGLISH, CHINESE)]
        assert all("{" not in text for text in told)
    assert set(ENGLISH.fields) == set(CHINESE.fields)
