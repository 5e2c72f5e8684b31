"""The evidence pack: complete, self-contained, checkable, deterministic, inert."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest
from click.testing import CliRunner
from starlette.testclient import TestClient

import qa
from qa.cli import cli
from qa.export import gather
from qa.web import app
from qa.web.pages.evidence import evidence_html

WHEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
QUESTION = "Who led the Nanling delegation?"
EVIL = "<script>alert(1)</script></pre><img src=http://evil.example/x onerror=alert(1)>"


class Page(HTMLParser):
    """Tags, attributes, and the text of each ``<pre>`` as a browser would have it."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str, str]] = []
        self.texts: list[str] = []
        self._inside = False
        self.feed(markup)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag == "pre":
            self._inside = True
            self.texts.append("")

    def handle_endtag(self, tag):
        if tag == "pre":
            self._inside = False
            self.texts[-1] = self.texts[-1].removeprefix("\n")

    def handle_data(self, data):
        if self._inside:
            self.texts[-1] += data


@pytest.fixture
def sure(settings: qa.Settings) -> qa.Settings:
    return settings.model_copy(update={"refuse": 0.0})


@pytest.fixture
def evidence(tmp_path, sure):
    with qa.Archive.create(tmp_path / "sure", settings=sure) as archive:
        archive.add("seeds")
        yield gather(archive, archive.ask(QUESTION, filters=qa.Filters(after="2022")))


def test_it_holds_question_answer_articles_checksums_and_record(evidence):
    pack = evidence_html(evidence, WHEN)
    assert QUESTION in pack
    assert "published on or after 2022-01-01" in pack
    assert "2026-01-02 03:04:05 UTC" in pack
    assert f"generation {evidence.generation}" in pack
    assert evidence.fingerprint in pack
    assert "archive-qa" in evidence.program
    assert evidence.answer.citations
    for citation in evidence.answer.citations:
        assert f'id="source-{citation.n}"' in pack
        assert citation.text_sha256 in pack


def test_the_checksums_can_be_computed_from_the_file(evidence):
    pack = evidence_html(evidence, WHEN)
    computed = [hashlib.sha256(text.encode()).hexdigest() for text in Page(pack).texts]
    assert computed == [article.text_sha256 for article in evidence.articles]
    assert computed == re.findall(r'class="sha256">([0-9a-f]{64})', pack)


@pytest.mark.parametrize(
    "text", ["\nMayor Ann.\r\nSpoke.\r", "  Ann \t & <b> \u202e &amp; 字 😀 mayor.\n\n\n"]
)
def test_white_space_and_markup_survive(archive, article, text):
    archive.add([article("a", text)])
    pack = evidence_html(gather(archive, archive.ask("mayor")), WHEN)
    assert Page(pack).texts == [archive.get("a").text]


def test_it_asks_for_nothing(evidence):
    page = Page(evidence_html(evidence, WHEN))
    assert not page.tags & {"script", "link", "img", "iframe", "object", "form", "input", "base", "video"}
    assert not any(
        name in {"src", "srcset", "style", "action"} or name.startswith("on")
        for _, name, _ in page.attributes
    )
    policy = next(
        value
        for tag, name, value in page.attributes
        if (tag, name) == ("meta", "content") and "default" in value
    )
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'")
    style = re.search(r"<style>(.*?)</style>", evidence_html(evidence, WHEN), re.S)[1]
    assert not re.search(r"@import|url\(|//", style)


def test_the_same_evidence_makes_the_same_file(evidence):
    assert evidence_html(evidence, WHEN) == evidence_html(evidence.model_copy(deep=True), WHEN)
    later = evidence_html(evidence, WHEN.replace(year=2027))
    assert re.sub("2027", "2026", later) == evidence_html(evidence, WHEN)


def test_words_of_articles_and_questions_are_inert(tmp_path, sure):
    with qa.Archive.create(tmp_path / "evil", settings=sure) as archive:
        archive.add([qa.Article(id=EVIL, title=EVIL, text=f"The mayor is {EVIL}. More.", source=EVIL, author=EVIL,
                                section=EVIL, lang='en" onload="x', url="javascript:alert(1)")])  # fmt: skip
        answer = archive.ask(f"Who is the mayor {EVIL}?")
        assert answer.citations
        page = Page(evidence_html(gather(archive, answer), WHEN))
        refused = qa.Archive.ask(archive, "mayor", filters=qa.Filters(sources=(EVIL, "x")))
        page_2 = Page(evidence_html(gather(archive, refused), WHEN))
    for shown in (page, page_2):
        assert not shown.tags & {"script", "img"}
        assert not any(name.startswith("on") for _, name, _ in shown.attributes)
        assert not any("javascript:" in value for _, name, value in shown.attributes if name == "href")
    assert page.texts == [f"The mayor is {EVIL}. More."]


def test_a_refusal_is_evidence_too(seed_archive):
    answer = seed_archive.ask("What is the boiling point of tungsten?")
    assert answer.abstained
    pack = evidence_html(gather(seed_archive, answer), WHEN)
    assert "The archive does not say" in pack
    assert "5 articles" in pack


def test_an_archive_that_changed_meanwhile_is_no_evidence(seed_archive):
    answer = seed_archive.ask("What is the boiling point of tungsten?")
    assert answer.closest
    seed_archive.add(
        [seed_archive.get(answer.closest.article_id).model_copy(update={"text": "Other words."})]
    )
    with pytest.raises(qa.ArchiveError, match="has changed since"):
        gather(seed_archive, answer)


def test_the_command_writes_it(seed_archive, tmp_path):
    def ask(path):
        args = ["ask", QUESTION, "--archive", str(seed_archive.path), "--evidence", str(path)]
        return CliRunner().invoke(cli, args, standalone_mode=False, env={"QA_READER": "none"})

    assert ask(tmp_path / "pack.html").exception is None
    assert QUESTION in (tmp_path / "pack.html").read_text("utf-8")
    assert "cannot be written" in str(ask(tmp_path / "none" / "pack.html").exception)


def test_the_page_hands_it_out_as_a_file(seed_archive):
    with TestClient(app.create_app(seed_archive)) as client:
        response = client.get("/evidence", params={"q": QUESTION, "after": "2023", "file": "/etc/passwd"})
        assert response.status_code == 200
        assert response.headers["content-disposition"] == 'attachment; filename="evidence.html"'
        assert "published on or after 2023-01-01" in response.text
        for params, said in [
            ({"q": ""}, "question is empty"),
            ({"q": "Who?", "after": "soon"}, "is not a date"),
        ]:
            refused = client.get("/evidence", params=params)
            assert refused.status_code == 422
            assert said in refused.text


def test_the_page_asks_for_it_with_the_conversation(seed_archive):
    history = [{"role": "user", "content": QUESTION}, {"role": "assistant", "content": "Lu Yueping"}]
    with TestClient(app.create_app(seed_archive)) as client:
        asked = {"question": "And who welcomed them there?", "history": history}
        told = client.post("/turn", json=asked).json()
        pack = client.post("/evidence", json=asked)
        assert pack.headers["content-disposition"] == 'attachment; filename="evidence.html"'
        assert told["understood"] != asked["question"]
        assert f"Understood as: <bdi>{told['understood']}</bdi>" in pack.text
        assert client.post("/evidence", json={"path": "/etc/passwd"}).status_code == 422
        assert client.post("/evidence", content=b"\xff").status_code == 422
