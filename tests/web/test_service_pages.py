"""The pages beside the conversation in a real headless Chromium: mentions, adding, feedback, the evidence pack."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

sync_api = pytest.importorskip("playwright.sync_api", reason="no playwright: pip install '.[test]'")
pytest.importorskip("axe_playwright_python.sync_playwright", reason="no axe: pip install '.[test]'")
from tests.web.test_browser import DESKTOP, EVIL, HOSTILE, PHONE, browser, folder, serving, shows  # noqa: E402, F401
from tests.web.test_browser_conversation import LOOKS, NAMES, ask, look, visit  # noqa: E402

pytestmark = pytest.mark.browser

LED = "Who led the Nanling delegation?"
MENTION = "Which articles mention Lu Yueping?"
PAINTED = "Who painted the zebra crossing in Quokkaville?"
FOREIGN = "img, script, svg, iframe, object, a[href^='javascript'], [onerror], [onload]"
BAD_NAME = "<img src=x onerror=window.pwned=1>.bin"
at_both_widths = pytest.mark.parametrize("page", [DESKTOP, PHONE], ids=["1280", "390"], indirect=True)


@pytest.fixture(scope="module")
def site(folder: Path) -> Iterator[str]:  # noqa: F811
    """A page that always answers, takes articles and keeps feedback."""
    with serving(folder, QA_REFUSE="0", QA_READER="none", QA_UPLOAD="1", QA_FEEDBACK="1") as address:
        yield address


@pytest.fixture
def page(browser, site, request) -> Iterator[sync_api.Page]:  # noqa: F811
    with visit(browser, site, viewport=getattr(request, "param", DESKTOP)) as page:
        page.goto("/")
        yield page


def inert(page: sync_api.Page) -> bool:
    """Whether nothing of an article or a request has become more than text."""
    return page.locator(FOREIGN).count() == 0 and page.evaluate("window.pwned") is None


def saved(page: sync_api.Page, link: sync_api.Locator) -> Path:
    with page.expect_download() as download:
        link.click()
    return download.value.path()


def pack(page: sync_api.Page, turn: sync_api.Locator, folder: Path) -> Path:  # noqa: F811
    """Save the evidence pack of a turn and open it as a reader would: from the disk."""
    kept = folder / "evidence.html"
    with page.expect_download() as download:
        turn.locator("[data-do=evidence]").click()
    assert download.value.suggested_filename == "evidence.html"
    download.value.save_as(kept)
    page.goto(kept.as_uri())
    return kept


def add(page: sync_api.Page, text: str = "", **fields: str) -> None:
    page.goto("/add")
    page.locator("textarea").fill(text)
    for name, value in fields.items():
        page.locator(f"[name={name}]").fill(value)
    page.get_by_role("button").last.click()


class TestMentions:
    @at_both_widths
    def test_a_term_is_listed_sorted_and_opened_where_it_stands(self, page):
        page.get_by_role("link", name="Every mention of a word").click()
        page.get_by_label("A word, a name or a phrase").fill("Lu Yueping")
        page.keyboard.press("Enter")
        shows(page.locator("h1"), "Every mention of Lu Yueping")
        shows(page.locator(".count strong"), "3 mentions in 2 articles.")
        days = page.locator("tbody time")
        sync_api.expect(days).to_have_text(["28 February 2024", "11 September 2023", "11 September 2023"])
        page.get_by_role("link", name="Published").click()
        page.locator("th[aria-sort=ascending]").wait_for()
        shows(days.first, "11 September 2023")
        page.locator("tbody a").last.click()
        shows(page.locator("#quote mark.answer, #quote .answer").first, "Lu Yueping")

    def test_it_is_taken_away_as_files(self, page):
        page.goto("/mentions?q=Lu+Yueping")
        rows = saved(page, page.get_by_role("link", name="CSV")).read_text("utf-8-sig").splitlines()
        assert [row["quote"] for row in csv.DictReader(rows)] == ["Lu Yueping"] * 3
        assert json.loads(saved(page, page.get_by_role("link", name="JSON")).read_text("utf-8"))["count"] == 3

    def test_a_question_for_it_is_answered_by_the_count_and_leads_there(self, page):
        ask(page, LED)
        turn = ask(page, MENTION)
        shows(turn.locator(".said .lead"), "“Lu Yueping” is mentioned 3 times in 2 articles.")
        assert turn.locator(".said strong").all_inner_texts() == ["Lu Yueping", "Lu Yueping"]
        assert turn.locator(".card mark").all_inner_texts() == ["Lu Yueping", "Lu Yueping"]
        assert turn.locator(".verdict, .closest, .chip").count() == 0
        turn.get_by_role("link", name="Every mention of “Lu Yueping”").click()
        shows(page.locator(".count strong"), "3 mentions in 2 articles.")
        page.get_by_role("link", name="Ask the archive").click()
        shows(page.locator("#turn-2 .lead"), "“Lu Yueping” is mentioned 3 times in 2 articles.")

    def test_its_filters_go_along_and_can_be_dropped(self, page):
        turn = ask(page, "Which articles mention Lu Yueping in 2024?")
        shows(turn.locator(".lead"), "“Lu Yueping” is mentioned once in 1 article.")
        turn.locator(".every a").click()
        shows(page.locator(".count strong"), "1 mention in 1 article.")
        shows(
            page.locator(".kept bdi, .kept").first,
            "Only from 1 January 2024, to 31 December 2024. Look through everything",
        )
        page.get_by_role("link", name="Look through everything").click()
        shows(page.locator(".count strong"), "3 mentions in 2 articles.")

    def test_hostile_articles_and_terms_are_inert(self, page):
        turn = ask(page, "Which articles mention Quokkaville?")
        assert "<script>window.pwned=1</script>" in turn.locator(".answer").inner_text()
        assert turn.locator(FOREIGN).count() == 0
        turn.locator(".every a").click()
        shows(page.locator("tbody th").first, HOSTILE.title)
        assert "<script>window.pwned=1</script>" in page.locator("tbody").inner_text()
        assert inert(page)
        page.get_by_label("A word, a name or a phrase").fill(f'"><b>{EVIL[-120:]}')
        page.get_by_role("button", name="List").click()
        assert "<b>" in page.locator("h1").inner_text()
        assert page.locator("main b").count() == 0
        assert inert(page)


class TestAdding:
    @at_both_widths
    def test_a_pasted_text_can_be_found_at_once(self, page):
        town = f"Wombat{page.viewport_size['width']}"
        page.get_by_role("link", name="Add articles").click()
        page.get_by_label("Text", exact=True).fill(f"The mayor of {town} opened a library.")
        page.get_by_label("Title").fill(f"A library for {town}")
        page.get_by_role("button", name="Add").click()
        shows(page.locator("main strong"), "1 added")
        assert not page.locator(".progress").is_visible()
        page.get_by_role("link", name="Add more").wait_for()
        page.get_by_role("link", name="Ask the archive").click()
        shows(
            ask(page, f"Which articles mention {town}?").locator(".lead"),
            f"“{town}” is mentioned 2 times in 1 article.",
        )

    def test_what_cannot_be_read_is_named_and_inert(self, page):
        page.goto("/add")
        page.get_by_label("Files").set_input_files(
            [
                {
                    "name": "news.txt",
                    "mimeType": "text/plain",
                    "buffer": b"The zoo of Wombatville has opened.",
                },
                {"name": BAD_NAME, "mimeType": "application/octet-stream", "buffer": b"\x00\x01"},
            ]
        )
        page.get_by_role("button", name="Add").click()
        shows(page.locator("main strong"), "1 added, 1 skipped")
        assert "no loader for .bin" in page.locator("main li").inner_text()
        assert inert(page)

    def test_a_form_that_is_refused_says_why_and_keeps_what_was_typed(self, page):
        add(page)
        shows(page.get_by_role("alert"), "There is nothing to add. Choose files, or paste a text.")
        add(page, EVIL, published="soon", title='"><img src=x onerror=window.pwned=1>')
        shows(
            page.get_by_role("alert"),
            'The text cannot be added: "published": “soon” is not a date like 2023-09-11.',
        )
        assert page.locator("textarea").input_value() == EVIL
        assert page.locator("[name=title]").input_value() == '"><img src=x onerror=window.pwned=1>'
        assert inert(page)


class TestFeedback:
    @at_both_widths
    def test_it_is_kept_with_consent_only(self, page, folder):  # noqa: F811
        turn = ask(page, LED)
        turn.get_by_text("Feedback", exact=True).click()
        turn.get_by_label("right", exact=True).check()
        send = turn.get_by_role("button", name="Send")
        kept = folder / "feedback" / "queries.jsonl"
        before = kept.read_text("utf-8") if kept.exists() else ""
        send.click()
        assert page.evaluate("document.activeElement.name") == "consent", "the browser asks for it"
        turn.get_by_label("I agree").check()
        send.click()
        shows(turn.locator(".told"), "Kept. Thank you.")
        assert send.is_disabled()
        [line] = kept.read_text("utf-8")[len(before) :].splitlines()
        assert (json.loads(line)["question"], json.loads(line)["verdict"]) == (LED, "good")

    def test_what_cannot_be_kept_is_said_and_can_be_mended(self, page):
        turn = ask(page, LED)
        turn.get_by_text("Feedback", exact=True).click()
        turn.get_by_label("wrong or incomplete").check()
        turn.get_by_label("I agree").check()
        turn.get_by_label("The right article").fill(EVIL)
        turn.get_by_role("button", name="Send").click()
        turn.locator(".told").get_by_text("There is no such article.").wait_for()
        turn.get_by_label("The right article").fill(HOSTILE.id)
        turn.get_by_label("Its words that answer").fill("<script>window.pwned=1</script>")
        turn.get_by_role("button", name="Send").click()
        shows(turn.locator(".told"), "Kept. Thank you.")
        assert page.evaluate("window.pwned") is None


class TestEvidence:
    def test_it_is_a_file_that_asks_for_nothing(self, page, tmp_path):
        turn = ask(page, LED)
        said = turn.locator(".said strong").first.inner_text()
        asked = []
        page.on("request", lambda sent: asked.append(sent.url))
        kept = pack(page, turn, tmp_path)
        shows(page.locator("h1"), LED)
        shows(page.locator(".answer mark").first, said)
        page.get_by_role("link", name="[1]").first.click()
        assert page.url.endswith("#source-1")
        assert {url.partition("#")[0] for url in asked if not url.startswith(("http", "blob"))} == {
            kept.as_uri()
        }

    def test_a_hostile_article_is_inert_in_it(self, page, tmp_path):
        pack(page, ask(page, PAINTED), tmp_path)
        assert "<script>window.pwned=1</script>" in page.locator("pre").first.inner_text()
        assert inert(page)

    def test_every_mention_is_counted_in_it(self, page, tmp_path):
        pack(page, ask(page, MENTION), tmp_path)
        shows(page.locator(".answer p").first, "“Lu Yueping” is mentioned 3 times in 2 articles.")

    def test_where_there_is_none_the_page_says_so(self, page):
        turn = ask(page, LED)
        page.route("**/evidence", lambda route: route.fulfill(status=429, body="You have asked 1 time."))
        turn.get_by_role("button", name="Evidence pack").click()
        shows(turn.locator(".notice"), "You have asked 1 time.")
        page.unroute("**/evidence")
        saved(page, turn.get_by_role("button", name="Evidence pack"))
        assert turn.locator(".notice").count() == 0


class TestEveryone:
    @pytest.mark.parametrize(("size", "scheme"), LOOKS, ids=NAMES)
    def test_an_accessibility_engine_finds_nothing_serious(self, browser, site, tmp_path, size, scheme):  # noqa: F811
        name = f"service-{size['width']}-{scheme}"
        with visit(browser, site, viewport=size, color_scheme=scheme) as page:
            for what, address in (
                ("empty", "/mentions"),
                ("list", "/mentions?q=procuratorate&after=2022"),
                ("hostile", "/mentions?q=Quokkaville"),
                ("none", "/mentions?q=Zanzibar"),
                ("refused", "/mentions?q=%3F"),
            ):
                page.goto(address)
                look(page, f"{name}-mentions-{what}")
            add(page)
            page.get_by_role("alert").wait_for()
            look(page, f"{name}-add")
            page.get_by_label("Files").set_input_files(
                [{"name": BAD_NAME, "mimeType": "application/octet-stream", "buffer": b"\x00\x01"}]
            )
            page.get_by_role("button", name="Add").click()
            page.get_by_role("link", name="Add more").wait_for()
            look(page, f"{name}-added")
            page.goto("/")
            turn = ask(page, MENTION)
            look(page, f"{name}-mentions-answer")
            turn.get_by_text("Feedback", exact=True).click()
            turn.get_by_label("I agree").scroll_into_view_if_needed()
            look(page, f"{name}-feedback")
            pack(page, turn, tmp_path)
            look(page, f"{name}-evidence")

    def test_every_page_speaks_the_browsers_language(self, browser, site, tmp_path):  # noqa: F811
        with visit(browser, site, locale="zh-CN") as page:
            page.goto("/mentions?q=Lu+Yueping")
            shows(page.locator("h1"), "“Lu Yueping”的全部提及之处")
            shows(page.locator(".count strong"), "2 篇文章，共 3 处提及。")
            shows(page.locator("tbody time").first, "2024年2月28日")
            add(page)
            shows(page.locator("h1"), "添加文章")
            add(page, "The zoo of Dingotown has opened.")
            shows(page.locator("main strong"), "新增 1 篇")
            page.get_by_role("link", name="问档案").click()
            turn = ask(page, MENTION)
            turn.get_by_role("link", name="“Lu Yueping”的全部提及之处").wait_for()
            pack(page, turn, tmp_path)
            assert page.locator("h2").all_inner_texts() == ["回答", "出处", "文章全文", "记录"]
            assert page.locator("html").get_attribute("lang") == "zh-Hans"
