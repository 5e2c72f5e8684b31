"""The guards in front of the page: users, limits, other sites, logs, stopping."""

from __future__ import annotations

import base64
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import anyio
import httpx
import pytest
from click.testing import CliRunner
from starlette.routing import Mount
from starlette.testclient import TestClient

import qa
from qa.cli import cli
from qa.errors import Busy, ServerError
from qa.web import app
from qa.web.middleware import auth
from qa.web.middleware.asgi import address
from qa.web.middleware.auth import BasicAuth, Gatekeeper, Users
from qa.web.middleware.rate_limit import RateLimiter
from qa.web.middleware.request_guard import RequestGuard

ROOT = Path(__file__).parents[2]
ANN = ("ann", "correct horse")


@pytest.fixture(scope="module")
def users_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("users") / "users"
    Users({}).with_password(*ANN).with_password("张三", "pass:wörd 字").write(path)
    return path


@pytest.fixture(scope="module")
def guarded(tmp_path_factory, settings, users_file):
    settings = settings.model_copy(update={"auth": users_file, "refuse": 0.0})
    with qa.Archive.create(tmp_path_factory.mktemp("page") / "archive", settings=settings) as archive:
        archive.add(ROOT / "seeds")
        page = app.create_app(archive)
        page.state.ready.set()
        with TestClient(page, base_url="http://archive.test") as client:
            yield client


def addresses(routes: list, prefix: str = "") -> set[tuple[str, str]]:
    """Every method and address an app answers, parameters filled in."""
    found = set()
    for route in routes:
        inner = getattr(route, "routes", None) or getattr(
            getattr(route, "original_router", None), "routes", None
        )
        path = prefix + getattr(route, "path", "")
        if isinstance(route, Mount):
            found.add(("GET", path + "/x"))
        if inner:
            found |= addresses(inner, prefix if not isinstance(route, Mount) else path)
        for method in getattr(route, "methods", None) or ():
            found.add((method, path.replace("{", "").replace("}", "").replace(":path", "")))
    return found


GRADIO = ["/gradio_api" + path for path in (
    "/info", "/queue/join", "/queue/data?session_hash=x", "/queue/status", "/call/ask", "/call/v2/ask", "/run/predict",
    "/api/predict", "/upload", "/file=/etc/passwd", "/file/x", "/heartbeat/x", "/openapi.json", "/startup-events",
    "/component_server", "/app_id", "/token", "/user", "/login_check", "/reset", "/cancel", "/upload_progress",
    "/proxy=http://x.test/", "/stream/x", "/deep_link",
)]  # fmt: skip


class TestEveryRoute:
    def test_needs_a_user(self, guarded):
        known = addresses(guarded.app.routes)
        known |= {(method, path) for path in GRADIO for method in ("GET", "POST", "HEAD", "OPTIONS")}
        assert ("GET", "/article/article_id") in known
        assert {path for _, path in known} > {"/config", "/openapi.json", "/", "/theme.css", "/ui/x"}
        for method, path in sorted(known):
            response = guarded.request(method, path)
            assert (response.status_code, method, path) == (401, method, path)
            assert response.headers["www-authenticate"].startswith("Basic ")
            assert response.headers["x-content-type-options"] == "nosniff"

    @pytest.mark.parametrize(
        "path",
        ["//", "/healthz/", "/healthz/../config", "/healthz%2F..%2Fconfig", "/HEALTHZ", "//healthz",
         "/healthz;x", "/healthz%00", "/ui/../healthz/x", "/healthz%3F"],
    )  # fmt: skip
    def test_tricks_with_the_one_open_address_need_a_user(self, guarded, path):
        target = guarded.base_url.copy_with(raw_path=path.encode())
        assert guarded.get(target).status_code == 401

    @pytest.mark.parametrize(
        "headers",
        [
            {"x-forwarded-prefix": "/healthz"},
            {"x-original-url": "/healthz"},
            {"x-http-method-override": "GET"},
            {"authorization": "Basic"},
            {"authorization": "Basic ???"},
            {"authorization": "Bearer YW5uOng="},
            {"authorization": "Basic " + base64.b64encode(b"ann").decode()},
            {"authorization": "Basic " + base64.b64encode(b"ann:\xff\xfe").decode()},
            {"authorization": "Basic " + "A" * 100_000},
            {"authorization": "Basic " + base64.b64encode(b"ann:correct horse ").decode()},
            {"authorization": "Basic " + base64.b64encode(b":").decode()},
            {"cookie": "access-token=x; access-token-unsecure=x"},
        ],
    )
    def test_no_header_opens_a_door(self, guarded, headers, monkeypatch):
        monkeypatch.setattr(auth, "FREE_FAILURES", 100)
        assert guarded.get("/config", headers=headers).status_code == 401

    def test_a_websocket_is_refused(self, guarded):
        from starlette.websockets import WebSocketDisconnect

        with (
            pytest.raises(WebSocketDisconnect) as refused,
            guarded.websocket_connect("/gradio_api/queue/join"),
        ):
            pass
        assert refused.value.code == 1008

    def test_health_is_open_and_says_nothing_else(self, guarded):
        assert (guarded.get("/healthz").status_code, guarded.get("/healthz").text) == (200, "ready\n")
        guarded.app.state.ready.clear()
        try:
            assert guarded.get("/healthz").status_code == 503
        finally:
            guarded.app.state.ready.set()
        assert guarded.post("/healthz").status_code == 401

    @pytest.mark.parametrize("credentials", [ANN, ("张三", "pass:wörd 字")])
    def test_a_user_gets_the_page_its_parts_and_articles(self, guarded, credentials):
        raw = ":".join(credentials).encode()
        headers = {"authorization": "Basic " + base64.b64encode(raw).decode()}
        for path in ("/", "/ui/page.css", "/article/000_123b1eafede8e79c", "/config", "/gradio_api/info"):
            assert guarded.get(path, headers=headers).status_code == 200

    @pytest.mark.parametrize(
        "path", ["..%2f..%2fetc%2fpasswd", "../../etc/passwd", "%2e%2e/%2e%2e/pyproject.toml", "....//", "%00",
                 "/etc/passwd", "..\\..\\x", "%252e%252e%252f", "http://x.test/", "?id=../../x"],
    )  # fmt: skip
    def test_tricks_with_an_articles_address_find_nothing(self, guarded, path):
        target = guarded.base_url.copy_with(raw_path=b"/article/" + path.encode())
        assert guarded.get(target, auth=ANN).status_code == 404


class TestPasswords:
    def test_the_file_holds_no_password_and_is_its_owners(self, users_file):
        assert "correct horse" not in users_file.read_text("utf-8")
        assert users_file.stat().st_mode & 0o077 == 0

    def test_equal_passwords_have_different_hashes(self):
        users = Users({}).with_password("a", "the same one").with_password("b", "the same one")
        assert len(set(users._hashes.values())) == 2

    def test_only_the_right_password_of_a_known_user_fits(self, users_file):
        users = Users.read(users_file)
        assert users.verify(*ANN)
        assert not users.verify("ann", "correct horsE")
        assert not users.verify("bob", "correct horse")
        assert not users.verify("nobody", "nobody")
        assert not users.verify("", "")

    @pytest.mark.parametrize("name", ["", "a:b", "a\nb", " a", "x" * 65, "a\x00"])
    def test_a_name_that_would_break_the_file_is_refused(self, name):
        with pytest.raises(ServerError, match="is not a user's name"):
            Users({}).with_password(name, "long enough")

    @pytest.mark.parametrize(
        "line",
        [
            "ann",
            "ann:secret",
            "ann:scrypt$15$8$3$x",
            "ann:scrypt$60$8$3$AAAA$AAAA",
            "ann:scrypt$15$99$3$AAAA$AAAA",
        ],
    )
    def test_a_broken_line_is_named(self, tmp_path, line):
        path = tmp_path / "users"
        path.write_text(f"# the newsroom\n\n{line}\n", encoding="utf-8")
        with pytest.raises(ServerError, match=r"users:3: not a user\. Write it again with: qa user add"):
            Users.read(path)

    def test_a_server_without_users_does_not_start(self, tmp_path, seed_archive, settings):
        for content in (None, "", "# nobody\n"):
            path = tmp_path / "users"
            if content is not None:
                path.write_text(content, encoding="utf-8")
            page = app.create_app(seed_archive, settings.model_copy(update={"auth": path}))
            with pytest.raises(ServerError, match="qa user add"), TestClient(page):
                pass

    def test_the_command_adds_lists_and_removes(self, tmp_path):
        path = str(tmp_path / "new" / "users")
        run = CliRunner()
        added = run.invoke(
            cli, ["user", "add", "ann", "--file", path], input="correct horse\n", standalone_mode=False
        )
        assert added.exception is None
        assert "lets in 1 user." in added.output
        assert Users.read(Path(path)).verify(*ANN)
        assert run.invoke(cli, ["user", "list", "--file", path]).output == "ann\n"
        short = run.invoke(
            cli, ["user", "add", "bob", "--file", path], input="short\n", standalone_mode=False
        )
        assert "8 to 256" in str(short.exception)
        run.invoke(cli, ["user", "remove", "ann", "--file", path])
        assert Users.read(Path(path)).names == []


class TestGuessing:
    def check(self, keeper: Gatekeeper, *calls: tuple[str, str, str]) -> list[int | None]:
        async def work():
            return [await keeper.check(*call) for call in calls]

        return anyio.run(work)

    def test_who_guesses_waits_longer_and_longer_and_others_do_not(self, users_file):
        keeper = Gatekeeper(users_file)
        wrong = [("ann", f"guess {i}", "10.0.0.1") for i in range(5)]
        told = self.check(keeper, *wrong, ("ann", "correct horse", "10.0.0.1"), (*ANN, "10.0.0.2"))
        assert told[:4] == [0, 0, 0, 0]
        assert told[4] in {2, 3}
        assert told[5]  # the right one, but from where it was guessed
        assert told[6] is None
        keeper._failures["10.0.0.1"] = (60, time.monotonic())
        assert self.check(keeper, ("ann", "x", "10.0.0.1"))[0] in range(299, 302)

    def test_a_password_that_was_right_is_hashed_once(self, users_file, monkeypatch):
        hashed = []
        verify = Users.verify
        monkeypatch.setattr(Users, "verify", lambda *a: hashed.append(a[1]) or verify(*a))
        keeper = Gatekeeper(users_file)

        async def page():
            async with anyio.create_task_group() as group:
                for _ in range(40):
                    group.start_soon(keeper.check, *ANN, "10.0.0.1")
            assert await keeper.check(*ANN, "10.0.0.1") is None

        anyio.run(page)
        assert hashed == ["ann"]

    def test_a_user_removed_is_out_at_once(self, tmp_path):
        path = tmp_path / "users"
        users = Users({}).with_password(*ANN).with_password("bob", "another one")
        users.write(path)
        keeper = Gatekeeper(path)
        assert self.check(keeper, (*ANN, "x")) == [None]
        users.without("ann").write(path)
        assert self.check(keeper, (*ANN, "x"), ("bob", "another one", "x")) == [0, None]
        path.unlink()
        assert self.check(keeper, ("bob", "another one", "x")) == [0]

    def test_an_address_locked_out_is_told_when_to_come_back(self, users_file):
        async def never(scope, receive, send):
            raise AssertionError

        guard = BasicAuth(never, users_file)
        guard._gatekeeper._failures["testclient"] = (7, time.monotonic())
        response = TestClient(guard).get("/", auth=("ann", "wrong one"))
        assert response.status_code == 429
        assert response.headers["retry-after"] in {"8", "9"}

    def test_an_ipv6_client_is_its_network(self):
        assert address({"client": ("2001:db8:1:2:3:4:5:6", 1)}) == address(
            {"client": ("2001:db8:1:2:ffff::1", 1)}
        )
        assert address({"client": ("2001:db8:1:3::1", 1)}) != address({"client": ("2001:db8:1:2::1", 1)})
        assert address({"client": ("10.0.0.1", 1)}) == "10.0.0.1"


class TestAsking:
    def test_a_client_asks_so_often_and_is_told_when_to_ask_again(self):
        now = [0.0]
        limiter = RateLimiter(2, clock=lambda: now[0])

        def ask(client: str) -> int:
            try:
                with limiter.admitted(client):
                    return 0
            except Busy as busy:
                return busy.retry_after

        assert [ask("ann"), ask("ann"), ask("ann"), ask("bob")] == [0, 0, 31, 0]
        now[0] = 30.0
        assert [ask("ann"), ask("ann")] == [0, 31]

    def test_the_message_says_how_long(self):
        limiter = RateLimiter(1, clock=lambda: 0.0)
        with limiter.admitted("ann"):
            pass
        with (
            pytest.raises(Busy, match=r"You have asked 1 questions within a minute.*Ask again in 61 seconds"),
            limiter.admitted("ann"),
        ):
            pass

    def test_one_too_many_is_told_at_once_and_one_that_waits_too_long_later(self):
        limiter = RateLimiter(at_once=1, waiting=1, patience=0.05)
        with limiter.admitted("a"):
            with pytest.raises(Busy, match="Many people are asking at once"), limiter.admitted("b"):
                pass
            full = RateLimiter(at_once=1, waiting=0, patience=60)
            with full.admitted("a"), pytest.raises(Busy), full.admitted("b"):
                pass
        with limiter.admitted("c"):
            pass

    def test_one_that_waits_comes_in_when_a_place_is_free(self):
        limiter, order = RateLimiter(at_once=1, patience=10), []

        def second():
            with limiter.admitted("b"):
                order.append("b")

        with limiter.admitted("a"):
            waiting = threading.Thread(target=second)
            waiting.start()
            time.sleep(0.05)
            order.append("a")
        waiting.join(10)
        assert order == ["a", "b"]

    def test_a_closed_limiter_ends_what_runs_and_lets_nobody_in(self):
        limiter = RateLimiter(at_once=1)
        done = []

        def answer():
            with limiter.admitted("a"):
                started.set()
                time.sleep(0.2)
                done.append("answered")

        started = threading.Event()
        running = threading.Thread(target=answer)
        running.start()
        started.wait(5)
        assert limiter.close(10) is True
        assert done == ["answered"]
        assert not limiter.open
        with pytest.raises(Busy, match="restarted"), limiter.admitted("b"):
            pass
        running.join()

    def test_the_page_and_the_api_say_so(self, seed_archive, settings):
        page = app.create_app(seed_archive, settings.model_copy(update={"rate": 1}))
        with TestClient(page) as client:
            said = []
            for _ in range(2):
                asked = client.post("/gradio_api/call/v2/ask", json={"question": "Who led the delegation?"})
                said.append(client.get(f"/gradio_api/call/ask/{asked.json()['event_id']}").text)
        assert "event: complete" in said[0]
        assert "event: error" in said[1]
        assert "Ask again in" in said[1]


class TestRequests:
    @pytest.fixture
    def sent(self):
        """What the app behind the guard received."""
        bodies = []

        async def inner(scope, receive, send):
            body = b""
            while (message := await receive())["type"] == "http.request":
                body += message.get("body", b"")
                if not message.get("more_body"):
                    break
            bodies.append(body)
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"ok"})

        return bodies, inner

    def test_a_body_over_the_limit_is_refused_declared_or_not(self, sent):
        bodies, inner = sent
        client = TestClient(RequestGuard(inner))
        assert client.post("/x", content=b"a" * (2 << 20)).status_code == 200
        assert client.post("/x", content=b"a" * ((2 << 20) + 1)).status_code == 413
        assert client.post("/x", content=(b"a" * 70_000 for _ in range(40))).status_code == 413
        assert [len(body) for body in bodies] == [2 << 20]

    def test_files_are_taken_only_where_the_operator_wants_them(self, sent):
        _, inner = sent
        big = b"a" * (3 << 20)
        assert TestClient(RequestGuard(inner)).post("/add", content=b"a").status_code == 404
        allowed = TestClient(RequestGuard(inner, upload=True))
        assert allowed.post("/add", content=big).status_code == 200
        assert allowed.post("/gradio_api/upload", content=b"a").status_code == 404
        assert allowed.post("/gradio_api/run/predict", content=big).status_code == 413

    @pytest.mark.parametrize(
        ("headers", "status"),
        [
            ({}, 200),
            ({"origin": "http://archive.test"}, 200),
            ({"origin": "http://evil.test"}, 403),
            ({"origin": "null"}, 403),
            ({"origin": "http://archive.test.evil.test"}, 403),
            ({"origin": "http://archive.test:81"}, 403),
            ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "cors"}, 403),
            ({"sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors"}, 403),
            ({"sec-fetch-site": "same-origin", "origin": "https://archive.test"}, 200),
        ],
    )
    def test_other_sites_pages_may_neither_read_nor_write(self, sent, headers, status):
        client = TestClient(RequestGuard(sent[1]), base_url="http://archive.test")
        assert client.post("/gradio_api/run/predict", headers=headers).status_code == status
        assert client.get("/config", headers=headers).status_code == status

    def test_a_link_from_another_site_may_be_followed_but_no_form_sent(self, sent):
        client = TestClient(RequestGuard(sent[1]))
        headers = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
        assert client.get("/", headers=headers).status_code == 200
        assert client.post("/", headers=headers).status_code == 403

    def test_a_server_with_names_answers_to_no_other(self, sent):
        guard = RequestGuard(sent[1], hosts=["localhost", "[::1]"])
        for host, status in [
            ("localhost:7860", 200),
            ("LOCALHOST", 200),
            ("[::1]:7860", 200),
            ("evil.test:7860", 421),
        ]:
            assert TestClient(guard).get("/", headers={"host": host}).status_code == status

    @pytest.mark.parametrize(
        "path", ["/gradio_api/proxy=http://x.test/", "/monitoring", "/gradio_api/vibe-edit", "/login", "/logout/",
                 "/gradio_api/run-history/records", "/gradio_api/stream/x"],
    )  # fmt: skip
    def test_doors_of_gradio_that_nobody_needs_are_closed(self, guarded, path):
        assert guarded.get(path, auth=ANN).status_code == 404


class TestLog:
    @pytest.fixture
    def lines(self):
        found = []
        handler = logging.Handler()
        handler.emit = lambda record: found.append(record.getMessage())
        logger = logging.getLogger("qa.requests")
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        yield found
        logger.removeHandler(handler)

    def ask(self, archive, settings, **fields):
        page = app.create_app(archive, settings.model_copy(update=fields))
        with TestClient(page) as client:
            asked = client.post("/gradio_api/call/v2/ask", json={"question": "Who led the SECRET?\n{}"})
            client.get(f"/gradio_api/call/ask/{asked.json()['event_id']}")
            client.get("/article/SECRET{}?q=SECRET")
            client.get("/?q=SECRET")
            client.request("EVIL", "/SECRET")

    def test_each_request_is_a_line_that_names_neither_question_nor_article(
        self, seed_archive, settings, lines
    ):
        self.ask(seed_archive, settings, log_requests=True)
        assert "SECRET" not in "".join(lines)
        entries = [json.loads(line) for line in lines]
        assert set(entries[0]) == {"time", "event", "method", "route", "status", "ms", "client"}
        shown = [(e["method"], e["route"], e["status"]) for e in entries]
        assert ("GET", "/article/{article_id:path}", 404) in shown
        assert ("GET", "/", 200) in shown
        assert ("GET", "/gradio_api/call/{api_name}/{event_id}", 200) in shown
        assert ("OTHER", "none", 404) in shown
        assert {e["client"] for e in entries} == {"testclient"}

    def test_questions_are_written_down_where_the_operator_says_so(self, seed_archive, settings, lines):
        self.ask(seed_archive, settings, log_questions=True)
        asked = [json.loads(line) for line in lines if '"question"' in line]
        assert [entry["question"] for entry in asked if entry["event"] == "question"] == [
            "Who led the SECRET? {}"
        ]

    def test_nothing_is_written_down_by_default(self, seed_archive, settings, lines):
        self.ask(seed_archive, settings)
        assert lines == []


_SLOW = """
import sys, time, qa
from qa.web import app
from qa.types import Answer
settings = qa.Settings(model="tiny", reader=None, port=0)
archive = qa.Archive.create(sys.argv[1], settings=settings)
archive.add([qa.Article(id="1", text="Ann met the mayor.")])
ask = archive.ask
def slow(*args, **kwargs):
    print("asked", flush=True)
    time.sleep(1.5)
    return ask(*args, **kwargs)
archive.ask = slow
app.serve(archive, settings)
"""


def test_a_server_told_to_stop_ends_the_answer_it_has_begun(tmp_path):
    server = subprocess.Popen(
        [sys.executable, "-c", _SLOW, str(tmp_path / "archive")],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "QA_CACHE_DIR": str(tmp_path)},
    )  # fmt: skip
    hangs = threading.Timer(
        90, server.kill
    )  # a server that does not answer ends the test, not the patience of everybody
    hangs.start()
    try:
        line = server.stderr.readline()
        assert "The archive is open at" in line
        url = line.split()[5]
        answers = []

        def ask():
            data = {"data": ["Who met the mayor?", "", "", []]}
            answers.append(httpx.post(f"{url}gradio_api/run/ask", json=data, timeout=30))

        asking = threading.Thread(target=ask)
        asking.start()
        assert server.stdout.readline() == "asked\n"
        server.send_signal(signal.SIGTERM)
        asking.join(30)
        assert server.wait(30) in {0, -signal.SIGTERM}
        assert answers[0].status_code == 200
        assert answers[0].json()["data"][0]["citations"][0]["quote"] == "Ann met the mayor."
    finally:
        hangs.cancel()
        server.kill()
        server.communicate()


@pytest.mark.parametrize(
    ("language", "said"), [("en", "You have asked 1 questions"), ("zh-CN", "请稍后再试")]
)
def test_who_asks_too_often_is_told_in_their_language(seed_archive, language, said):
    seed_archive.settings = seed_archive.settings.model_copy(update={"rate": 1})
    page = app.create_app(seed_archive)
    page.state.ready.set()
    with TestClient(page, base_url="http://archive.test", headers={"Accept-Language": language}) as client:
        assert client.post("/turn", json={"question": "Who?"}).status_code == 200
        refused = client.post("/turn", json={"question": "Who?"})
    assert refused.status_code == 429
    assert said in refused.json()["message"]
    assert int(refused.headers["Retry-After"]) > 0
