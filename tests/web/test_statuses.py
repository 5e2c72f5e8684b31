"""One error has one status and one wording, whichever route it comes from."""

from __future__ import annotations

import pytest
from starlette.testclient import TestClient

import qa
from embeddings import EmbeddingError
from qa.errors import Busy, GlossaryError, TooManyRequests
from qa.web import app
from qa.web.statuses import headers_of, message_of, status_of
from qa.words import page_words

TABLE = [
    (qa.ArticleNotFound("no such article"), 404),
    (qa.QuestionError("empty"), 422),
    (qa.FilterError("not a date"), 422),
    (qa.InputError("nothing"), 422),
    (qa.FeedbackError("not agreed"), 422),
    (TooManyRequests("too often", 7), 429),
    (Busy("all are busy", 5), 503),
    (qa.ArchiveBusy("locked"), 503),
    (qa.ArchiveDamaged("cannot be read"), 503),
    (qa.ArchiveError("changed meanwhile"), 503),
    (GlossaryError("line 3"), 503),
    (EmbeddingError("no model"), 503),
]
ROUTES = [
    ("POST", "/turn"),
    ("POST", "/feedback"),
    ("POST", "/evidence"),
    ("GET", "/evidence?q=Who"),
    ("GET", "/mentions?q=Who"),
    ("GET", "/mentions.csv?q=Who"),
    ("GET", "/mentions.json?q=Who"),
]


@pytest.fixture
def client(seed_archive, monkeypatch):
    seed_archive.settings = seed_archive.settings.model_copy(update={"feedback": True})
    with TestClient(app.create_app(seed_archive)) as client:
        client.archive, client.patch = seed_archive, monkeypatch
        yield client


def asked(client, method: str, path: str, error: Exception, language: str = "en"):
    def fail(*args: object, **given: object) -> None:
        raise error

    for name in ("ask", "mentions"):
        client.patch.setattr(client.archive, name, fail)
    body = {"question": "Who?"}
    if path == "/feedback":
        body = {"asking": body, "said": {"verdict": "good", "consent": True}}
    given = {"json": body} if method == "POST" else {}
    return client.request(method, path, headers={"accept-language": language}, **given)


@pytest.mark.parametrize(("error", "status"), TABLE, ids=lambda it: type(it).__name__)
def test_the_table(error, status):
    assert status_of(error) == status
    assert headers_of(error) == ({"Retry-After": str(error.retry_after)} if isinstance(error, Busy) else {})
    assert message_of(error, page_words("en")) == str(error)


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_every_route_follows_it(client, method, path):
    for error, status in TABLE:
        answer = asked(client, method, path, error)
        assert answer.status_code == status, error
        assert str(error) in answer.text
        assert ("Retry-After" in answer.headers) == isinstance(error, Busy)


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_chinese_reader_is_told_in_chinese_that_too_many_ask(client, method, path):
    for error in (Busy("all are busy", 5), TooManyRequests("too often", 7)):
        assert "现在提问的人较多，请稍后再试。" in asked(client, method, path, error, "zh-CN").text


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [(qa.ArticleNotFound("x"), 404, "No such article"), (qa.ArchiveDamaged("It is damaged."), 503, "It is damaged.")],
)  # fmt: skip
def test_an_articles_page_does_too(client, error, status, said):
    def fail(article_id: str) -> None:
        raise error

    client.patch.setattr(client.archive, "get", fail)
    answer = client.get("/article/a")
    assert (answer.status_code, said in answer.text) == (status, True)
