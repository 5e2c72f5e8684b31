"""A question in its conversation: the filters it names, what it follows, and what is asked again without them."""

from __future__ import annotations

from datetime import date

import pytest

import qa
from qa.conversation import NamedFilters, named_filters
from qa.query.understanding import understand
from qa.types import Filters

TODAY = date(2024, 5, 17)


def named(question: str, sources: list[str]) -> NamedFilters:
    return named_filters(understand(question, sources=sources, today=TODAY))


class TestFiltersNamed:
    @pytest.mark.parametrize(
        ("question", "after", "before"),
        [
            ("What happened in September 2023?", "2023-09-01", "2023-09-30"),
            ("What has changed since last year?", "2023-01-01", None),
            ("Who spoke on 11 September 2023?", "2023-09-11", "2023-09-11"),
            ("What happened before the Olympics?", None, None),
            ("Who spoke on 5 May?", None, None),
            ("What differs between reports of May 2022 and those published in May 2023?", None, None),
            ("2023年9月发生了什么？", "2023-09-01", "2023-09-30"),
        ],
    )
    def test_dates(self, question, after, before):
        assert named(question, []).filters == Filters(after=after, before=before)

    def test_a_source_that_stands_out(self):
        known = ["Evening Post", "Harbour Courier"]
        assert named("What did the Evening Post report on it?", known).filters.sources == ("Evening Post",)
        assert named("Who wrote the evening post on the door?", known).filters.sources == ()

    def test_only_a_date_of_publication_is_hard(self):
        assert named("What do articles published in May 2023 say?", []).hard
        assert not named("What happened in May 2023?", []).hard

    @pytest.mark.parametrize(
        ("question", "rest"),
        [
            ("Who led the Nanling delegation in September 2023?", "Who led the Nanling delegation?"),
            ("In September 2023, who led the Nanling delegation?", "Who led the Nanling delegation?"),
            ("What happened in September 2023?", ""),
            ("What do articles published in May 2023 say of the delegation?", ""),
        ],
    )
    def test_the_filter_stands_for_the_time_in_the_question(self, question, rest):
        assert named(question, []).rest == rest


class TestAnswer:
    def test_a_date_in_the_question_filters(self, dated):
        answer = dated.ask("Who opened the library in March 2023?")
        assert answer.query.filters == Filters(after="2023-03", before="2023-03")
        assert [citation.article_id for citation in answer.citations] == ["march"]
        assert answer.question == "Who opened the library in March 2023?"
        assert answer.query.question == "Who opened the library?"

    def test_a_day_counts_from_today(self, dated):
        answer = dated.ask("Who opened the library last year?", today=TODAY)
        assert answer.query.filters == Filters(after="2023", before="2023")

    def test_filters_set_by_hand_come_before_the_questions_own(self, dated):
        given = Filters(after="2023-05", sources=("Courier",))
        assert dated.ask("Who opened it in March 2023?", filters=given).query.filters == given

    def test_only_what_is_given_narrows_where_the_question_may_not(self, dated):
        assert dated.ask("Who opened it in March 2023?", narrow=False).query.filters == Filters()

    def test_a_time_without_an_answer_is_given_up(self, dated):
        answer = dated.ask("Who opened the library in March 1999?")
        assert answer.given_up == Filters(after="1999-03", before="1999-03")
        assert answer.query.filters == Filters()
        assert answer.citations

    def test_but_not_one_of_publication(self, dated):
        answer = dated.ask("Who opened the library in articles published in March 1999?")
        assert answer.abstained
        assert answer.given_up is None
        assert answer.query.filters.active

    def test_only_a_follow_up_is_read_with_the_conversation(self, dated):
        history = (
            qa.Turn(role="user", content="Who opened the library?"),
            qa.Turn(role="assistant", content="Ada Bell opened the library."),
        )
        assert dated.ask("Who closed the station of Goole?", history).query.context == ()
        assert dated.ask("What is the boiling point of tungsten?", history).query.context == ()
        follow = dated.ask("And where was that?", history)
        assert follow.query.text == "Who opened the library? And where was that?"

    def test_what_was_done_to_the_question_is_said_once_whatever_was_asked_in_the_end(self, dated):
        answer = dated.ask("Who opened\x00 the library in March 2023?")
        assert answer.notices == ("Control characters were removed from the question.",)
