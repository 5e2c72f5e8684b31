"""The archive as MCP tools, through the package's own client over both transports."""

from __future__ import annotations

import asyncio
import base64
import os
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import httpx2
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client

import qa
from qa.mcp_server import server
from qa.web.middleware.auth import Users
from qa.web.middleware.rate_limit import RateLimiter

ROOT = Path(__file__).parent.parent
ENV = {**os.environ, "QA_MODEL": "tiny", "QA_READER": "none", "QA_REFUSE": "0", "PYTHONPATH": str(ROOT)}


def called(archive: qa.Archive, *calls: tuple[str, dict], gate: RateLimiter | None = None) -> list:
    async def work():
        async with Client(server(archive, gate or RateLimiter())) as client:
            return [await client.call_tool(name, arguments) for name, arguments in calls]

    return asyncio.run(work())


def test_the_tools_say_what_they_do_take_and_give(seed_archive):
    async def work():
        async with Client(server(seed_archive, RateLimiter())) as client:
            return (await client.list_tools()).tools

    tools = {tool.name: tool for tool in asyncio.run(work())}
    assert sorted(tools) == ["ask", "list_mentions", "read_article", "search"]
    for tool in tools.values():
        assert len(tool.description) > 50
        assert tool.annotations.read_only_hint
        assert "context" not in tool.input_schema["properties"]
        assert all("description" in given for given in tool.input_schema["properties"].values())
        assert tool.output_schema["properties"]


def test_ask_quotes_with_exact_places(seed_archive, settings):
    sure = qa.Archive.open(seed_archive.path, settings=settings.model_copy(update={"refuse": 0.0}))
    [result] = called(sure, ("ask", {"question": "Who led the Nanling delegation?", "after": "2022"}))
    said = result.structured_content
    assert said["answered"]
    for quote in said["citations"]:
        assert seed_archive.get(quote["article_id"]).text[quote["start"] : quote["end"]] == quote["quote"]
        assert quote["short_answer"] is None or quote["short_answer"] in quote["quote"]


def test_a_follow_up_is_asked_with_the_conversation_before_it(seed_archive):
    question, first = "When was it?", "Who led the Nanling delegation?"
    given = {"question": question, "history": [{"role": "user", "content": first}]}
    asked, searched = called(seed_archive, ("ask", given), ("search", {**given, "limit": 2}))
    turns = [qa.Turn(role="user", content=first)]
    assert asked.structured_content["text"] == seed_archive.ask(question, turns).text
    hits = seed_archive.search(question, 2, turns)
    assert [p["text"] for p in searched.structured_content["passages"]] == [hit.text for hit in hits]


def test_ask_says_that_the_archive_does_not(seed_archive):
    [result] = called(seed_archive, ("ask", {"question": "What is the boiling point of tungsten?"}))
    assert not result.structured_content["answered"]
    assert result.structured_content["citations"] == []
    assert not result.is_error


def test_search_finds_articles_best_first(seed_archive):
    [result] = called(seed_archive, ("search", {"question": "public interest litigation", "limit": 3}))
    passages = result.structured_content["passages"]
    assert [p["rank"] for p in passages] == [1, 2, 3]
    for p in passages:
        assert seed_archive.get(p["article_id"]).text[p["start"] : p["end"]] == p["text"]


def test_an_article_is_read_in_stretches(seed_archive):
    article = next(iter(seed_archive))
    text, start = "", 0
    while start is not None:
        [result] = called(
            seed_archive, ("read_article", {"article_id": article.id, "start": start, "length": 1000})
        )
        text += result.structured_content["text"]
        start = result.structured_content["next_start"]
    assert text == article.text
    assert result.structured_content["text_sha256"] == article.text_sha256


def test_mentions_are_counted_and_listed_in_stretches(seed_archive):
    first, second = called(
        seed_archive,
        ("list_mentions", {"term": "Lu Yueping", "limit": 2}),
        ("list_mentions", {"term": "Lu Yueping", "limit": 2, "offset": 2}),
    )
    assert (first.structured_content["total"], first.structured_content["articles"]) == (3, 2)
    assert first.structured_content["next_offset"] == 2
    assert len(second.structured_content["mentions"]) == 1
    assert second.structured_content["next_offset"] is None


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("ask", {"question": " "}, "The question is empty"),
        ("ask", {"question": "Who?", "after": "soon"}, "is not a date"),
        ("read_article", {"article_id": "../../etc/passwd"}, "holds no article"),
        ("list_mentions", {"term": "?!"}, "no word to look for"),
        ("search", {"question": "x", "limit": 10_000}, "less than or equal to 50"),
        ("ask", {}, "question"),
    ],
)
def test_what_goes_wrong_is_one_clear_message(seed_archive, name, arguments, said):
    [result] = called(seed_archive, (name, arguments))
    assert result.is_error
    assert said in result.content[0].text
    assert "Traceback" not in result.content[0].text


def test_asking_too_often_is_refused(seed_archive):
    first, second = called(
        seed_archive, ("ask", {"question": "Who?"}), ("ask", {"question": "Who?"}), gate=RateLimiter(1)
    )
    assert not first.is_error
    assert second.is_error
    assert "Ask again in" in second.content[0].text


def test_over_standard_input_and_output(seed_archive):
    async def work():
        command = ["-m", "qa", "mcp", "--archive", str(seed_archive.path)]
        async with Client(
            StdioServerParameters(command=sys.executable, args=command, env=ENV, cwd=ROOT)
        ) as client:
            tools = (await client.list_tools()).tools
            asked = await client.call_tool("ask", {"question": "Who led the Nanling delegation?"})
            wrong = await client.call_tool("read_article", {"article_id": "none"})
            return tools, asked, wrong

    tools, asked, wrong = asyncio.run(asyncio.wait_for(work(), 60))
    assert len(tools) == 4
    assert asked.structured_content["citations"]
    assert wrong.is_error


def test_over_http_for_users_only(seed_archive, tmp_path):
    users = tmp_path / "users"
    Users({}).with_password("ann", "correct horse").write(users)
    served = subprocess.Popen(
        [sys.executable, "-m", "qa", "mcp", "--http", "--port", "0", "--archive", str(seed_archive.path)],
        env={**ENV, "QA_AUTH": str(users)}, cwd=ROOT, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        line = served.stderr.readline()
        url = line.split()[5]
        assert url.endswith("/mcp")

        @asynccontextmanager
        async def connected(**options):
            async with (
                httpx2.AsyncClient(**options) as http,
                Client(streamable_http_client(url, http_client=http)) as client,
            ):
                yield client

        async def work():
            async with connected(auth=("ann", "correct horse")) as client:
                mentions = await client.call_tool("list_mentions", {"term": "Lu Yueping"})
                asked = await client.call_tool("ask", {"question": "Who led the Nanling delegation?"})
                return mentions.structured_content["total"], asked.structured_content["citations"]

        total, citations = asyncio.run(asyncio.wait_for(work(), 60))
        assert total == 3
        assert citations
        base = url.removesuffix("/mcp")
        for path in ("/mcp", "/mcp/", "/", "/openapi.json", "/.well-known/oauth-protected-resource"):
            for method in ("GET", "POST", "DELETE", "OPTIONS"):
                assert httpx.request(method, base + path).status_code == 401, (method, path)
        assert httpx.get(base + "/healthz").text in {"ready\n", "not ready\n"}
        allowed = {"authorization": "Basic " + base64.b64encode(b"ann:correct horse").decode()}
        assert httpx.post(url, json={}, headers={**allowed, "origin": "http://evil.test"}).status_code == 403
    finally:
        served.terminate()
        served.wait(30)
        served.stderr.close()


def test_without_the_package_the_command_says_what_to_install(tmp_path):
    code = "import sys; sys.modules['mcp'] = None; from qa.cli import main; main(['mcp'])"
    done = subprocess.run(
        [sys.executable, "-c", code], env=ENV, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr == "qa: qa mcp needs the package mcp: pip install 'archive-qa[mcp]'\n"
