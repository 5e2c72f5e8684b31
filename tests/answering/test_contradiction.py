"""Articles that contradict each other are both quoted, the newest first; those that do not are left alone."""

from __future__ import annotations

import pytest

import qa


def story(number: int, text: str, published: str | None, title: str = "The flood") -> qa.Article:
    return qa.Article(id=f"flood-{number}", title=title, text=text, published=published)


@pytest.fixture
def asked(tmp_path, settings):
    def ask(question: str, *articles: qa.Article) -> qa.Answer:
        with qa.Archive.create(
            tmp_path / "a", settings=settings.model_copy(update={"refuse": 0.0})
        ) as archive:
            archive.add(articles)
            return archive.ask(question)

    return ask


QUESTION = "How many people died in the flood at Gull Bay?"


def test_the_newest_figure_leads_and_the_earlier_one_stands_beside_it_with_its_date(asked):
    answer = asked(
        QUESTION,
        story(1, "At least 12 people died in the flood at Gull Bay.", "2023-09-01"),
        story(2, "The mayor said 17 people died in the flood at Gull Bay.", "2023-09-04"),
    )
    assert answer.differ
    assert [c.article_id for c in answer.citations] == ["flood-2", "flood-1"]
    assert [c.answer for c in answer.citations] == ["17", "12"]
    assert answer.text.startswith("The articles differ. “The mayor")
    assert "[1] (published 2023-09-04)" in answer.text
    assert "[2] (published 2023-09-01)" in answer.text


def test_days_that_exclude_each_other_differ(asked):
    answer = asked(
        "When did the dam at Gull Bay break?",
        story(1, "The dam at Gull Bay broke on 3 September 2023.", "2023-09-05"),
        story(2, "The dam at Gull Bay broke on 2 September 2023.", None),
    )
    assert answer.differ
    assert [c.article_id for c in answer.citations] == ["flood-1", "flood-2"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("At least 1,200 people died in the flood at Gull Bay.", "Some 1200 people died in the flood at Gull Bay."),
        ("At least twelve people died in the flood at Gull Bay.", "In all 12 people died in the flood at Gull Bay."),
        ("At least 12 people died in the flood at Gull Bay.", "About 90 houses of Gull Bay were lost to the flood."),
        ("At least 2 million people fled the flood at Gull Bay.", "At least 900 thousand people fled the flood at Gull Bay."),
    ],
)  # fmt: skip
def test_the_same_figure_another_thing_and_another_scale_do_not_differ(asked, first, second):
    answer = asked(QUESTION, story(1, first, "2023-09-01"), story(2, second, "2023-09-04"))
    assert not answer.differ
    assert not answer.text.startswith("The articles differ")


def test_one_article_does_not_contradict_itself(asked):
    text = "At least 12 people died in the flood at Gull Bay. Later 17 people died in the flood at Gull Bay."
    assert not asked(QUESTION, story(1, text, "2023-09-01")).differ
