"""Answers are quotes that stand in their articles; lists come whole; the archive's silence is said."""

from __future__ import annotations

import pytest

import qa
from qa.answering import lists, weights
from qa.answering.article_facts import field_value, find_credit
from qa.answering.short_answer import find_answer
from qa.query.intent import asked_field, asked_for, speaks_of_article
from qa.text.sentences import split
from qa.types import AnswerKind
from tests.conftest import SEEDS


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """The seeds and two small stories, answering whatever is asked."""
    settings = qa.Settings(model="tiny", reader=None, refuse=0, cache_dir=tmp_path_factory.mktemp("cache"))
    with qa.Archive.create(tmp_path_factory.mktemp("asked") / "a", settings=settings) as archive:
        archive.add(SEEDS)
        archive.add(
            [
                qa.Article(
                    id="mill", title="Fire at the mill", source="The Gull", author="Ada Reed", published="1900-05-01",
                    text="The old mill burnt down on 30 April 1900. Nobody was hurt. Constable Jane Poe saw the fire first.",
                ),
                qa.Article(id="bridge", title="The bridge", text="Mayor Tom Hill opened the iron bridge in June."),
            ]
        )  # fmt: skip
        yield archive


def exact(archive: qa.Archive, answer: qa.Answer) -> bool:
    cited = [*answer.citations, *([answer.closest] if answer.closest else [])]
    return all(archive.get(c.article_id).text[c.start : c.end] == c.quote for c in cited)


QUESTIONS = [
    "Who led the Nanling delegation?",
    "What four requirements did Zhu put forward?",
    "When did the mill burn down, and who opened the iron bridge?",
    "When was the article on the mill published?",
    "检察长带队去了哪里？",
    "?! mill",
    "x " * 900,
]


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("refuse", [0, 0.5, 1])
def test_every_citation_is_exact_and_every_number_has_its_source(asked, question, refuse):
    with qa.Archive.open(
        asked.path, settings=asked.settings.model_copy(update={"refuse": refuse})
    ) as archive:
        answer = archive.ask(question)
        assert exact(archive, answer)
        assert [c.n for c in answer.citations] == list(range(1, len(answer.citations) + 1))
        assert all(f"[{c.n}]" in answer.text for c in answer.citations)
        assert answer.abstained == (not answer.citations)
        assert answer.closest is None or answer.closest.answer is None
        if answer.abstained:
            assert answer.reason
            silent, held = (
                ("档案中没有", "7篇") if "检" in question else ("The archive does not say.", "7 articles")
            )
            assert answer.text.startswith(silent)
            assert held in answer.text


def test_the_short_answer_is_marked_inside_the_first_quote(asked):
    answer = asked.ask("When did the old mill burn down?")
    assert answer.citations[0].quote == "The old mill burnt down on 30 April 1900."
    assert answer.citations[0].answer == "30 April 1900"


def test_a_list_is_answered_with_all_its_items(asked):
    answer = asked.ask(
        "What are the four requirements that Zhu put forward for the Second Procuratorial Department?"
    )
    quotes = [c.quote for c in answer.citations]
    assert quotes[0].endswith("First, the benchmark should be stretched.")
    assert quotes[1:] == [
        "Second, precise measures should be taken.",
        "Third, focus on key issues.",
        "Fourth, the chain should be elongated.",
    ]


def test_a_question_in_parts_is_answered_in_parts(asked):
    answer = asked.ask("When did the old mill burn down, and who opened the iron bridge?")
    assert {c.article_id for c in answer.citations} >= {"mill", "bridge"}


def test_metadata_is_stated_and_cited_to_the_article(asked):
    answer = asked.ask("When was the article on the fire at the mill published?")
    assert answer.text == "The publication date of “Fire at the mill” is May 1, 1900 (1900-05-01). [1]"
    assert (answer.citations[0].kind, answer.citations[0].field) == ("metadata", "published")
    assert "Ada Reed" in asked.ask("Who is the author of the story about the fire at the mill?").text
    assert "The Gull" in asked.ask("What is the source of the article about the fire at the mill?").text


def test_metadata_that_is_not_stated_is_not_guessed(asked):
    answer = asked.ask("When was the article about the iron bridge published?")
    assert answer.abstained
    assert answer.reason == "“The bridge” states no publication date."
    assert answer.confidence < weights.load().no_reader.refuse


def test_credits_in_the_text_are_quoted(asked):
    subject = "the report on the work exchange symposium of the two Chengzhong courts"
    assert asked.ask(f"Who took the pictures for {subject}?").citations[0].quote == "Picture: Wu Zuyang"
    assert asked.ask(f"Who edited {subject}?").citations[0].answer == "Fu Yu"
    assert asked.ask(f"Who wrote {subject}?").citations[0].answer == "Song Liujin"
    assert asked.ask(f"Who reviewed {subject}?").citations[0].answer == "Luo Weimin"


@pytest.mark.parametrize(
    ("question", "field"),
    [
        ("When was the article on the delegation published?", "published"),
        ("What is the publication date of the report?", "published"),
        ("On what day was this story posted?", "published"),
        ("Who wrote the article on the mill?", "author"),
        ("Which section did the page appear in?", "section"),
        ("What is the news source of the article?", "source"),
        ("When did the delegation arrive?", None),
        ("Who led the delegation?", None),
        ("Where did they meet?", None),
    ],
)
def test_questions_about_the_article_itself(question, field):
    assert asked_field(question) == field


def test_an_event_is_not_mistaken_for_a_publication(seed_articles):
    article = seed_articles["000"]
    assert not speaks_of_article("When was the iPhone released?", article)
    assert speaks_of_article("When was the article released?", article)
    assert speaks_of_article(f"When was {article.title} released?", article)


def test_field_values_read_as_people_write_them(seed_articles):
    assert field_value(seed_articles["000"], "published") == "September 11, 2023 (2023-09-11)"
    assert field_value(seed_articles["003"], "published") is None
    assert field_value(seed_articles["001"], "source") == "Wuhu City"


def test_no_credit_where_the_article_has_none(seed_articles):
    assert find_credit("Who took the photos?", seed_articles["000"]) is None
    assert find_credit("What do the photos show?", seed_articles["003"]) is None


@pytest.mark.parametrize(
    ("sentence", "number"),
    [
        ("First, a.", 1),
        ("2. b", 2),
        ("(3) c", 3),
        ("Fourth, d.", 4),
        ("Three requirements E", 3),
        ("五、六", 5),
        ("One of them", None),
        ("2023 was", None),
    ],
)
def test_list_numbers(sentence, number):
    assert lists.number(sentence) == number


def test_list_items_are_found_from_the_announcement_and_from_any_item():
    text = (
        "He set three goals. First, to read. This takes time. Second, to write. Third, to rest. Then he left."
    )
    sentences = split(text)
    expected = ["First, to read.", "Second, to write.", "Third, to rest."]
    for at in (0, 1, 3, 4):
        assert [text[a:b] for a, b in lists.items(text, sentences, sentences[at])] == expected
    assert lists.items("No list. Nothing.", split("No list. Nothing."), (0, 8)) == []


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("Who led it?", AnswerKind.PERSON),
        ("On what date was it?", AnswerKind.DATE),
        ("How many brands were chosen?", AnswerKind.NUMBER),
        ("List the rooms shown.", AnswerKind.LIST),
        ("What four requirements were made?", AnswerKind.LIST),
        ("Why did they go?", AnswerKind.OTHER),
    ],
)
def test_what_a_question_asks_for(question, kind):
    assert asked_for(question) == kind


def test_an_answer_is_not_what_the_question_already_says():
    sentence = "On 6 May 2020, Ada Reed met Tom Hill."
    assert sentence[slice(*find_answer(AnswerKind.PERSON, sentence, "Who met Tom Hill?"))] == "Ada Reed"
    assert find_answer(AnswerKind.DATE, sentence, "What happened on 6 May 2020?") is None


def test_a_question_about_several_reports_is_answered_from_each(archive, article):
    archive.add(
        [
            article("g", "The harbour was closed by ice on Monday. The mayor slept well.", source="The Gull"),
            article("t", "Bread was dear last week. The harbour was reopened by a tug.", source="The Tern"),
            article("x", "The harbour has a lighthouse and the harbour has a wall.", source="The Crow"),
        ]
    )
    settings = archive.settings.model_copy(update={"refuse": 0})
    with qa.Archive.open(archive.path, settings=settings) as willing:
        answer = willing.ask(
            "Does the report from The Gull say that the harbour was closed, while the report from The Tern says that "
            "the harbour was reopened?"
        )
    cited = {c.article_id: c.quote for c in answer.citations}
    assert cited == {
        "g": "The harbour was closed by ice on Monday.",
        "t": "The harbour was reopened by a tug.",
    }


def test_what_was_said_before_is_no_evidence_for_another_subject(asked):
    before = [qa.Turn(role="user", content="Who saw the fire at the mill first?")]
    with qa.Archive.open(asked.path, settings=asked.settings) as archive:
        alone = archive.ask("Who opened the iron bridge?")
        after = archive.ask("Who opened the iron bridge?", history=before)
    assert after.confidence == pytest.approx(alone.confidence)
    assert after.citations[0].article_id == "bridge"
