"""What 81 questions of all kinds are answered with the shipped models: nothing moves without being seen.

After a change that is meant, ``python -m tests.test_golden`` records the answers anew; read the difference.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import qa

RECORD = Path(__file__).parent / "golden" / "answers.jsonl"
ENTRIES = [json.loads(line) for line in RECORD.read_text("utf-8").splitlines()]
pytestmark = pytest.mark.model


@pytest.mark.parametrize("entry", ENTRIES, ids=[entry["id"] for entry in ENTRIES])
def test_the_answer_is_as_recorded(entry):
    recorded = entry.get("answer", entry.get("error"))
    given = answered(entry)
    if isinstance(recorded, dict) and isinstance(given, dict):
        assert given.pop("confidence") == pytest.approx(recorded.pop("confidence"), abs=0.02)
    assert given == recorded


def answered(entry: dict[str, Any]) -> dict[str, Any] | str:
    """Ask a recorded question; return what is recorded of an answer, or of an error."""
    filters = qa.Filters(
        after=entry.get("after"), before=entry.get("before"), sources=tuple(entry.get("sources", ()))
    )
    try:
        answer = qa.ask(entry["question"], None, [qa.Turn(**turn) for turn in entry["history"]], filters)
    except qa.QAError as error:
        return str(error)
    return {
        "kind": answer.kind,
        "text": answer.text,
        "confidence": round(answer.confidence, 3),
        "abstained": answer.abstained,
        "differ": answer.differ,
        "question": answer.question,
        "understood": answer.query.text,
        "filters": answer.query.filters.model_dump(mode="json"),
        "given_up": answer.given_up and answer.given_up.model_dump(mode="json"),
        "unanswered": list(answer.unanswered),
        "citations": [[c.article_id, c.start, c.end, c.answer_start, c.answer_end] for c in answer.citations],
        "found": [[hit.article_id, hit.passage.start] for hit in answer.hits],
    }


def record() -> None:
    """Write the present answers to the record."""
    lines = []
    for entry in ENTRIES:
        asked = {name: value for name, value in entry.items() if name not in ("answer", "error")}
        given = answered(entry)
        asked["error" if isinstance(given, str) else "answer"] = given
        lines.append(json.dumps(asked, ensure_ascii=False) + "\n")
    RECORD.write_text("".join(lines), "utf-8")


if __name__ == "__main__":
    record()
