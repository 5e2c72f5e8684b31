"""The same question gets the same answer from every door: Python, the shell, the page, Gradio's API and MCP."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner
from mcp import Client
from starlette.testclient import TestClient

import qa
from qa.cli import cli
from qa.mcp_server import server
from qa.web.app import create_app
from qa.web.middleware.rate_limit import RateLimiter

LED = [("user", "Who led the Nanling delegation?"), ("assistant", "Lu Yueping led a team.")]
MET = [
    ("user", "When did the court of Chengzhong meet?"),
    ("assistant", "On the afternoon of September 21, 2022."),
]


class Asked(NamedTuple):
    """A question, and what goes with it."""

    question: str
    history: list[tuple[str, str]] = []
    after: str = ""
    before: str = ""
    sources: tuple[str, ...] = ()

    @property
    def turns(self) -> list[dict[str, str]]:
        return [{"role": role, "content": content} for role, content in self.history]


QUESTIONS = [
    *map(
        Asked,
        [
            "Who led the Nanling delegation?",
            "When was the first ministerial meeting of 2022 held?",
            "Who presided over the ministerial meeting?",
            "What are the four requirements of the Second Procuratorial Department?",
            "How many cultural brands were recommended in Anhui?",
            "Which court took part in the symposium?",
            "Who led the Nanling delegation, and when did it travel?",
            "Who led the trip to Lin'an in September 2023?",
            "Who visited Lin'an in 2019?",
            "What happened in September 2023?",
            "Which meetings were held in articles published in 2022?",
            "Who visited Lin'an in articles published in May 2019?",
            "What did Wuhu City report in February 2024?",
            "What has changed since last year?",
            "List every article that mentions Nanling",
            "How many articles mention public interest litigation?",
            "List all articles that mention unicorns",
            "When was the article on the Taiqian ministerial meeting published?",
            "Who wrote the article on the Chengzhong symposium?",
            "What is the boiling point of tungsten?",
            "Who is the mayor of Paris?",
            "谁带队前往临安？",
            "列出提到 Huaibei 的文章",
            "2023年9月发生了什么？",
            "Nanling",
            "Who led\x00 the delegation?",
        ],
    ),
    Asked("Who led the delegation?", after="2023"),
    Asked("Who presided over the meeting?", before="2022-12-31"),
    Asked("Who led the Nanling delegation?", after="2024-01-01"),
    Asked("What was discussed?", sources=("Wuhu City",)),
    Asked("Who led the trip in September 2023?", after="2022", before="2022"),
    Asked("And who showed them round?", LED),
    Asked("When was it?", LED),
    Asked("How many guests came?", LED),
    Asked("boiling point of tungsten?", LED),
    Asked("When did the Taiqian department meet?", LED),
    Asked("And in 2024?", LED),
    Asked("Who came from the court?", MET),
    Asked("Which of them spoke in September 2022?", MET),
    Asked("And there?", MET, after="2022"),
    Asked("那他呢？", LED),
]


def seen(answer: dict[str, Any]) -> dict[str, Any]:
    """Return what every door shows of an answer."""
    places = [(c["article_id"], c["start"], c["end"]) for c in answer["citations"]]
    return {
        "text": answer["text"],
        "places": places,
        "confidence": pytest.approx(answer["confidence"], abs=1e-3),
    }


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory):
    """The seeds, answering whatever is not below a low threshold."""
    settings = qa.Settings(model="tiny", reader=None, rate=0, cache_dir=tmp_path_factory.mktemp("cache"))
    with qa.Archive.create(tmp_path_factory.mktemp("doors") / "a", settings=settings) as archive:
        archive.add(Path(__file__).parent.parent / "seeds")
        with TestClient(create_app(archive, settings), base_url="http://127.0.0.1") as client:
            yield archive, client


def from_python(archive: qa.Archive, asked: Asked) -> dict[str, Any]:
    filters = qa.Filters.parse(asked.after, asked.before, asked.sources)
    turns = [qa.Turn(**turn) for turn in asked.turns]
    return qa.ask(asked.question, archive, turns, filters).model_dump(mode="json")


def from_the_shell(archive: qa.Archive, asked: Asked, folder: Path, monkeypatch) -> dict[str, Any]:
    monkeypatch.setenv("QA_READER", "none")
    arguments = ["ask", asked.question, "--archive", str(archive.path), "--json"]
    if asked.history:
        (folder / "history.json").write_text(json.dumps(asked.turns), "utf-8")
        arguments += ["--history", str(folder / "history.json")]
    for option, value in (("--after", asked.after), ("--before", asked.before)):
        arguments += [option, value] if value else []
    for source in asked.sources:
        arguments += ["--source", source]
    done = CliRunner().invoke(cli, arguments, standalone_mode=False)
    assert done.exception is None, done.output
    return json.loads(done.stdout)


def from_gradio(client: TestClient, asked: Asked) -> dict[str, Any]:
    data = {
        "question": asked.question,
        "after": asked.after,
        "before": asked.before,
        "sources": list(asked.sources),
        **({"history": asked.turns} if asked.history else {}),
    }
    name = "follow_up" if asked.history else "ask"
    event = client.post(f"/gradio_api/call/v2/{name}", json=data).json()["event_id"]
    stream = client.get(f"/gradio_api/call/{name}/{event}").text
    [line] = [line for line in stream.splitlines() if line.startswith("data: ")]
    return json.loads(line.removeprefix("data: "))[0]


def from_mcp(archive: qa.Archive, asked: Asked) -> dict[str, Any]:
    async def call() -> Any:
        arguments = {
            "question": asked.question,
            "after": asked.after,
            "before": asked.before,
            "sources": list(asked.sources),
            "history": asked.turns,
        }
        async with Client(server(archive, RateLimiter())) as client:
            return await client.call_tool("ask", arguments)

    return asyncio.run(call()).structured_content


@pytest.mark.parametrize("asked", QUESTIONS, ids=[asked.question[:40] for asked in QUESTIONS])
def test_every_door_gives_the_same_answer(opened, asked, tmp_path, monkeypatch):
    archive, client = opened
    answer = from_python(archive, asked)
    assert seen(from_the_shell(archive, asked, tmp_path, monkeypatch)) == seen(answer)
    assert seen(from_gradio(client, asked)) == seen(answer)
    assert seen(from_mcp(archive, asked)) == seen(answer)
    sent = {
        "question": asked.question,
        "history": asked.turns,
        "after": asked.after,
        "before": asked.before,
        "sources": list(asked.sources),
    }
    page = client.post("/turn", json=sent).json()
    assert page["text"] == answer["text"]
    assert page["cited"] == list(dict.fromkeys(c["article_id"] for c in answer["citations"]))
    assert page["filters"] == answer["query"]["filters"]
    assert page["understood"] == answer["query"]["text"]
