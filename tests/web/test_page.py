"""The page's HTML, its addresses and its server, without a browser."""

from __future__ import annotations

import html
import json
import re
import socket
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import escape
from starlette.testclient import TestClient

import qa
from qa.types import Answer, Article, Citation, Coverage, Filters, Hit, Passage, Query
from qa.web import ASSETS, app
from qa.web.pages.answer import answer_html
from qa.web.pages.article import article_page, paragraphs_of
from qa.web.pages.frame import frame_html, questions_html
from qa.web.pages.html import render
from qa.web.pages.links import Asked, Place, article_url, original_url, text_directive, web_url
from qa.words import page_words

ROOT = Path(__file__).parents[2]
ENGLISH = page_words("en")
HOSTILE_IDS = [
    "../../x",
    "a/b",
    "a%2Fb",
    "空 格",
    "a?b#c",
    ".",
    "..",
    "/etc/passwd",
    "a\nb",
    "x&start=1",
    "%00",
    "a+b c",
]
EVIL = "<script>alert(1)</script><img src=x onerror=alert(1)>"
TEXT = "Before it rained. Lu Yueping led the team to Lin'an. After that they left.\n\nA second paragraph."


def cite(article: Article, quote: str, answer: str | None = None, **fields: object) -> Citation:
    start = article.text.index(quote)
    at = article.text.index(answer, start) if answer else None
    return Citation(
        n=fields.pop("n", 1),
        article_id=article.id,
        title=article.title,
        source=article.source,
        published=article.published,
        url=article.url,
        quote=quote,
        start=start,
        end=start + len(quote),
        text_sha256=article.text_sha256,
        answer_start=at,
        answer_end=at + len(answer) if answer and at is not None else None,
        **fields,
    )


def answer(text: str, *citations: Citation, **fields: object) -> Answer:
    given = {
        "question": "Who led the team?",
        "text": text,
        "citations": citations,
        "confidence": 0.9,
        "abstained": False,
        "coverage": Coverage(articles=5, undated=1, first="2022-05-26", last="2024-02-28"),
        "query": Query(text="Who led the team?", question="Who led the team?"),
    }
    return Answer.model_validate(given | fields)


def rendered(shown: Answer, *articles: Article) -> str:
    return answer_html(shown, Asked(question=shown.question), {a.id: a for a in articles}, ENGLISH)


def text_html(text: str, place: Place) -> str:
    return render("text.html", paragraphs=paragraphs_of(text, place))


def plain(markup: str) -> str:
    return html.unescape(re.sub(r"<[^>]+>", "", markup)).replace("\N{NO-BREAK SPACE}", " ")


def parsed(markup: str) -> tuple[set[str], set[str], list[str]]:
    """The tags, the names of attributes, and the links, as a browser would see them."""
    tags, attributes, links = set(), set(), []

    class Reader(HTMLParser):
        def handle_starttag(self, tag, attrs):
            tags.add(tag)
            attributes.update(name for name, _ in attrs)
            links.extend(value for name, value in attrs if name in {"href", "src", "action"})

    Reader().feed(markup)
    return tags, attributes, links


@pytest.fixture
def report() -> Article:
    return Article(
        id="r/1",
        title="The visit",
        text=TEXT,
        url="https://example.org/r.html",
        published="2023-09-11",
        source="Court News",
    )


class TestAnswer:
    def test_a_citation_number_links_to_the_quote_in_the_article(self, report):
        quote = cite(report, "Lu Yueping led the team to Lin'an.", "Lu Yueping")
        shown = rendered(answer(f"“{quote.quote}” [1]", quote), report)
        link = html.unescape(re.search(r'class="cite" data-n="1" href="([^"]+)"', shown)[1])
        params = parse_qs(urlsplit(link).query)
        assert urlsplit(link).path == "/article/r%2F1"
        assert urlsplit(link).fragment == "quote"
        assert [params[name][0] for name in ("start", "end", "a", "b", "q")] == [
            "18",
            "52",
            "18",
            "28",
            "Who led the team?",
        ]
        assert report.text_sha256.startswith(params["rev"][0])

    def test_the_card_shows_title_source_date_and_the_marked_answer(self, report):
        quote = cite(report, "Lu Yueping led the team to Lin'an.", "Lu Yueping")
        card = re.search(r'<li class="card".*?</li>', rendered(answer("[1]", quote), report))[0]
        assert 'id="turn-1-source-1" data-n="1"' in card
        assert all(
            part in plain(card) for part in ("The visit", "Court News · 11 September 2023", "Open in article")
        )
        assert "<mark>Lu Yueping</mark> led the team to Lin&#39;an." in card
        assert "https://example.org/r.html#:~:text=Lu%20Yueping%20led" in card

    def test_an_article_without_a_date_is_said_to_be_undated(self, report):
        undated = report.model_copy(update={"published": None})
        assert "undated" in rendered(answer("[1]", cite(undated, "After that they left.")))

    def test_numbers_that_an_article_fakes_are_not_links(self):
        fake = Article(id="f", title="Fake", text="He won [1] and lost [9] twice [2].")
        shown = rendered(answer(f"“{fake.text}” [1] [7]", cite(fake, fake.text)))
        said = re.search(r'<div class="said">(.*?)</div>', shown)[1]
        assert said.count('class="cite"') == 1
        assert plain(said) == "“He won [1] and lost [9] twice [2].” [1]"

    def test_each_quote_stands_in_its_own_paragraph(self, report):
        first, second = cite(report, "Before it rained."), cite(report, "After that they left.", n=2)
        shown = rendered(answer(f"“{first.quote}” [1] “{second.quote}” [2]", first, second))
        said = re.search(r'<div class="said">(.*?)</div>', shown)[1]
        assert [plain(p) for p in re.findall(r"<p>(.*?)</p>", said)] == [
            "“Before it rained.” [1]",
            "“After that they left.” [2]",
        ]

    def test_words_of_an_article_are_inert(self):
        evil = Article(
            id=EVIL, title=EVIL, text=f"{EVIL} ${{alert(1)}} ![x](http://evil.example/x.png)",
            source=EVIL, author=EVIL, section=EVIL, url="javascript:alert(1)",
        )  # fmt: skip
        quote = cite(evil, evil.text)
        hit = Hit(
            passage=Passage(id=1, article_id="other", start=0, end=len(EVIL), text=EVIL),
            score=1,
            score_kind="x",
            rank=1,
        )
        other = Article(id="other", title=EVIL, text=EVIL)
        shown = rendered(
            answer(f"{evil.text} {EVIL} [1]", quote, hits=[hit], notices=[EVIL], question=EVIL), other
        )
        shown += rendered(answer(EVIL, abstained=True, reason=EVIL, closest=quote))
        shown += questions_html([EVIL], "Try") + frame_html(
            Coverage(articles=1), [EVIL], [EVIL], ENGLISH, EVIL
        )
        place = Place(start=0, end=9, answer_start=1, answer_end=4, mention=2)
        shown += article_page(evil, place, Asked(question=EVIL), ENGLISH)
        tags, attributes, links = parsed(shown)
        assert not tags & {"script", "img", "iframe", "style"}
        assert not any(name.startswith("on") or name == "style" for name in attributes)
        assert {urlsplit(link).scheme for link in links} == {""}

    def test_a_long_quote_is_cut_around_its_answer(self):
        text = "blah " * 2000 + "Ada Lovelace " + "blah " * 2000
        long = Article(id="l", title="Long", text=text)
        shown = rendered(answer("[1]", cite(long, text, "Ada Lovelace")))
        assert "<mark>Ada Lovelace</mark>" in shown
        assert len(shown) < 5000

    def test_an_answer_from_the_record_names_the_field(self, report):
        quote = cite(report, "Before it rained.", kind="metadata", field="published")
        shown = rendered(answer("It was published on 11 September 2023. [1]", quote))
        assert "Published: <mark><bdi>11 September 2023</bdi></mark>" in shown
        assert "field=published" in shown

    def test_a_refusal_says_why_what_is_covered_and_what_came_closest(self, report):
        refusal = answer(
            "The archive does not say.",
            abstained=True,
            reason="No sentence states it.",
            closest=cite(report, "Before it rained."),
        )
        shown = plain(rendered(refusal))
        assert "The archive does not say." in shown
        assert "No sentence states it." in shown
        assert "It holds 5 articles, published from 2022-05-26 to 2024-02-28 (1 undated)." in shown
        assert "Closest match (not an answer)" in shown
        assert "Sources" not in shown

    def test_passages_found_but_not_used_are_listed_without_the_cited_one(self, report):
        def hit(start: int, end: int, rank: int) -> Hit:
            passage = Passage(
                id=rank, article_id=report.id, start=start, end=end, text=report.text[start:end]
            )
            return Hit(passage=passage, score=1, score_kind="x", rank=rank)

        shown = rendered(
            answer("[1]", cite(report, "Before it rained."), hits=[hit(0, 17, 1), hit(53, 74, 2)]), report
        )
        assert "1 passage found but not used" in shown
        assert "After that they left." in plain(shown[shown.index("<details") :])

    def test_notices_are_shown(self, report):
        assert "The question was cut." in rendered(
            answer("[1]", cite(report, "Before"), notices=["The question was cut."])
        )


class TestArticlePage:
    def test_the_quote_and_the_answer_are_marked(self, report):
        shown = text_html(report.text, Place(start=18, end=52, answer_start=18, answer_end=28))
        marked = '<mark class="answer">Lu Yueping</mark> led the team to Lin&#39;an.'
        quote = f'<mark class="quote" id="quote">{marked}</mark>'
        assert f"<p>Before it rained. {quote} After that they left.</p>" in shown
        assert shown.endswith("<p>A second paragraph.</p>")

    def test_a_quote_over_two_paragraphs_is_marked_in_both_with_one_anchor(self):
        shown = text_html("One. Two.\n\nThree. Four.", Place(start=5, end=17))
        assert shown == (
            '<p>One. <mark class="quote" id="quote">Two.</mark></p>'
            '<p><mark class="quote">Three.</mark> Four.</p>'
        )

    def test_lines_are_paragraphs_where_no_line_is_blank(self):
        assert text_html("One.\nTwo.\n", Place()) == "<p>One.</p><p>Two.</p>"

    @given(st.text(alphabet=st.sampled_from("ab 字😀<&\n\t\u202e\x00é"), max_size=60), st.data())
    def test_no_word_is_lost_and_the_marked_words_are_the_quote(self, text, data):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, len(text)))
        shown = text_html(
            text, Place(start=start, end=end, answer_start=start, answer_end=(start + end) // 2)
        )
        clean = text.replace("\x00", "\ufffd")
        assert plain(shown).split() == clean.split() or "".join(plain(shown).split()) == "".join(
            clean.split()
        )
        marked = "".join(
            re.findall(
                r'<mark class="quote"[^>]*>((?:<mark class="answer">.*?</mark>|[^<])*)</mark>', shown, re.S
            )
        )
        assert "".join(plain(marked).split()) == "".join(clean[start:end].split())

    def test_everything_known_is_shown(self, report):
        page = article_page(
            report.model_copy(update={"author": "Ann Lee", "section": "Law", "lang": "en"}),
            Place(),
            Asked(),
            ENGLISH,
        )
        for part in (
            "The visit",
            "Court News",
            "11 September 2023",
            "Ann Lee",
            "Law",
            "language: en",
            report.text_sha256,
        ):
            assert part in plain(page)
        assert 'href="https://example.org/r.html"' in page
        assert '<div class="text" lang="en">' in page

    def test_a_field_asked_for_is_marked(self, report):
        page = article_page(report, Place(field="published"), Asked(), ENGLISH)
        assert '<mark class="quote" id="quote"><time datetime="2023-09-11">' in page

    def test_a_changed_article_is_not_marked_but_says_so(self, report):
        page = article_page(report, Place(start=0, end=6, rev="0123456789ab"), Asked(), ENGLISH)
        assert "has changed since" in page
        assert "<mark" not in page

    @pytest.mark.parametrize(
        "params",
        [
            {"start": "x", "end": "3"},
            {"start": "3", "end": "3"},
            {"start": "5", "end": "2"},
            {"start": "-1", "end": "3"},
            {"start": "0", "end": "999"},
            {"start": "٣", "end": "٥"},
            {"start": "9" * 40, "end": "9" * 41},
            {"start": "1"},
            {"rev": "zz", "field": "text"},
        ],
    )
    def test_nonsense_in_the_address_is_ignored(self, params):
        assert Place.read(params, 10) == Place()

    def test_an_answer_outside_the_quote_is_ignored(self):
        place = Place.read({"start": "2", "end": "5", "a": "4", "b": "8"}, 10)
        assert (place.start, place.end, place.answer_start) == (2, 5, None)


class TestLinks:
    @pytest.mark.parametrize(
        ("text", "directive"),
        [
            ("a well-known fact, R&D", "a%20well%2Dknown%20fact%2C%20R%26D"),
            ("one two three four five " + "x " * 60 + "six seven eight nine ten",
             "one%20two%20three%20four%20five,six%20seven%20eight%20nine%20ten"),
            ("First\n\nline of it, and then the very last words here today",
             "First%20line%20of%20it%2C%20and,very%20last%20words%20here%20today"),
            ("空" * 130, "%E7%A9%BA" * 130),
            ("甲" * 70 + "，" + "乙" * 70 + "。",
             "%E7%94%B2" * 70 + "%EF%BC%8C," + "%E4%B9%99" * 70 + "%E3%80%82"),
        ],
    )  # fmt: skip
    def test_text_fragments_follow_the_specification(self, text, directive):
        assert text_directive(text) == directive

    def test_a_text_fragment_joins_a_fragment_that_is_there(self, report):
        quote = cite(report.model_copy(update={"url": "https://example.org/#top"}), "Before it rained.")
        assert original_url(quote) == "https://example.org/#top:~:text=Before%20it%20rained."

    @pytest.mark.parametrize(
        "url",
        [
            "javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "//evil.example", "http://", "http://[x",
            "https://a b", "https://a\u202eb.org", " https://x.org", None,
        ],
    )  # fmt: skip
    def test_only_web_addresses_become_links(self, url):
        assert web_url(url) is None

    def test_a_question_and_its_filters_make_the_round_trip(self):
        asked = Asked.read(" Who? ", "2023", "2023-09", ["A & B", "丙"])
        assert asked.filters == Filters(after="2023-01-01", before="2023-09-30", sources=("A & B", "丙"))
        assert parse_qs(urlsplit(asked.url).query) == {
            "q": ["Who?"], "after": ["2023-01-01"], "before": ["2023-09-30"], "source": ["A & B", "丙"],
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("after", "before"), [("soon", ""), ("2023-13", ""), ("", "12/31/2023"), ("2024", "2023")]
    )
    def test_a_bad_filter_says_what_to_do(self, after, before):
        with pytest.raises(qa.FilterError, match=r"Write 2023, 2023-09 or|Swap or clear"):
            Asked.read("Who?", after, before, None)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory, settings: qa.Settings):
    settings = settings.model_copy(update={"refuse": 0.0})
    with qa.Archive.create(tmp_path_factory.mktemp("page") / "archive", settings=settings) as archive:
        archive.add(ROOT / "seeds")
        archive.add([Article(id=id, title=f"Title of {id!r}", text=f"Text of {id!r}.") for id in HOSTILE_IDS])
        with TestClient(app.create_app(archive)) as client:
            yield client


class TestServer:
    @pytest.mark.parametrize("id", HOSTILE_IDS)
    def test_every_id_finds_its_article(self, client, id):
        response = client.get(article_url(id, Place(start=0, end=4)).partition("#")[0])
        assert response.status_code == 200
        assert f"<bdi>{escape(f'Title of {id!r}')}</bdi></h1>" in response.text
        assert '<mark class="quote" id="quote">Text</mark>' in response.text

    def test_an_article_page_may_load_stylesheets_and_nothing_else(self, client):
        for address in ("/article/a%2Fb", "/article/none"):
            headers = client.get(address).headers
            assert headers["content-security-policy"].startswith(
                "default-src 'none'; style-src 'self'; base-uri"
            )
            assert "unsafe" not in headers["content-security-policy"]
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "no-referrer"

    def test_an_article_page_holds_no_script_and_no_inline_style(self, client):
        page = client.get("/article/a%2Fb?start=0&end=4").text
        assert not re.search(r"<script|<style|\sstyle=", page)

    @pytest.mark.parametrize(
        "path", ["/article/none", "/article/", "/article/..%2F..%2Fpyproject.toml", "/article/%FF"]
    )
    def test_an_unknown_article_is_a_friendly_404(self, client, path):
        response = client.get(path)
        assert response.status_code == 404
        assert "The archive holds no article at this address." in response.text

    def test_the_page_and_its_parts_may_talk_to_this_server_only(self, client):
        page = client.get("/")
        assert page.status_code == 200
        assert page.headers["content-security-policy"].startswith("default-src 'self';")
        config = json.loads(re.search(r"window\.gradio_config = (\{.*?\});</script>", page.text)[1])
        assert config["analytics_enabled"] is False
        assert config["stylesheets"] == []
        assert not config["footer_links"]

    def test_stylesheets_are_served_and_name_no_other_host(self, client):
        for path in ASSETS.iterdir():
            response = client.get(f"/ui/{path.name}")
            assert response.status_code == 200
            assert response.headers["content-type"].startswith(("text/css", "application/javascript"))
            assert not re.search(r"https?:|['\"]//|@import|url\(", response.text)

    def test_files_beside_the_stylesheets_are_not_served(self, client):
        for path in ("/ui/../answer.py", "/ui/%2e%2e/answer.py", "/ui/"):
            assert client.get(path).status_code == 404

    def test_the_api_answers_with_citations(self, client):
        data = {"question": "Who led the Nanling delegation?"}
        event = client.post("/gradio_api/call/v2/ask", json=data).json()["event_id"]
        told = client.get(f"/gradio_api/call/ask/{event}").text
        answered = json.loads(re.search(r"event: complete\ndata: (.*)", told)[1])[0]
        assert answered["citations"]
        assert Answer.model_validate(answered).question == "Who led the Nanling delegation?"

    def test_only_ask_is_offered_to_programs(self, client):
        assert list(client.get("/gradio_api/info").json()["named_endpoints"]) == ["/ask", "/follow_up"]

    def test_nobody_can_leave_files_here(self, client):
        assert client.post("/gradio_api/upload", files={"files": ("x.txt", b"hello")}).status_code == 404


def test_a_port_in_use_is_one_clear_line(seed_archive, settings):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            qa.ServerError, match=rf"^Port {port} on 127\.0\.0\.1 is in use\. Choose another with --port"
        ):
            app.serve(seed_archive, settings.model_copy(update={"port": port}))


def test_an_address_that_is_not_ours_is_one_clear_line(seed_archive, settings):
    with pytest.raises(qa.ServerError, match="cannot be used"):
        app.serve(seed_archive, settings.model_copy(update={"host": "no.such.host.invalid", "port": 0}))


_QUIET = """
import sys
called = []
def hook(event, args):
    if event == "socket.getaddrinfo": called.append(str(args[0]))
    if event == "socket.connect" and isinstance(args[1], tuple): called.append(str(args[1][0]))
sys.addaudithook(hook)
from qa.web import app; import qa
from starlette.testclient import TestClient
settings = qa.Settings(model="tiny", reader=None)
with qa.Archive.create(sys.argv[1], settings=settings) as archive:
    archive.add([qa.Article(id="1", text="Ann met the mayor.")])
    with TestClient(app.create_app(archive)) as client:
        client.get("/").raise_for_status()
        client.post("/gradio_api/call/v2/ask", json={"question": "Who met the mayor?"}).raise_for_status()
print(sorted(set(called) - {"127.0.0.1", "::1", "localhost"}))
print(sorted({"torch", "transformers", "sentence_transformers"} & set(sys.modules)))
"""


def test_the_server_calls_nobody_and_loads_no_torch(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", _QUIET, str(tmp_path / "archive")],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    )
    assert done.stdout.splitlines() == ["[]", "[]"]
