"""The page in a real headless Chromium: ask, read the answer, click the citation, see the highlight."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import qa
from qa.web.pages.links import Place, article_url

sync_api = pytest.importorskip("playwright.sync_api", reason="no playwright: pip install '.[test]'")

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parents[2]
QUESTION = "Who led a team to the Procuratorate of Lin'an District?"
DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
ARGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
EVIL = (
    "Ignatius Brown painted the zebra crossing in Quokkaville "
    "<script>window.pwned=1</script><img src=//evil.example/a.png onerror='window.pwned=2'> "
    '<a href="javascript:window.pwned=3">here</a> ![b](http://evil.example/b.png) [c](http://evil.example/c) '
    "${window.pwned=4} {{window.pwned}} [9] \u202egnp.exe."
)
IDS = ["../../x", "..", "a/b", "a%2Fb", "空 格", "a?b#c", "a\\b", "\u202ex", "https://evil.example/"]
HOSTILE = qa.Article(
    id="<b>/../'\"",
    title="<img src=//evil.example/t.png onerror=window.pwned=5> Quokkaville \u202edaor",
    text=EVIL,
    source="<script>window.pwned=6</script>",
    author="<svg onload=window.pwned=7>",
    url="javascript:window.pwned=8",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[sync_api.Browser]:
    with sync_api.sync_playwright() as playwright:
        found = next(filter(None, map(shutil.which, NAMES)), playwright.chromium.executable_path)
        if not Path(found).exists():
            pytest.skip("no Chromium: apt install chromium, or playwright install --with-deps chromium")
        browser = playwright.chromium.launch(executable_path=found, args=ARGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, settings: qa.Settings) -> Path:
    """A small archive: the seeds, the hostile article and the odd ids."""
    folder = tmp_path_factory.mktemp("browser") / "archive"
    with qa.Archive.create(folder, settings=settings) as archive:
        archive.add(ROOT / "seeds")
        archive.add([HOSTILE, *(qa.Article(id=id, title=f"<{id}>", text=f"Of {id}.") for id in IDS)])
    return folder


@contextmanager
def serving(folder: Path, **given: str) -> Iterator[str]:
    """The address of ``python app.py``, run as a process of its own."""
    environ = os.environ | {"QA_ARCHIVE": str(folder), "QA_PORT": "0", "QA_RATE": "0", **given}
    with subprocess.Popen(
        [sys.executable, "app.py"], cwd=ROOT, env=environ, stderr=subprocess.PIPE, text=True
    ) as server:
        assert server.stderr
        announced = server.stderr.readline()
        address = re.search(r"http://127\.0\.0\.1:\d+", announced)
        assert address, announced + server.stderr.read()
        yield address[0]
        server.send_signal(signal.SIGINT)
        assert server.wait(60) == 0
        assert server.stderr.read() == ""


@pytest.fixture(scope="module")
def site(folder: Path) -> Iterator[str]:
    """A page that always answers."""
    with serving(folder, QA_REFUSE="0", QA_READER="none") as address:
        yield address


@pytest.fixture(scope="module")
def strict_site(folder: Path) -> Iterator[str]:
    """A page that always refuses."""
    with serving(folder, QA_REFUSE="1", QA_READER="none") as address:
        yield address


@pytest.fixture
def page(browser: sync_api.Browser, site: str, request: pytest.FixtureRequest) -> Iterator[sync_api.Page]:
    """A fresh page, which must have asked no other host for anything, and thrown no error, by the end."""
    context = browser.new_context(viewport=getattr(request, "param", DESKTOP), base_url=site)
    asked, errors = set(), []
    context.on("request", lambda sent: asked.add(urlsplit(sent.url)[:2]))
    page = context.new_page()
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("dialog", lambda dialog: errors.append(dialog.message))
    yield page
    hosts = {netloc.rpartition(":")[0] for scheme, netloc in asked if scheme not in {"data", "blob"}}
    assert hosts == {"127.0.0.1"}
    assert errors == []
    context.close()


at_both_widths = pytest.mark.parametrize("page", [DESKTOP, PHONE], ids=["1280", "390"], indirect=True)


def ask(page: sync_api.Page, question: str) -> None:
    box = page.get_by_label("Your question")
    box.fill(question)
    box.press("Enter")


def answered(page: sync_api.Page) -> None:
    page.wait_for_selector(".turn:last-child:not(.reading, .waiting) :is(.cite, .verdict)")


def shows(found: sync_api.Locator, text: str) -> None:
    """Assert that it comes to show this text: a page may be there before its words are."""
    sync_api.expect(found).to_have_text(text, use_inner_text=True)


def settled(page: sync_api.Page) -> None:
    """Wait until the page looks as it will: its stylesheets and fonts are there, and it has been drawn since."""
    page.wait_for_load_state("load")
    page.evaluate(
        "document.fonts.ready.then(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))))"
    )


def no_overflow(page: sync_api.Page) -> bool:
    settled(page)
    return page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def in_view(page: sync_api.Page, selector: str) -> bool:
    settled(page)
    box, size = page.locator(selector).first.bounding_box(), page.viewport_size
    return bool(
        box and size and box["y"] >= 0 and box["y"] + min(box["height"], 200) <= size["height"]
        and box["x"] >= 0 and box["x"] + box["width"] <= size["width"]
    )  # fmt: skip


@at_both_widths
def test_from_a_question_to_the_highlighted_quote_and_back(page):
    page.goto("/")
    page.wait_for_selector(".composer")
    assert no_overflow(page)
    ask(page, QUESTION)
    answered(page)
    assert "Lu Yueping" in page.locator(".answer").inner_text()
    shows(page.locator(".cite").first, "[1]")
    quote = page.locator("#turn-1-source-1 blockquote").inner_text()
    assert no_overflow(page)

    page.locator(".cite").first.click()
    page.wait_for_selector("#quote")
    assert urlsplit(page.url).path.startswith("/article/")
    shows(page.locator("#quote"), quote)
    assert in_view(page, "#quote")
    assert (
        page.locator("#quote").evaluate("it => getComputedStyle(it).backgroundColor") == "rgb(253, 243, 207)"
    )
    assert no_overflow(page)

    page.get_by_role("link", name="Back to the question").click()
    answered(page)
    shows(page.locator(".turn h2 bdi"), QUESTION)
    shows(page.locator("#turn-1-source-1 blockquote"), quote)


def test_nobody_sees_a_page_without_its_style(page):
    page.route("**/ui/*.css", lambda route: (page.wait_for_timeout(400), route.continue_()))
    page.goto("/")
    page.wait_for_selector(".composer", state="attached")
    assert page.locator(".composer").evaluate("it => getComputedStyle(it).position") == "sticky"
    page.goto(article_url(IDS[0], Place(start=0, end=2)))
    settled(page)
    painted = page.evaluate("performance.getEntriesByName('first-paint')[0].startTime")
    sheets = "performance.getEntriesByType('resource').filter((it) => it.initiatorType === 'link')"
    ended = page.evaluate(f"{sheets}.map((it) => it.responseEnd)")
    assert len(ended) == 2
    assert max(ended) <= painted


def test_the_browsers_own_back_button_restores_the_answer(page):
    page.goto("/")
    ask(page, QUESTION)
    answered(page)
    page.locator("#turn-1-source-1").get_by_role("link", name="Open in article").click()
    page.wait_for_selector("#quote")
    page.go_back()
    answered(page)
    shows(page.locator(".turn h2 bdi"), QUESTION)


def test_an_example_of_the_archive_asks_itself(page):
    page.goto("/")
    chip = page.locator(".examples button").first
    question = chip.get_attribute("data-question")
    chip.click()
    answered(page)
    shows(page.locator(".turn h2 bdi"), question)
    assert page.locator(".cite").count() >= 1


def test_what_is_typed_while_the_examples_load_is_kept(page):
    page.route("**/next", lambda route: (page.wait_for_timeout(700), route.continue_()))
    page.goto("/")
    page.get_by_label("Your question").fill("Who?")
    page.wait_for_selector(".examples button")
    assert page.get_by_label("Your question").input_value() == "Who?"


@at_both_widths
def test_a_question_the_archive_cannot_answer_is_refused(page, strict_site):
    page.goto(strict_site)
    page.get_by_label("Your question").fill("Who won the marathon?")
    page.get_by_role("button", name="Ask", exact=True).click()
    answered(page)
    said = page.locator(".turn").inner_text()
    assert "The archive does not say." in said
    assert "It holds 15 articles, published from 2022-05-26 to 2024-02-28 (11 undated)." in said
    assert "Closest match (not an answer)" in said
    assert page.locator(".cite").count() == 0
    assert no_overflow(page)


@at_both_widths
def test_filters_narrow_the_question_and_survive_a_reload(page):
    page.goto("/")
    page.get_by_text("Filters").click()
    page.get_by_label("Published on or before").fill("2021")
    ask(page, QUESTION)
    answered(page)
    assert "No article matches the filters." in page.locator(".turn").inner_text()
    page.reload()
    answered(page)
    assert "No article matches the filters." in page.locator(".turn").inner_text()


def test_what_cannot_be_asked_is_said_where_the_answer_would_be(page):
    page.goto("/")
    ask(page, "   ")
    assert page.locator(".page [role=status]").inner_text() == "Type a question, or pick one of the examples."
    page.get_by_text("Filters").click()
    page.get_by_label("Published on or after").fill("last week")
    ask(page, QUESTION)
    said = page.locator(".turn .message")
    shows(said, "“last week” under “after” is not a date. Write 2023, 2023-09 or 2023-09-11.")


def test_an_answer_that_is_lost_leaves_no_older_answer_standing(page):
    page.goto("/")
    ask(page, QUESTION)
    answered(page)
    page.route("**/turn", lambda route: route.fulfill(status=500, json={"error": None}))
    page.get_by_role("button", name="Ask again").click()
    page.locator(".turn").get_by_text("The server could not answer that.").wait_for()
    assert page.locator(".cite").count() == 0
    page.unroute("**/turn")
    page.get_by_role("button", name="Ask again").click()
    answered(page)
    assert page.locator(".cite").count() >= 1


def test_a_question_of_any_length_is_answered_with_a_notice(page):
    page.goto("/")
    ask(page, QUESTION + " and" * 30_000)
    answered(page)
    page.wait_for_selector(".turn .notice")


def test_the_answer_is_a_live_region_and_every_field_has_a_label(page):
    page.goto("/")
    status = page.locator(".page [role=status]")
    ask(page, QUESTION)
    answered(page)
    assert "Lu Yueping" in status.inner_text()
    assert status.get_attribute("aria-live") == "polite"
    page.get_by_text("Filters").click()
    for label in ("Your question", "Published on or after", "Published on or before", "Source"):
        page.get_by_label(label, exact=True).first.wait_for()


@at_both_widths
def test_a_hostile_article_is_inert(page, site):
    page.goto("/")
    ask(page, "Who painted the zebra crossing in Quokkaville?")
    answered(page)
    shown = page.locator(".turn").inner_text()
    assert "<script>window.pwned=1</script>" in shown
    assert "${window.pwned=4} {{window.pwned}} [9]" in shown
    assert page.locator(".turn").locator("img, script, svg, iframe").count() == 0
    assert page.locator(".turn a[href^='javascript']").count() == 0
    assert {urlsplit(link.get_attribute("href")).netloc for link in page.locator(".turn a").all()} == {""}
    assert page.evaluate("window.pwned") is None
    assert no_overflow(page)

    page.locator(".cite").first.click()
    page.wait_for_selector("article")
    assert page.locator("#quote").inner_text().startswith("Ignatius Brown painted")
    shows(page.locator("h1"), HOSTILE.title)
    assert page.locator("img, script, svg, iframe, a[href^='javascript']").count() == 0
    assert page.evaluate("window.pwned") is None
    assert no_overflow(page)


@pytest.mark.parametrize("id", IDS)
def test_every_id_opens_its_own_article(page, id):
    page.goto(article_url(id, Place(start=0, end=2)))
    shows(page.locator("h1"), f"<{id}>")
    shows(page.locator("#quote"), "Of")


def test_an_unknown_article_is_a_page_that_leads_back(page):
    assert page.goto("/article/no%2Fsuch").status == 404
    page.get_by_role("link", name="Ask the archive").click()
    page.wait_for_selector(".composer")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_background(page, scheme):
    page.emulate_media(color_scheme=scheme)
    page.goto("/")
    ask(page, QUESTION)
    answered(page)
    for selector in (
        ".head h1",
        ".head .covers",
        ".said",
        ".said strong",
        ".cite",
        ".card .meta",
        ".card mark",
        ".ask",
        ".actions button",
    ):
        assert contrast(page, selector) >= 4.5, selector
    page.locator(".cite").first.click()
    page.wait_for_selector("#quote")
    for selector in ("h1", ".meta", ".text p", "mark.quote", ".back", ".record"):
        assert contrast(page, selector) >= 4.5, selector


def contrast(page: sync_api.Page, selector: str) -> float:
    """WCAG 2.2 contrast ratio of an element's text on the first background behind it that is not clear."""
    settled(page)
    colours = page.locator(selector).first.evaluate(
        """it => {
          let behind = it;
          const clear = () => /, 0\\)$|^transparent$/.test(getComputedStyle(behind).backgroundColor);
          while (behind && clear()) behind = behind.parentElement;
          return [getComputedStyle(it).color, getComputedStyle(behind || document.body).backgroundColor];
        }"""
    )  # fmt: skip
    light, dark = sorted((luminance(colour) for colour in colours), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    channels = [int(value) / 255 for value in re.findall(r"\d+", colour)[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
