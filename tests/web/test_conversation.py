"""What the page makes of a question and its answer, without a browser."""

from __future__ import annotations

import re
from datetime import date

import pytest

import qa
from qa.answering import examples
from qa.retrieval.timeline import Timeline
from qa.types import Answer, Coverage, Filters, Query
from qa.web.page_texts import ADDING, EVIDENCE, MENTIONS
from qa.web.pages.cards import sources_html
from qa.web.pages.chips import chips_html
from qa.web.pages.links import Asked, Place, original_url
from qa.web.pages.marking import mentions_in, text_html
from qa.web.pages.plain import plain_text
from qa.web.pages.timeline import bars_html
from qa.web.pages.turn import Asking, filters_named, reply_to, turn_json
from qa.web.suggestions import Offered
from qa.web.texts import CHINESE, ENGLISH, texts_for

TODAY = date(2024, 5, 17)


class TestTexts:
    @pytest.mark.parametrize(
        ("accepted", "lang"),
        [
            (None, "en"), ("", "en"), ("en-GB,en;q=0.9,zh;q=0.8", "en"), ("zh-CN,zh;q=0.9,en;q=0.8", "zh-Hans"),
            ("de,zh;q=0.5,en;q=0.4", "zh-Hans"), ("zh;q=0,en;q=0.1", "en"), ("de;q=1", "en"), ("zh;q=x", "en"),
            ("en;q=0.3, ZH-TW;q=0.7", "zh-Hans"), ("," * 10_000, "en"), ("*", "en"),
        ],
    )  # fmt: skip
    def test_the_language_a_browser_prefers(self, accepted, lang):
        assert texts_for(accepted).lang == lang

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
    def test_a_period_is_written_as_short_as_it_can_be(self, after, before, english, chinese):
        first, last = (edge and date.fromisoformat(edge) for edge in (after, before))
        assert ENGLISH.period(first, last) == english
        assert CHINESE.period(first, last) == chinese

    def test_both_languages_fill_in_the_same_blanks(self):
        for name, english in ENGLISH._asdict().items():
            if isinstance(english, str):
                chinese = getattr(CHINESE, name)
                assert set(re.findall(r"{\w+}", english)) == set(re.findall(r"{\w+}", chinese)), name

    @pytest.mark.parametrize("texts", [MENTIONS, ADDING, EVIDENCE])
    def test_the_other_pages_do_too(self, texts):
        english, chinese = texts[ENGLISH.lang], texts[CHINESE.lang]
        for name in english._fields:
            blanks = [re.findall(r"{\w+}", str(getattr(one, name))) for one in (english, chinese)]
            assert sorted(blanks[0]) == sorted(blanks[1]), name


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
        assert filters_named(question, [], TODAY).filters == Filters(after=after, before=before)

    def test_a_source_that_stands_out(self):
        known = ["Evening Post", "Harbour Courier"]
        assert filters_named("What did the Evening Post report on it?", known, TODAY).filters.sources == (
            "Evening Post",
        )
        assert filters_named("Who wrote the evening post on the door?", known, TODAY).filters.sources == ()

    def test_only_a_date_of_publication_is_hard(self):
        assert filters_named("What do articles published in May 2023 say?", [], TODAY).hard
        assert not filters_named("What happened in May 2023?", [], TODAY).hard

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
        assert filters_named(question, [], TODAY).rest == rest


@pytest.fixture
def dated(archive: qa.Archive, article) -> qa.Archive:
    archive.add(
        [
            article(
                "march",
                "Ada Bell opened the library in the town hall.",
                published="2023-03-02",
                source="Post",
            ),
            article(
                "may", "Bo Carr opened the museum in the old mill.", published="2023-05-02", source="Courier"
            ),
            article("undated", "Cy Dunn closed the station.", source="Post"),
        ]
    )
    archive.settings = archive.settings.model_copy(update={"refuse": 0.0})
    return archive


class TestReply:
    def test_a_date_in_the_question_filters(self, dated):
        reply = reply_to(dated, Asking(question="Who opened the library in March 2023?"), TODAY)
        assert reply.answer.query.filters == Filters(after="2023-03", before="2023-03")
        assert [citation.article_id for citation in reply.answer.citations] == ["march"]

    def test_filters_set_by_hand_come_before_the_questions_own(self, dated):
        asking = Asking(question="Who opened it in March 2023?", after="2023-05", sources=("Courier",))
        filters = reply_to(dated, asking, TODAY).answer.query.filters
        assert filters == Filters(after="2023-05", sources=("Courier",))

    def test_settled_filters_are_all_there_is(self, dated):
        asking = Asking(question="Who opened it in March 2023?", plain=True)
        assert reply_to(dated, asking, TODAY).answer.query.filters == Filters()

    def test_a_time_without_an_answer_is_given_up(self, dated):
        reply = reply_to(dated, Asking(question="Who opened the library in March 1999?"), TODAY)
        assert reply.dropped
        assert reply.answer.citations
        assert "(March 1999)" in turn_json(dated, reply, Asking(question="x"), ENGLISH)["html"]

    def test_but_not_one_of_publication(self, dated):
        asking = Asking(question="Who opened the library in articles published in March 1999?")
        reply = reply_to(dated, asking, TODAY)
        assert reply.answer.abstained
        assert reply.answer.query.filters.active

    def test_what_the_page_gets(self, dated):
        asking = Asking(question="Who opened the library in March 2023?", turn=7)
        told = turn_json(dated, reply_to(dated, asking, TODAY), asking, ENGLISH)
        assert told["cited"] == ["march"]
        assert told["filters"] == {"after": "2023-03-01", "before": "2023-03-31", "sources": []}
        assert told["url"] == "/?q=Who+opened+the+library%3F&after=2023-03-01&before=2023-03-31"
        assert "<bdi>Who opened the library in March 2023?</bdi></h2>" in told["html"]
        assert told["question"] == "Who opened the library?"
        assert "leaves out 1 undated article<" in told["html"]
        assert 'id="turn-7-source-1"' in told["html"]

    def test_the_address_of_settled_filters_says_so(self, dated):
        asking = Asking(question="Who opened the library in March 2023?", plain=True)
        told = turn_json(dated, reply_to(dated, asking, TODAY), asking, ENGLISH)
        assert told["url"].endswith("&plain=1")
        assert told["plain"] is True

    def test_only_a_follow_up_is_read_with_the_conversation(self, dated):
        history = (
            qa.Turn(role="user", content="Who opened the library?"),
            qa.Turn(role="assistant", content="Ada Bell opened the library."),
        )
        alone = reply_to(dated, Asking(question="Who closed the station of Goole?", history=history))
        assert alone.answer.query.context == ()
        short = reply_to(dated, Asking(question="What is the boiling point of tungsten?", history=history))
        assert short.answer.query.context == ()
        follow = reply_to(dated, Asking(question="And where was that?", history=history))
        assert follow.answer.query.text == "Who opened the library? And where was that?"


class TestChips:
    def answer(self, **fields: object) -> Answer:
        query = Query.model_validate({"question": "And who?", "text": "Who led it? And who?"} | fields)
        coverage = Coverage(articles=1)
        return Answer(
            question="And who?", text="", confidence=0, abstained=True, coverage=coverage, query=query
        )

    def test_each_says_what_it_is_and_can_be_removed(self):
        filters = Filters(after="2023-09", before="2023-09", sources=('A "<b>',))
        html = chips_html(self.answer(filters=filters), 1200, ENGLISH)
        assert re.findall(r'data-remove="(\w+)"', html) == ["subject", "dates", "source"]
        assert "<bdi>Follows “Who led it?”</bdi>" in html
        assert "<bdi>September 2023</bdi>" in html
        assert "leaves out 1,200 undated articles" in html
        assert 'aria-label="Remove: A &quot;&lt;b&gt;"' in html

    def test_a_question_that_stands_alone_has_none(self):
        assert chips_html(self.answer(text="And who?"), 0, ENGLISH) == ""


class TestBars:
    def test_a_button_for_each_month_with_articles(self):
        timeline = Timeline(months=((date(2023, 1, 1), 1), (date(2023, 3, 1), 10)), undated=2)
        html = bars_html(timeline, Filters(after="2023-03", before="2023-03"), ENGLISH)
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
        html = bars_html(timeline, Filters(), ENGLISH)
        assert re.findall(r'data-after="(\S+)" data-before="(\S+)"', html) == [
            ("2019-01-01", "2019-12-31"), ("2021-01-01", "2021-12-31"), ("2022-01-01", "2022-12-31"),
        ]  # fmt: skip
        assert html.count("<li>") == 4

    def test_one_month_says_nothing_new(self):
        assert bars_html(Timeline(months=((date(2023, 1, 1), 9),)), Filters(), ENGLISH) == ""

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
        html = sources_html(answer, Asked(question="What?"), {}, ENGLISH, 1)
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
        html = text_html(self.TEXT, place, mentions_in(self.TEXT, place))
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


class TestOffered:
    def test_deeds_become_questions(self, article):
        text = "On Monday, Ada Bell, the mayor, opened the new library of Keswick, to applause. He led it by the hand."
        assert examples.questions([article("a", text)], 4) == ["Who opened the new library of Keswick?"]

    def test_only_what_is_answered_is_offered(self, dated, monkeypatch):
        offered = Offered(dated)
        made = ["Who opened the library?", "Who is Zog Zogson?"]
        monkeypatch.setattr(examples, "questions", lambda articles, n: made)
        ask = dated.ask

        def sceptical(question: str) -> Answer:
            return ask(question).model_copy(update={"abstained": "Zog" in question})

        monkeypatch.setattr(dated, "ask", sceptical)
        assert offered.next(["march"], [], 3) == ["Who opened the library?"]
        assert offered.next(["march"], ["who opened the LIBRARY? "], 3) == []
        assert offered.next(["no such article"], [], 3) == ["Who opened the library?"]

    def test_what_is_offered_first_follows_the_archive(self, archive, article):
        archive.settings = archive.settings.model_copy(update={"refuse": 0.0})
        offered = Offered(archive)
        assert offered.first(4) == []
        archive.add([article("a", "On Monday, Ada Bell opened the new library of Keswick, to applause.")])
        assert offered.first(4) == offered.known() == ["Who opened the new library of Keswick?"]


def test_a_share_link_carries_that_filters_are_settled():
    class Params(dict):
        def getlist(self, name: str) -> list[str]:
            return self.get(name, [])

    assert Asked.restore(Params(q="Who?", plain="1")).plain
    assert Asked(question="Who?", plain=True).url == "/?q=Who%3F&plain=1"
