"""Adding articles from the page: off by default, through the same readers, nowhere but aside."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from starlette.testclient import TestClient

import qa
from qa.web import app
from qa.web.upload import safe_name


@pytest.fixture
def open_archive(archive: qa.Archive, article):
    archive.add([article("held", "Bo met the mayor.")])
    return archive


@pytest.fixture
def client(open_archive):
    settings = open_archive.settings.model_copy(update={"upload": True})
    with TestClient(app.create_app(open_archive, settings)) as client:
        yield client


def send(client, *files: tuple[str, bytes], **fields: str):
    return client.post("/add", files=[("files", file) for file in files] or None, data=fields)


def ids(archive: qa.Archive) -> set[str]:
    return {article.id for article in archive} - {"held"}


def test_files_are_read_added_and_reported(client, open_archive):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("two.txt", "Cy met the queen.")
    said = send(
        client, ("one.txt", b"Ann met the king."), ("more.zip", archive.getvalue()), ("x.bin", b"\x00\x01")
    )
    assert said.status_code == 200
    assert "<strong>2 added, 1 skipped</strong>" in said.text
    assert re.search(r"x\.bin</bdi>: .+</li>", said.text)
    assert "/tmp" not in said.text
    assert open_archive.mentions("king").articles == 1
    assert client.post("/turn", json={"question": "queen"}).status_code == 200
    again = send(client, ("one.txt", b"Ann met the king."))
    assert "<strong>1 unchanged</strong>" in again.text


def test_a_text_is_pasted(client, open_archive):
    said = send(client, text="Dee met the pope.", title="Rome", published="2023-09-11", source="Daily")
    assert "<strong>1 added</strong>" in said.text
    [article] = [a for a in open_archive if a.id != "held"]
    assert (article.title, str(article.published), article.source) == ("Rome", "2023-09-11", "Daily")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "nothing to add"),
        ({"text": " "}, "nothing to add"),
        ({"text": "x", "published": "soon"}, "published"),
    ],
)
def test_what_cannot_be_added_is_one_clear_line(client, open_archive, fields, said):
    assert said in send(client, **fields).text
    assert ids(open_archive) == set()


def test_what_cannot_be_added_is_still_in_the_form(client):
    said = send(client, text="\n<b>Ann</b> & Bo.", title='"Rome"', published="soon")
    assert said.status_code == 422
    assert "\n\n&lt;b&gt;Ann&lt;/b&gt; &amp; Bo.</textarea>" in said.text
    assert 'value="&#34;Rome&#34;"' in said.text
    assert 'value="soon"' in said.text


def test_a_text_that_is_there_already_is_counted(client, open_archive):
    assert (
        "<strong>1 there already under another name</strong>" in send(client, text="Bo met the mayor.").text
    )


def test_names_lead_nowhere(client, open_archive, tmp_path):
    before = {path for path in tmp_path.rglob("*") if "derived" not in path.parts}
    names = [
        "../../escape.txt",
        "/etc/cron.d/x.txt",
        "..\\..\\win.txt",
        "a\x00b.txt",
        ".hidden.txt",
        "CON.txt",
        "文章.txt",
    ]
    said = send(
        client,
        *((name, f"{i} met the mayor.".encode()) for i, name in enumerate(names)),
        ("escape.txt", b"Eve."),
    )
    assert "8 added" in said.text
    assert all(not re.search(r"[/\\]|^\.", article_id) for article_id in ids(open_archive))
    after = {path for path in tmp_path.rglob("*") if "derived" not in path.parts}
    assert not [path for path in after - before if path.suffix == ".txt"]


@pytest.mark.parametrize(
    ("name", "safe"),
    [("../../etc/passwd", "passwd"), ("a b.tar.gz", "a_b.tar.gz"), ("", "article"), ("..", "article"),
     ("<script>.html", "script.html"), ("x" * 300 + ".txt", "x" * 100 + ".txt"), ("文章.txt", "文章.txt")],
)  # fmt: skip
def test_names_are_made_harmless(name, safe):
    assert safe_name(name) == safe


def test_names_and_reasons_are_inert(client):
    said = send(client, ("<img src=x onerror=alert(1)>.bin", b"\x00\x01"), text="<script>alert(1)</script>")
    assert "<script" not in said.text
    assert "<img" not in said.text
    assert said.headers["content-security-policy"].startswith(
        "default-src 'none'; style-src 'self'; base-uri 'none'; form"
    )


def test_nothing_is_left_aside(client, monkeypatch, tmp_path):
    aside = tmp_path / "aside"
    aside.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(aside))
    send(client, ("one.txt", b"Ann met the king."), ("x.bin", b"\x00"))
    send(client)
    assert [path for path in aside.iterdir() if path.name.startswith("qa-upload")] == []


def test_other_sites_cannot_add(client, open_archive):
    headers = {"origin": "http://evil.test"}
    assert client.post("/add", data={"text": "x"}, headers=headers).status_code == 403
    assert ids(open_archive) == set()


@pytest.mark.parametrize(
    ("language", "said"), [("en", "Somebody else is adding articles."), ("zh", "有其他人正在添加文章")]
)
def test_one_person_adds_at_a_time(client, monkeypatch, language, said):
    never_ends = SimpleNamespace(news=lambda: iter(()), problem="", counts=[], skipped=[], more="")
    monkeypatch.setattr("qa.web.upload.Work", lambda *given: never_ends)
    assert send(client, text="Ann met the king.").status_code == 200
    client.headers["accept-language"] = language
    refused = send(client, text="Bo met the queen.")
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "30")
    assert said in refused.text
    assert "Bo met the queen.</textarea>" in refused.text


def test_it_is_off_by_default_and_where_the_archive_is_read_only(open_archive):
    read_only = qa.Archive.open(
        open_archive.path, settings=open_archive.settings.model_copy(update={"upload": True})
    )
    read_only._database.writable = False
    for archive in (open_archive, read_only):
        with TestClient(app.create_app(archive)) as client:
            assert client.get("/add").status_code == 404
            assert client.post("/add", data={"text": "x"}).status_code in {404, 405}
            assert "/add" not in client.get("/start").json()["html"]
    assert ids(open_archive) == set()


def test_the_page_leads_there_where_it_is_on(client):
    assert 'href="/add"' in client.get("/start").json()["html"]
    page = client.get("/add")
    assert 'enctype="multipart/form-data"' in page.text
    assert page.headers["referrer-policy"] == "same-origin"


def test_too_much_at_once_is_refused(client, open_archive, monkeypatch):
    monkeypatch.setattr("qa.web.middleware.request_guard.MOST_UPLOADED", 1000)
    assert send(client, ("one.txt", b"x" * 2000)).status_code == 413
    assert ids(open_archive) == set()
    assert Path(open_archive.path).exists()
