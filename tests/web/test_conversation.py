"""What the page makes of a question and its answer, without a browser."""

from __future__ import annotations

import re
from datetime import date

import pytest

import qa
from qa.answering import examples
from qa.retrieval.timeline import Timeline
from qa.types import Answer, Coverage, Filters, Query
from qa.web.pages.answer import answer_html, chips_of, plain_text
from qa.web.pages.article import mentions_in, paragraphs_of
from qa.web.pages.html import render
from qa.web.pages.links import Asked, Place, original_url
from qa.web.pages.timeline import chart_of
from qa.web.pages.turn import Asking, answer_to, turn_json
from qa.web.suggestions import Suggestions
from qa.words import page_words

ENGLISH = page_words("en")


class TestTurn:
    def told(self, archive: qa.Archive, **asked: object) -> dict:
        asking = Asking(**asked)
        return turn_json(archive, answer_to(archive, asking), asking, ENGLISH)

    def test_filters_set_by_hand_come_before_the_questions_own(self, dated):
        told = self.told(
            dated, question="Who opened it in March 2023?", after="2023-05", sources=("Courier",)
        )
        assert told["filters"] == {"after": "2023-05-01", "before": None, "sources": ["Courier"]}

    def test_settled_filters_are_all_there_is(self, dated):
        told = self.told(dated, question="Who opened it in March 2023?", plain=True)
        assert told["filters"] == {"after": None, "before": None, "sources": []}

    def test_a_time_that_is_given_up_is_named_and_stays_given_up(self, dated):
        told = self.told(dated, question="Who opened the library in March 1999?")
        assert "No answer was published in that time (March 1999)" in told["html"]
        assert told["cited"]
        assert told["plain"] is True

    def test_a_source_that_is_given_up_is_named(self, dated):
        asking = Asking(question="Who opened the library?", plain=True)
        answer = answer_to(dated, asking).model_copy(update={"given_up": Filters(sources=("The <Post>",))})
        told = turn_json(dated, answer, asking, ENGLISH)
        assert '<p class="notice">No answer was found in The &lt;Post&gt;.' in told["html"]

    def test_what_the_page_gets(self, dated):
        told = self.told(dated, question="Who opened the library in March 2023?", turn=7)
        assert told["cited"] == ["march"]
        assert told["filters"] == {"after": "2023-03-01", "before": "2023-03-31", "sources": []}
        assert told["url"] == "/?q=Who+opened+the+library%3F&after=2023-03-01&before=2023-03-31"
        assert "<bdi>Who opened the library in March 2023?</bdi></h2>" in told["html"]
        assert told["question"] == "Who opened the library?"
        assert "leaves out 1 undated article<" in told["html"]
        assert 'id="turn-7-source-1"' in told["html"]

    def test_the_address_of_settled_filters_says_so(self, dated):
        told = self.told(dated, question="Who opened the library in March 2023?", plain=True)
        assert told["url"].endswith("&plain=1")
        assert told["plain"] is True


class TestChips:
    def html(self, left_out: int, **fields: object) -> str:
        answer = self.answer(**fields)
        chips = chips_of(answer, left_out, ENGLISH)
        return render("chips.html", chips=chips, query=answer.query, words=ENGLISH)

    def answer(self, **fields: object) -> Answer:
        query = Query.model_validate({"question": "And who?", "text": "Who led it? And who?"} | fields)
        coverage = Coverage(articles=1)
        return Answer(
            question="And who?", text="", confidence=0, abstained=True, coverage=coverage, query=query
        )

    def test_each_says_what_it_is_and_can_be_removed(self):
        filters = Filters(after="2023-09", before="2023-09", sources=('A "<b>',))
        html = self.html(1200, filters=filters)
        assert re.findall(r'data-remove="(\w+)"', html) == ["subject", "dates", "source"]
        assert "<bdi>Follows “Who led it?”</bdi>" in html
        assert "<bdi>September 2023</bdi>" in html
        assert "leaves out 1,200 undated articles" in html
        assert 'aria-label="Remove: A &#34;&lt;b&gt;"' in html

    def test_a_question_that_stands_alone_has_none(self):
        assert self.html(0, text="And who?") == ""


def bars_html(timeline: Timeline, filters: Filters) -> str:
    return render("timeline.html", chart=chart_of(timeline, filters, ENGLISH))


class TestBars:
    def test_a_button_for_each_month_with_articles(self):
        timeline = Timeline(months=((date(2023, 1, 1), 1), (date(2023, 3, 1), 10)), undated=2)
        html = bars_html(timeline, Filters(after="2023-03", before="2023-03"))
        assert html.count("<li>") == 3
        buttons = re.findall(
            r'data-after="(\S+)" data-before="(\S+)" aria-pressed="(\w+)".*?level-(\d+)', html
        )
        assert buttons == [
            ("2023-01-01", "2023-01-31", "false", "1"),
            ("2023-03-01", "2023-03-31", "true", "10"),
        ]
        assert "11 articles between January 2023 and March 2023; most in March 2023 (10). 2 undated." in html
        assert "January 2023: 1 article. Narrow to it." in html
        assert "March 2023: 10 articles. Back to all dates." in html

    def test_many_months_become_years(self):
        timeline = Timeline(months=((date(2019, 12, 1), 2), (date(2021, 5, 1), 1), (date(2022, 1, 1), 1)))
        html = bars_html(timeline, Filters())
        assert re.findall(r'data-after="(\S+)" data-before="(\S+)"', html) == [
            ("2019-01-01", "2019-12-31"), ("2021-01-01", "2021-12-31"), ("2022-01-01", "2022-12-31"),
        ]  # fmt: skip
        assert html.count("<li>") == 4

    def test_one_month_says_nothing_new(self):
        assert chart_of(Timeline(months=((date(2023, 1, 1), 9),)), Filters(), ENGLISH) is None

    def test_the_articles_near_a_question_are_counted_whatever_its_period(self, dated):
        asked = dated.ask("Who opened the library or the museum?", filters=Filters(after="2023-05"))
        assert dated.timeline(asked.query).months == ((date(2023, 3, 1), 1), (date(2023, 5, 1), 1))
        only = asked.query.model_copy(update={"filters": Filters(sources=("courier",))})
        assert dated.timeline(only).months == ((date(2023, 5, 1), 1),)

    def test_a_question_without_a_known_word_has_no_timeline(self, dated):
        assert dated.timeline(Query(question="zzz", text="zzz")) == Timeline()


class TestPlainText:
    def test_an_answer_with_a_line_for_each_citation(self, dated):
        answer = dated.ask("Who opened the library?")
        lines = plain_text(answer, ENGLISH).splitlines()
        assert lines[0] == "Who opened the library?"
        assert lines[2] == answer.text
        assert lines[4] == "[1] Untitled article. Post. 2 March 2023. march, 0–45"


class TestCopies:
    def test_the_other_articles_of_a_story_unfold_under_its_card(self):
        copies = [qa.types.Copy(article_id=f"c/{n}", title=f"<b>{n}", source="Wire") for n in range(60)]
        citation = qa.Citation(
            n=1, article_id="a", title="", quote="It.", start=0, end=3, text_sha256="0", also=copies
        )
        answer = Answer(
            question="What?", text="“It.” [1]", citations=(citation,), confidence=1, abstained=False,
            coverage=Coverage(articles=61), query=Query(question="What?", text="What?"),
        )  # fmt: skip
        html = answer_html(answer, Asked(question="What?"), {}, ENGLISH)
        assert '<details class="also"><summary>also in 60 others</summary>' in html
        assert '<a href="/article/c%2F0?q=What%3F"><bdi>&lt;b&gt;0</bdi></a>' in html
        assert html.count("/article/c%2F") == 50


class TestMentionsInAnArticle:
    TEXT = "Ada Bell came. ADA  BELL spoke; Ada Bellamy did not.\n\nThen Ada Bell left."

    def test_every_place_of_the_short_answer_but_no_other_word(self):
        place = Place(start=0, end=14, answer_start=0, answer_end=8)
        assert [self.TEXT[a:b] for a, b in mentions_in(self.TEXT, place)] == [
            "Ada Bell",
            "ADA  BELL",
            "Ada Bell",
        ]

    def test_the_one_looked_at_carries_the_anchor(self):
        place = Place(start=0, end=14, answer_start=0, answer_end=8, mention=3)
        paragraphs = paragraphs_of(self.TEXT, place, mentions_in(self.TEXT, place))
        html = render("text.html", paragraphs=paragraphs)
        assert html.count('id="mention"') == 1
        assert 'Then <mark class="mention" id="mention">Ada Bell</mark> left.' in html
        assert '<mark class="mention">ADA  BELL</mark>' in html

    def test_han_characters_need_no_word_boundary(self):
        text = "市长王小明说，王小明来了。"
        assert len(mentions_in(text, Place(start=0, end=5, answer_start=2, answer_end=5))) == 2

    def test_without_a_short_answer_there_are_none(self):
        assert mentions_in(self.TEXT, Place(start=0, end=14)) == []


class TestOriginal:
    @pytest.mark.parametrize(
        ("text", "lang", "marked"),
        [
            ("The mayor spoke.", "en", True), ("The mayor spoke.", "zh", False), ("市长说话了。", "zh-CN", True),
            ("市长说话了。", "en", False), ("The mayor spoke.", None, True), ("市長はスピーチした。", "ja", True),
        ],
    )  # fmt: skip
    def test_a_translation_is_not_looked_for_on_the_page(self, article, text, lang, marked):
        citation = qa.Citation(
            n=1,
            article_id="a",
            title="",
            url="https://a.example/",
            quote=text,
            start=0,
            end=len(text),
            text_sha256="0",
        )
        assert (":~:text=" in original_url(citation, lang)) == marked


class TestSuggestions:
    def test_deeds_become_questions(self, article):
        text = "On Monday, Ada Bell, the mayor, opened the new library of Keswick, to applause. He led it by the hand."
        assert examples.questions([article("a", text)], 4) == ["Who opened the new library of Keswick?"]

    def test_only_what_is_answered_is_offered(self, dated, monkeypatch):
        suggestions = Suggestions(dated)
        made = ["Who opened the library?", "Who is Zog Zogson?"]
        monkeypatch.setattr(examples, "questions", lambda articles, n: made)
        ask = dated.ask

        def sceptical(question: str) -> Answer:
            return ask(question).model_copy(update={"abstained": "Zog" in question})

        monkeypatch.setattr(dated, "ask", sceptical)
        assert suggestions.next(["march"], [], 3) == ["Who opened the library?"]
        assert suggestions.next(["march"], ["who opened the LIBRARY? "], 3) == []
        assert suggestions.next(["no such article"], [], 3) == ["Who opened the library?"]

    def test_what_is_offered_first_follows_the_archive(self, archive, article):
        archive.settings = archive.settings.model_copy(update={"refuse": 0.0})
        suggestions = Suggestions(archive)
        assert suggestions.first(4) == []
        archive.add([article("a", "On Monday, Ada Bell opened the new library of Keswick, to applause.")])
        assert suggestions.first(4) == suggestions.known() == ["Who opened the new library of Keswick?"]


def test_a_share_link_carries_that_filters_are_settled():
    class Params(dict):
        def getlist(self, name: str) -> list[str]:
            return self.get(name, [])

    assert Asked.restore(Params(q="Who?", plain="1")).plain
    assert Asked(question="Who?", plain=True).url == "/?q=Who%3F&plain=1"
