"""Sentences have exact offsets, and the joints of machine translation are found."""

from itertools import pairwise

import hypothesis.strategies as st
from hypothesis import given

from qa.text.sentences import split


def sentences(text: str) -> list[str]:
    return [text[a:b] for a, b in split(text)]


def test_english_abbreviations_do_not_end_a_sentence():
    assert sentences("Dr. Lu met Mr. Li in Jan. 2020. They talked.") == [
        "Dr. Lu met Mr. Li in Jan. 2020.",
        "They talked.",
    ]


def test_joints_without_a_space_are_split():
    assert sentences("He attended the meeting.At the meeting, all spoke.Zhu agreed.") == [
        "He attended the meeting.",
        "At the meeting, all spoke.",
        "Zhu agreed.",
    ]
    assert sentences("Set targets as soon as possible;Third, focus on key issues.") == [
        "Set targets as soon as possible;",
        "Third, focus on key issues.",
    ]


def test_chinese_sentences():
    assert sentences("检察长带队。他说：“你好！”然后离开了。") == [
        "检察长带队。",
        "他说：“你好！”",
        "然后离开了。",
    ]


def test_lines_are_sentences_unless_hard_wrapped():
    assert sentences("Text: Song Liujin\n\nPicture: Wu Zuyang") == ["Text: Song Liujin", "Picture: Wu Zuyang"]
    assert sentences("The mill burnt\ndown in 1900.") == ["The mill burnt\ndown in 1900."]


def test_a_list_number_stays_with_its_sentence():
    assert sentences("1. Improve the work.\n2. Stretch the benchmark.") == [
        "1. Improve the work.",
        "2. Stretch the benchmark.",
    ]


def test_every_sentence_of_the_seeds_reads_as_one(seed_articles):
    for article in seed_articles.values():
        for sentence in sentences(article.text):
            assert "\n" not in sentence
            assert len(sentence.split()) < 100


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=300))
def test_spans_are_ordered_trimmed_and_lose_nothing(text):
    spans = split(text)
    assert all(a < b and text[a:b] == text[a:b].strip() for a, b in spans)
    assert all(before[1] <= after[0] for before, after in pairwise(spans))
    kept = "".join(text[a:b] for a, b in spans)
    assert "".join(kept.split()) == "".join(text.split())
