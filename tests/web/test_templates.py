"""Templates escape by themselves, whatever a template's author forgets."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import jinja2
import pytest
from markupsafe import Markup

from qa.types import Answer, Citation, Copy, Coverage, Filters, Query
from qa.web.pages import html
from qa.web.pages.answer import answer_html
from qa.web.pages.html import fill, isolate, verbatim, well_formed
from qa.web.pages.links import Asked
from qa.words import page_words

TEMPLATES = Path(html.__file__).parents[1] / "templates"
EVIL = "<b>\x00\u202e&\"'"


def made(source: str, **values: object) -> str:
    return html._ENVIRONMENT.from_string(source).render(values)


def test_every_value_is_escaped_and_without_control_characters():
    assert made("{{ it }}", it=EVIL) == "&lt;b&gt;\ufffd\u202e&amp;&#34;&#39;"
    assert made("{{ it | isolate }}", it=EVIL) == "<bdi>&lt;b&gt;\ufffd\u202e&amp;&#34;&#39;</bdi>"
    assert made("{{ it | fill(who=who) }}", it="<{who}>", who=EVIL).startswith("&lt;&lt;b&gt;\ufffd")
    assert made('{{ [it, markup] | join(" & ") }}', it="<b>\x1b", markup=Markup("<i>\x1b")) == (
        "&lt;b&gt;\ufffd &amp; <i>\ufffd"
    )
    assert made("{% set shown %}<i>{{ it }}</i>{% endset %}{{ shown }}", it="\x07") == "<i>\ufffd</i>"


def test_a_value_that_is_missing_is_an_error():
    with pytest.raises(jinja2.UndefinedError):
        made("{{ nothing }}")


def test_markup_is_filled_in_as_it_is():
    assert fill("of {term}, {n}", term=isolate("<x>"), n=3) == "of <bdi>&lt;x&gt;</bdi>, 3"
    assert verbatim("<a>\r\n&") == "&lt;a&gt;&#13;\n&amp;"


def test_the_layout_of_a_template_is_not_part_of_the_page():
    assert made("<p>\n  {{ it }}\n  <b>x</b> <i>y</i>\n</p>\n", it="a") == "<p>a<b>x</b> <i>y</i></p>"


@pytest.mark.parametrize("path", sorted(TEMPLATES.iterdir()), ids=lambda path: path.name)
def test_no_template_switches_escaping_off(path):
    source = path.read_text("utf-8")
    html._ENVIRONMENT.get_template(path.name)
    assert "safe" not in source
    assert "autoescape" not in source
    assert "<script" not in source


def test_only_a_language_tag_becomes_one():
    assert well_formed("zh-Hans")
    assert not any(map(well_formed, (None, "", 'en" onload="x', "english language", "e")))


def answer(**fields: object) -> Answer:
    citation = Citation(n=1, article_id="a", title="T", quote="It is.", start=0, end=6, text_sha256="0")
    given = {
        "question": "What?",
        "text": "irrelevant",
        "citations": (citation,),
        "confidence": 1,
        "abstained": False,
        "coverage": Coverage(articles=1),
        "query": Query(question="What?", text="What?"),
    }
    return Answer.model_validate(given | fields)


def rendered(shown: Answer) -> str:
    return answer_html(shown, Asked(question="What?"), {}, page_words())


class TestAnswerKinds:
    """An answer is shown from its parts; its text is not looked at."""

    CITE = 'aria-label="Source 1: T">[1]</a>'

    def test_quotes_and_what_is_not_answered(self):
        shown = rendered(answer(unanswered=("Where?", "When?")))
        assert (
            f"{self.CITE} The archive does not say: Where? The archive does not say: When?</p></div>" in shown
        )

    def test_a_field_is_its_sentence_and_one_citation(self):
        shown = rendered(answer(kind="metadata", lead="It was published.", short="2023"))
        assert '<div class="said"><p>It was published.\N{NO-BREAK SPACE}<a class="cite"' in shown.replace(
            "&nbsp;", "\N{NO-BREAK SPACE}"
        )
        assert "<q" not in shown

    def test_a_count_leads_to_every_mention(self):
        query = Query(question="What?", text="What?", filters=Filters(sources=("A",)))
        intent = query.intent._replace(term="ships & <b>")
        counted = answer(
            kind="count", lead="“ships” is mentioned.", query=query.model_copy(update={"intent": intent})
        )
        shown = rendered(counted)
        assert '<p class="lead"><bdi>“ships” is mentioned.</bdi></p><p class="every">' in shown
        assert "/mentions?q=ships+%26+%3Cb%3E&amp;source=A" in shown
        assert "<bdi>Every mention of “ships &amp; &lt;b&gt;”</bdi>" in shown

    def test_articles_that_differ_are_dated(self):
        first = answer().citations[0].model_copy(update={"published": date(2024, 1, 2)})
        shown = rendered(
            answer(differ=True, lead="The articles differ.", citations=(first, answer().citations[0]))
        )
        assert '<p class="verdict">The articles differ.</p><p class="when">Latest · <time' in shown
        assert '<p class="when">undated</p>' in shown

    def test_a_story_told_before_says_when(self):
        also = (Copy(article_id="b", title="B", published="2023-01-02"),)
        citation = answer().citations[0].model_copy(update={"also": also})
        assert "also in 1 other, first published 2 January 2023</summary>" in rendered(
            answer(citations=(citation,))
        )
