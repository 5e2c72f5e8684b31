"""Questions are cleaned and made to stand alone."""

import pytest

import qa
from qa.query.understanding import leans_on_history, understand


def query(question: str, *history: str) -> str:
    turns = [qa.Turn(role="user" if i % 2 == 0 else "assistant", content=c) for i, c in enumerate(history)]
    return understand(question, turns).text


@pytest.mark.parametrize("empty", ["", "  \n\t", "\x00\x01", "\ud800", "?!…", "\u200b\u202e"])
def test_a_question_without_a_word_is_refused(empty):
    with pytest.raises(qa.QuestionError, match="empty"):
        query(empty)


def test_a_long_question_is_cut_with_a_notice():
    cut = understand("harbour " * 12_500)
    assert len(cut.text) <= 2000
    assert cut.notices == ("The question has 100,000 characters; only its first 2,000 were used.",)


def test_control_characters_are_removed_with_a_notice():
    cleaned = understand("who\x00 led\x1b[31m\ud800 it?")
    assert cleaned.text == "who led [31m it?"
    assert cleaned.notices == ("Control characters were removed from the question.",)


def test_an_ordinary_question_is_left_alone():
    assert understand("Who led it?  ").text == "Who led it?"
    assert understand("Who led it?").notices == ()


def test_a_follow_up_is_read_as_it_was_asked_unless_it_has_too_few_words():
    history = [
        qa.Turn(role="user", content="Who led the Nanling delegation?"),
        qa.Turn(role="assistant", content="Lu Yueping."),
    ]

    def read(question):
        return understand(question, history)

    long = read("And which court did they visit there afterwards?")
    assert long.reading_text == long.question
    assert long.text == "Who led the Nanling delegation? And which court did they visit there afterwards?"
    assert read("Why there?").reading_text == "Who led the Nanling delegation? Why there?"
    assert understand("Why there?").reading is None


@pytest.mark.parametrize(
    "question",
    [
        "And who welcomed them there?",
        "When did he say that?",
        "what about 2022?",
        "Why?",
        "Who else attended?",
        "who was it",
        "那他呢？",
    ],
)
def test_questions_that_lean_on_the_conversation(question):
    assert leans_on_history(question)
    assert query(question, "Who led the Nanling delegation?", "Lu Yueping.").startswith(
        "Who led the Nanling delegation?"
    )


@pytest.mark.parametrize(
    "question",
    [
        "What did the Huaibei studio establish in the province?",
        "Who presided over the ministerial meeting of Taiqian County?",
    ],
)
def test_questions_that_stand_alone_leave_the_conversation(question):
    assert query(question, "Who led the Nanling delegation?", "Lu Yueping.") == question


def test_a_chain_of_follow_ups_keeps_its_subject():
    text = query("And when?", "Who led the Nanling delegation?", "Lu Yueping.", "Where did he go?", "Lin'an.")
    assert text == "Who led the Nanling delegation? Where did he go? And when?"


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Who led it, and when was the meeting?", ["Who led it?", "When was the meeting?"]),
        ("Who won? Who lost the final?", ["Who won?", "Who lost the final?"]),
        ("What did he say and do?", []),
    ],
)
def test_a_question_is_taken_apart(question, expected):
    assert [part.question for part in understand(question).parts] == expected


def test_what_a_question_asks_for_is_read_once_for_it_and_for_its_parts():
    asked = understand("Who wrote in the Gull in May 2020, and when was it published?", sources=["The Gull"])
    assert [part.intent.kind.value for part in asked.parts] == ["person", "date"]
    assert asked.parts[0].scope.sources == ("The Gull",)
    assert asked.parts[1].intent.field == "published"
    assert understand("list every article that mentions ice").intent.term == "ice"
