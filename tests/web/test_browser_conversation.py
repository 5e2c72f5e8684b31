"""Conversations in a real headless Chromium, over the seeds and a few made articles, with the real models."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

import qa

sync_api = pytest.importorskip("playwright.sync_api", reason="no playwright: pip install '.[test]'")
from tests.web.test_browser import (  # noqa: E402, F401
    DESKTOP,
    PHONE,
    ROOT,
    answered,
    browser,
    in_view,
    no_overflow,
    serving,
    shows,
)

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="no axe: pip install '.[test]'")

pytestmark = [pytest.mark.browser, pytest.mark.model]

LED = "Who led the Nanling delegation?"
WELCOMED = "And who welcomed them there?"
WAGES = "Who asked for more pay for the dock workers?"
COST = "How much will the Harbour Bridge cost?"
SHOTS = os.environ.get("QA_SCREENSHOTS")
LOOKS = [(size, scheme) for size in (DESKTOP, PHONE) for scheme in ("light", "dark")]
NAMES = [f"{size['width']}-{scheme}" for size, scheme in LOOKS]


def made() -> Iterator[qa.Article]:
    """Articles that differ over time, some of every month, and one in Chinese."""
    for id, day, source, said in (
        ("bridge-1", "2021-03-04", "Harbour Courier", "cost 12 million euros, the treasurer said."),
        ("bridge-2", "2023-06-11", "Harbour Courier", "cost 31 million euros, the treasurer said."),
        ("bridge-3", "2022-01-20", "Evening Post", "cost 19 million euros, the audit office said."),
    ):
        text = f"There is news from the port. The Harbour Bridge will {said} Work goes on."
        url = f"https://courier.example/{id}"
        yield qa.Article(
            id=id, title=f"The bridge, {day[:4]}", text=text, published=day, source=source, lang="en", url=url
        )
    for n in range(24):
        text = (
            f"Dock workers at Pier {n} went on strike. The union of dock workers asked for {n + 3} percent "
            f"more pay at Pier {n}."
        )
        day = f"2022-{n % 8 + 1:02}-{n + 1:02}"
        yield qa.Article(
            id=f"strike-{n}", title=f"Strike at Pier {n}", text=text, published=day, source="Evening Post"
        )
    yield qa.Article(
        id="桥",
        title="港口大桥通车",
        text="周一，港口大桥正式通车。市长王小明主持了通车仪式。",
        published="2024-05-01",
        lang="zh",
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("conversation") / "archive"
    with qa.Archive.create(folder) as archive:
        archive.add(ROOT / "seeds")
        archive.add(list(made()))
    return folder


@pytest.fixture(scope="module")
def site(folder: Path) -> Iterator[str]:
    with serving(folder) as address:
        yield address


@contextmanager
def visit(browser: sync_api.Browser, site: str, **options: object) -> Iterator[sync_api.Page]:  # noqa: F811
    """A page that must have asked no other host for anything, and thrown no error, by the end."""
    context = browser.new_context(base_url=site, **({"viewport": DESKTOP, "locale": "en-GB"} | options))
    hosts, errors = set(), []
    context.on("request", lambda sent: hosts.add(urlsplit(sent.url).netloc))
    context.on("weberror", lambda error: errors.append(str(error.error)))
    yield context.new_page()
    assert hosts - {""} == {urlsplit(site).netloc}
    assert errors == []
    context.close()


@pytest.fixture
def page(browser, site) -> Iterator[sync_api.Page]:  # noqa: F811
    with visit(browser, site) as page:
        page.goto("/")
        yield page


def ask(page: sync_api.Page, question: str) -> sync_api.Locator:
    """Ask, wait, and return the turn."""
    turns = page.locator(".turn").count()
    box = page.locator(".composer textarea")
    box.fill(question)
    box.press("Enter")
    turn = page.locator(f"#turn-{turns + 1}")
    turn.locator(".cite, .verdict").first.wait_for()
    return turn


def again(turn: sync_api.Locator, change: Callable[[], None]) -> None:
    """Do what asks a turn again, and wait until that has been answered."""
    with turn.page.expect_response("**/turn"):
        change()
    answered(turn.page)


def shoot(page: sync_api.Page, name: str) -> None:
    if SHOTS:
        page.wait_for_timeout(300)
        page.screenshot(path=Path(SHOTS) / f"{name}.png")


class TestConversation:
    def test_a_follow_up_is_understood_and_says_with_what(self, page):
        assert "Lu Yueping" in ask(page, LED).locator(".answer").inner_text()
        turn = ask(page, WELCOMED)
        shows(turn.locator(".answer strong"), "Li Jun")
        shows(turn.locator(".chip summary"), f"Follows “{LED}”")
        again(turn, turn.get_by_role("button", name="Remove: Follows").click)
        assert turn.locator(".chip").count() == 0
        shows(turn.locator("h2 bdi"), WELCOMED)
        assert turn.locator(".verdict").count() == 1, "alone, the question says too little"

    def test_the_understood_question_can_be_edited(self, page):
        ask(page, LED)
        turn = ask(page, WELCOMED)
        turn.locator(".chip summary").click()
        turn.get_by_label("Question as understood").fill("Who welcomed the research group at the symposium?")
        again(turn, turn.get_by_role("button", name="Ask with this").click)
        shows(turn.locator("h2 bdi"), "Who welcomed the research group at the symposium?")
        assert turn.locator(".chip").count() == 0
        assert "Li Jun" in turn.locator(".answer").inner_text()

    def test_another_subject_is_not_answered_from_the_conversation(self, page):
        ask(page, LED)
        assert ask(page, "What is the capital of France?").locator(".verdict").count() == 1

    def test_the_conversation_outlives_a_visit_to_an_article(self, page):
        first = ask(page, LED)
        ask(page, COST)
        first.locator(".cite").first.click()
        page.wait_for_selector("#quote")
        page.get_by_role("link", name="Back to the question").click()
        page.wait_for_selector("#turn-2 .cite")
        shows(page.locator("#turn-1 h2 bdi"), LED)
        assert page.locator("#turn-2 .earlier li").count() == 2
        assert in_view(page, "#turn-1 h2")

    def test_a_shared_link_restores_question_filters_and_answer(self, browser, site, page):  # noqa: F811
        turn = ask(page, f"{LED[:-1]} in September 2023?")
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        turn.get_by_role("button", name="Copy link").click()
        turn.get_by_role("button", name="Link copied").wait_for()
        link = page.evaluate("navigator.clipboard.readText()")
        assert link == page.url
        with visit(browser, site) as other:
            other.goto(link)
            answered(other)
            shows(other.locator(".turn .answer"), turn.locator(".answer").inner_text())
            shows(other.locator(".chip summary"), turn.locator(".chip summary").inner_text())

    def test_an_answer_is_copied_with_its_citations(self, page):
        turn = ask(page, LED)
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        turn.get_by_role("button", name="Copy with citations").click()
        turn.get_by_role("button", name="Copied").wait_for()
        copied = page.evaluate("navigator.clipboard.readText()")
        assert copied.startswith(f"{LED}\n\n“On September 6, Lu Yueping")
        for n in range(1, turn.locator(".card").count() + 1):
            assert re.search(rf"(?m)^\[{n}\] .*11 September 2023\. 000_123b1eafede8e79c, \d+–\d+$", copied)

    def test_questions_to_ask_next_are_answered(self, page):
        turn = ask(page, LED)
        offered = turn.locator(".next button")
        offered.first.wait_for()
        questions = offered.all_inner_texts()
        assert 0 < len(questions) <= 3
        assert LED not in questions
        offered.first.click()
        page.locator("#turn-2 .cite").first.wait_for()
        shows(page.locator("#turn-2 h2 bdi"), questions[0])

    def test_an_answer_can_be_stopped_and_asked_for_again(self, page):
        page.route("**/turn", lambda route: None)  # no answer comes
        box = page.locator(".composer textarea")
        box.fill(LED)
        box.press("Enter")
        shows(page.locator(".turn .message"), "Reading the articles …")
        page.get_by_role("button", name="Stop").click()
        page.get_by_text("Stopped before there was an answer.").first.wait_for()
        assert page.locator(".cite").count() == 0
        page.unroute("**/turn")
        page.get_by_role("button", name="Ask again").click()
        answered(page)
        assert page.locator(".turn").count() == 1
        assert "Lu Yueping" in page.locator(".turn .answer").inner_text()

    def test_a_new_conversation_leaves_nothing_of_the_old(self, page):
        ask(page, LED)
        page.get_by_role("button", name="New conversation").click()
        assert page.locator(".turn").count() == 0
        assert page.locator(".empty").is_visible()
        assert urlsplit(page.url)[2:4] == ("/", "")
        assert page.evaluate("sessionStorage.length + localStorage.length") == 0
        assert ask(page, WELCOMED).locator(".chip").count() == 0

    def test_a_conversation_goes_with_its_tab(self, page):
        ask(page, LED)
        assert page.evaluate("Object.keys(localStorage).filter((key) => key.includes('conversation'))") == []
        other = page.context.new_page()
        other.goto("/")
        other.wait_for_selector(".composer")
        assert other.locator(".turn").count() == 0

    def test_the_operator_may_let_browsers_keep_it(self, browser, folder):  # noqa: F811
        with serving(folder, QA_KEEP_CONVERSATIONS="1") as site, visit(browser, site) as page:
            page.goto("/")
            ask(page, LED)
            other = page.context.new_page()
            page.close()
            other.goto("/")
            answered(other)
            shows(other.locator(".turn h2 bdi"), LED)

    def test_examples_are_of_this_archive_and_answered(self, page):
        page.locator(".examples button").first.wait_for()
        for question in page.locator(".examples button").all_inner_texts():
            assert ask(page, question).locator(".cite").count() > 0, question


class TestSources:
    def test_a_number_and_its_card_light_up_together(self, page):
        turn = ask(page, COST)
        cites, cards = turn.locator(".cite"), turn.locator(".card")
        assert cites.all_inner_texts() == ["[1]", "[2]", "[3]"]
        assert cards.locator(".n").all_inner_texts() == ["1", "2", "3"]
        for n, light in ((1, cites.nth(1).focus), (2, cites.nth(2).hover), (0, cards.nth(0).hover)):
            light()
            assert "lit" in cards.nth(n).get_attribute("class")
            assert "lit" in cites.nth(n).get_attribute("class")
        page.mouse.move(0, 0)
        page.locator(".composer textarea").focus()
        assert turn.locator(".lit").count() == 0

    def test_each_number_stands_after_the_words_of_its_card(self, page):
        turn = ask(page, COST)
        for n in range(3):
            quote = turn.locator(".card").nth(n).locator("blockquote").inner_text()
            shows(turn.locator(".said q").nth(n), quote)
            with page.expect_navigation():
                turn.locator(".cite").nth(n).click()
            shows(page.locator("#quote"), quote)
            page.go_back()
            answered(page)

    def test_the_mentions_of_the_answer_in_the_article_can_be_walked(self, page):
        ask(page, LED).locator(".cite").first.click()
        steps = page.locator(".steps")
        steps.get_by_text("1 of 2", exact=True).wait_for()
        assert steps.get_attribute("aria-label") == "Mentions of “Lu Yueping”"
        page.get_by_role("link", name="Next mention").click()
        steps.get_by_text("2 of 2", exact=True).wait_for()
        shows(page.locator("#mention"), "Lu Yueping")
        assert in_view(page, "#mention")
        page.get_by_role("link", name="Previous mention").click()
        shows(page.locator("#mention.answer"), "Lu Yueping")
        page.get_by_role("link", name="Back to the question").click()
        answered(page)

    def test_the_original_page_is_opened_at_the_quote(self, page):
        link = ask(page, COST).locator(".card").first.get_by_role("link", name="courier.example")
        assert link.get_attribute("href").startswith(
            "https://courier.example/bridge-2#:~:text=The%20Harbour%20Bridge"
        )
        assert link.get_attribute("rel") == "noopener noreferrer nofollow"

    def test_passages_not_used_are_folded(self, page):
        unused = ask(page, LED).locator(".unused")
        assert not unused.locator("ul").is_visible()
        unused.locator("summary").click()
        assert unused.locator("li").count() == int(unused.locator("summary").inner_text().split()[0])


class TestTime:
    def test_a_date_in_the_question_is_a_chip_that_can_be_removed(self, page):
        turn = ask(page, f"{LED[:-1]} in September 2023?")
        shows(turn.locator(".chip summary"), "September 2023 · leaves out 1 undated article")
        assert parse_qs(urlsplit(page.url).query)["after"] == ["2023-09-01"]
        again(turn, turn.get_by_role("button", name="Remove: September 2023").click)
        assert turn.locator(".chip").count() == 0
        page.reload()
        answered(page)
        assert page.locator(".chip").count() == 0

    def test_the_period_can_be_edited(self, page):
        turn = ask(page, f"{LED[:-1]} in September 2023?")
        turn.locator(".chip summary").click()
        turn.get_by_label("Published on or after").fill("2024")
        turn.get_by_label("Published on or before").fill("")
        again(turn, turn.get_by_role("button", name="Ask with this").click)
        shows(turn.locator(".chip summary bdi"), "since 1 January 2024")
        turn.locator(".chip summary").click()
        turn.get_by_label("Published on or before").fill("soon")
        with page.expect_response("**/turn"):
            turn.get_by_role("button", name="Ask with this").click()
        turn.get_by_text("“soon” under “before” is not a date.").wait_for()

    @pytest.mark.parametrize(
        "question", ["Who led the delegation before the Olympics?", "Who may march on 5 May?"]
    )
    def test_what_is_no_date_with_a_year_is_left_alone(self, page, question):
        assert ask(page, question).locator(".chip").count() == 0

    def test_a_time_in_which_nothing_answers_is_given_up_and_said(self, page):
        turn = ask(page, "Who led a team to the Procuratorate of Lin'an District in May 2022?")
        assert turn.locator(".chip").count() == 0
        assert "No answer was published in that time (May 2022)." in turn.locator(".notice").inner_text()
        assert "Lu Yueping" in turn.locator(".answer").inner_text()

    def test_a_time_of_publication_is_kept(self, page):
        turn = ask(page, "Who led the Nanling delegation, in articles published in May 2022?")
        shows(turn.locator(".chip summary bdi"), "May 2022")
        assert turn.locator(".notice").count() == 0

    def test_filters_set_by_hand_hold_for_the_next_question_too(self, page):
        page.locator(".filters summary").click()
        page.locator(".filters").get_by_label("Source").fill("Harbour Courier")
        for question in (COST, WAGES):
            turn = ask(page, question)
            shows(turn.locator(".chip summary"), "Harbour Courier")
        assert set(page.locator("#turn-1 .card .meta").all_inner_texts()) == {
            "Harbour Courier · 11 June 2023",
            "Harbour Courier · 4 March 2021",
        }
        turn = page.locator("#turn-2")
        again(turn, turn.get_by_role("button", name="Remove: Harbour Courier").click)
        assert turn.locator(".chip").count() == 0
        assert "union" in turn.locator(".answer").inner_text()
        assert page.locator(".filters").get_by_label("Source").input_value() == ""

    def test_a_bar_narrows_the_question_to_its_month_and_back(self, page):
        turn = ask(page, WAGES)
        bars = turn.locator("button.bar")
        assert bars.count() == 8
        assert bars.nth(0).get_attribute("aria-label") == "January 2022: 3 articles. Narrow to it."
        assert (
            "24 articles between January 2022 and August 2022"
            in turn.locator(".timeline .unseen").inner_text()
        )
        again(turn, bars.nth(4).click)
        shows(turn.locator(".chip summary bdi"), "May 2022")
        assert "May 2022" in turn.locator(".card .meta").first.inner_text()
        assert turn.locator(".bar[aria-pressed=true]").get_attribute("data-after") == "2022-05-01"
        again(turn, turn.locator(".bar[aria-pressed=true]").click)
        assert turn.locator(".chip").count() == 0

    def test_articles_that_differ_are_led_by_the_newest(self, page):
        turn = ask(page, COST)
        shows(turn.locator(".verdict"), "The articles differ.")
        assert turn.locator(".said time").all_inner_texts() == [
            "11 June 2023",
            "20 January 2022",
            "4 March 2021",
        ]
        assert turn.locator(".said strong").all_inner_texts() == [
            "31 million euros", "19 million euros", "12 million euros",
        ]  # fmt: skip


class TestEveryone:
    def test_all_of_it_works_by_keyboard(self, page):
        page.wait_for_selector(".composer textarea:focus")
        page.keyboard.type(WAGES)
        page.keyboard.press("Enter")
        answered(page)

        def tab_to(selector: str, key: str = "Shift+Tab") -> None:
            for _ in range(60):
                page.keyboard.press(key)
                if page.evaluate(f"document.activeElement.matches({selector!r})"):
                    return
            raise AssertionError(f"Tab never comes to {selector}")

        tab_to("button.bar")
        page.keyboard.press("ArrowRight")
        with page.expect_response("**/turn"):
            page.keyboard.press("Enter")
        page.locator(".chip").wait_for()
        shows(page.locator(".chip bdi"), "February 2022")
        tab_to(".chip summary")
        page.keyboard.press("Enter")
        assert page.locator(".chip details").get_attribute("open") is not None
        page.keyboard.press("Escape")
        assert page.locator(".chip details").get_attribute("open") is None
        tab_to(".chip .remove", "Tab")
        with page.expect_response("**/turn"):
            page.keyboard.press("Enter")
        page.wait_for_selector(".turn:not(:has(.chip)) .cite")
        tab_to(".cite")
        page.keyboard.press("Enter")
        page.wait_for_selector("#quote")

    def test_the_page_speaks_the_browsers_language(self, browser, site):  # noqa: F811
        with visit(browser, site, locale="zh-CN") as page:
            page.goto("/")
            page.wait_for_selector(".examples button")
            shoot(page, "chinese-empty")
            turn = ask(page, "谁主持了通车仪式？")
            assert page.evaluate("document.documentElement.lang") == "zh-Hans"
            shows(turn.locator("h3").first, "出处")
            shows(turn.locator(".meta time").first, "2024年5月1日")
            assert turn.locator("blockquote").first.get_attribute("lang") == "zh"
            shoot(page, "chinese-answer")
            turn.locator(".cite").first.click()
            page.get_by_role("link", name="返回问题").wait_for()
            assert page.locator("html").get_attribute("lang") == "zh-Hans"

    @pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["1280", "390"])
    def test_nothing_jumps(self, browser, site, size):  # noqa: F811
        with visit(browser, site, viewport=size) as page:
            page.add_init_script(
                "window.jumps = []; new PerformanceObserver((list) => list.getEntries().forEach((entry) =>"
                "entry.hadRecentInput || jumps.push([entry.value, ...entry.sources.map((it) => it.node?.className)])))"
                ".observe({type: 'layout-shift', buffered: true})"
            )
            page.goto("/")
            page.locator(".examples button").first.wait_for()
            for n, question in enumerate((LED, WELCOMED), 1):
                page.locator(".composer textarea").press_sequentially(question)
                page.keyboard.press("Enter")
                turn = page.locator(f"#turn-{n}")
                turn.locator(".next button").first.wait_for()
            page.wait_for_timeout(200)
            assert sum(jump[0] for jump in page.evaluate("jumps")) < 0.02, page.evaluate("jumps")

    @pytest.mark.parametrize(("size", "scheme"), LOOKS, ids=NAMES)
    def test_an_accessibility_engine_finds_nothing_serious(self, browser, site, size, scheme):  # noqa: F811
        name = f"{size['width']}-{scheme}"
        with visit(browser, site, viewport=size, color_scheme=scheme) as page:
            page.goto("/")
            page.locator(".examples button").first.wait_for()
            look(page, f"{name}-empty")
            turn = ask(page, LED)
            turn.locator(".next button").first.wait_for()
            look(page, f"{name}-answer")
            ask(page, WELCOMED)
            look(page, f"{name}-follow-up")
            ask(page, f"{LED[:-1]} in September 2023?").locator(".chip summary").click()
            look(page, f"{name}-date")
            for what, question in (
                ("months", WAGES),
                ("differ", COST),
                ("refusal", "Who won the marathon in Quito?"),
            ):
                ask(page, question)
                look(page, f"{name}-{what}")
            page.locator(".filters summary").click()
            look(page, f"{name}-filters")
            page.locator("#turn-1 .cite").first.click()
            page.wait_for_selector("#quote")
            look(page, f"{name}-article")


def look(page: sync_api.Page, name: str) -> None:
    """Take a picture, and hold the page as it is against axe-core and its own width."""
    assert no_overflow(page), name
    shoot(page, name)
    found = axe.Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    serious = [
        (one["id"], [node["html"][:200] for node in one["nodes"]][:3])
        for one in found
        if one["impact"] in {"serious", "critical"}
    ]
    assert serious == [], name


TOWNS = "Ashford Brackley Corby Dunmow Esher Fowey Goole Holt Ilkley Jarrow Keswick Leek Malton Nairn Otley Penrith".split()
THINGS = "library bridge market tower harbour school museum station theatre hospital".split()
PEOPLE = "Ada Bell,Bo Carr,Cy Dunn,Di Eames,Ed Frost,Flo Grant,Gil Hope,Hal Innes,Ivy Jones,Jo Kerr,Kim Lowe,Lee Moss".split(
    ","
)


@pytest.fixture(scope="module")
def thousand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A page over a thousand articles of eight years: who opened what, where and when."""

    def article(n: int) -> qa.Article:
        town, thing, who = TOWNS[n % 16], THINGS[n // 16 % 10], PEOPLE[n * 7 % 12]
        text = (
            f"The new {thing} of {town} has cost {n + 2} thousand pounds. Mayor {who} opened the {thing} of {town} "
            f"in front of {n + 40} guests. Builders had worked on it for {n % 30 + 2} months."
        )
        day = f"{2016 + n // 16 % 8}-{n % 12 + 1:02}-{n % 28 + 1:02}" if n % 50 else None
        return qa.Article(
            id=f"a{n}", title=f"{town} has a new {thing}", text=text, published=day, source=f"{town} News"
        )

    folder = tmp_path_factory.mktemp("thousand") / "archive"
    with qa.Archive.create(folder) as archive:
        archive.add([article(n) for n in range(1000)])
    with serving(folder) as address:
        yield address


@pytest.mark.slow
@pytest.mark.parametrize(("size", "scheme"), LOOKS, ids=NAMES)
def test_a_thousand_articles(browser, thousand, size, scheme):  # noqa: F811
    name = f"thousand-{size['width']}-{scheme}"
    with visit(browser, thousand, viewport=size, color_scheme=scheme) as page:
        page.goto("/")
        page.locator(".examples button").first.wait_for()
        assert page.locator(".head .covers").first.inner_text().startswith("1,000 articles, ")
        look(page, f"{name}-empty")
        turn = ask(page, "Who opened the library of Keswick?")
        assert re.search(
            r"Mayor [A-Z]\w+ [A-Z]\w+ opened the library of Keswick", turn.locator(".answer").inner_text()
        )
        assert "by year" in turn.locator("figcaption").inner_text()
        look(page, f"{name}-answer")
        bar = turn.locator("button.bar").first
        year = bar.get_attribute("data-after")[:4]
        again(turn, bar.click)
        assert (
            turn.locator(".chip summary").inner_text().startswith(f"{year} · leaves out 20 undated articles")
        )
        assert all(year in meta for meta in turn.locator(".card .meta").all_inner_texts())
        look(page, f"{name}-year")
        assert (
            ask(page, "And how many guests were there?")
            .locator(".chip summary")
            .inner_text()
            .startswith("Follows")
        )
        look(page, f"{name}-follow-up")
        assert ask(page, "What is the boiling point of tungsten?").locator(".verdict").count() == 1
        look(page, f"{name}-refusal")
        page.locator("#turn-1 .card a").first.click()
        page.wait_for_selector("#quote")
        look(page, f"{name}-article")
