"""What people say about answers, kept beside the archive as questions that ``python -m evals`` can ask again."""

from __future__ import annotations

import json
import os
import re
import shutil
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import parse_qs, unquote, urlsplit

from filelock import FileLock, Timeout
from pydantic import Field

from qa.archive import Archive
from qa.errors import ArchiveReadOnly, ArticleNotFound, FeedbackError
from qa.types import Answer, Article, Frozen, Text, Turn

FOLDER, QUESTIONS = "feedback", "queries.jsonl"
MOST_BYTES, LONGEST_LINE = 16 << 20, 64 << 10
"""Size of the file, and of an entry in it."""
UNJUDGED = "underspecified"
"""The type of questions for which no right answer is known; evaluations pass them over."""
_LOCKED = 10.0

Verdict = Literal["good", "bad"]


class Feedback(Frozen):
    """What a person says about an answer.

    ``article`` is where the right answer stands: an article's id, or the address of its page; ``quote`` is what
    it says there.
    """

    verdict: Verdict
    article: Annotated[Text, Field(max_length=2000)] = ""
    quote: Annotated[Text, Field(max_length=2000)] = ""
    consent: bool = False
    """Whether the person has agreed that question, conversation and feedback are kept."""


def keep(
    archive: Archive, feedback: Feedback, answer: Answer, history: Sequence[Turn] = ()
) -> dict[str, Any]:
    """Append feedback on an answer to ``feedback/queries.jsonl`` in the archive's folder; return the entry.

    Raises:
        FeedbackError: The person has not agreed, the quote is not in the article, or there is no room.
        ArticleNotFound: There is no such article.
        ArchiveReadOnly: The folder cannot be written.
    """
    if not feedback.consent:
        raise FeedbackError("Nothing was kept. Agree that it is kept, then send it again.")
    entry = _entry(archive, feedback, answer, history)
    line = (json.dumps(entry, ensure_ascii=False) + "\n").encode()
    if len(line) > LONGEST_LINE:
        raise FeedbackError("This conversation is too long to be kept. Start a new one and ask again.")
    folder = archive.path / FOLDER
    try:
        folder.mkdir(exist_ok=True)
        with FileLock(folder / ".lock", timeout=_LOCKED), (folder / QUESTIONS).open("ab") as file:
            if file.tell() + len(line) > MOST_BYTES:
                raise FeedbackError("There is no room for more feedback. Tell who runs this archive.")
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
    except Timeout:
        raise FeedbackError("Feedback is being written by others. Send it again in a moment.") from None
    except OSError as error:
        raise ArchiveReadOnly(f"Feedback cannot be kept in {folder} ({error.strerror}).") from None
    return entry


def export(archive: Archive, folder: Path) -> int:
    """Write an evaluation folder of the feedback and the archive's articles; return how many questions it holds.

    Raises:
        FeedbackError: There is no feedback, or the folder holds something or cannot be written.
    """
    questions = archive.path / FOLDER / QUESTIONS
    if not questions.is_file():
        raise FeedbackError("There is no feedback yet. Serve the archive with QA_FEEDBACK=1 to collect some.")
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise FeedbackError(f"{folder} already holds something. Name a new folder.")
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(questions, folder / QUESTIONS)
        with (folder / "corpus.jsonl").open("w", encoding="utf-8") as corpus:
            for article in archive:
                row = article.model_dump(mode="json", exclude={"extra"}, exclude_none=True)
                corpus.write(json.dumps(row, ensure_ascii=True) + "\n")
        count = 0
        with (folder / "qrels.tsv").open("w", encoding="utf-8") as qrels:
            for line in (folder / QUESTIONS).read_text("utf-8").splitlines():
                entry, count = json.loads(line), count + 1
                ids = {evidence["doc_id"] for evidence in entry["evidence"]}
                qrels.writelines(
                    f"{entry['id']}\t{i}\t1\n" for i in sorted(ids) if not re.search(r"[\t\r\n]", i)
                )
        return count
    except OSError as error:
        raise FeedbackError(f"{folder} cannot be written ({error.strerror}). Name another.") from None


def _entry(archive: Archive, feedback: Feedback, answer: Answer, history: Sequence[Turn]) -> dict[str, Any]:
    """A question as ``evals.dataset`` reads it; what else is known stands in fields that it passes over."""
    evidence, answers, answerable, kind = [], [], True, "extractive"
    if feedback.article.strip():
        evidence = [_evidence(_article(archive, feedback.article.strip()), feedback.quote.strip())]
    elif feedback.verdict == "good" and answer.abstained:
        answerable, kind = False, "unanswerable"
    elif feedback.verdict == "good":
        evidence = [
            {"doc_id": c.article_id, "quote": c.quote, "start": c.start, "end": c.end}
            for c in answer.citations
        ]
        answers = list(dict.fromkeys(c.answer for c in answer.citations if c.answer))
    else:
        kind = UNJUDGED
    filters = answer.query.filters
    return {
        "id": f"feedback-{uuid.uuid4().hex}",
        "question": answer.question,
        "answers": answers,
        "answerable": answerable,
        "type": kind,
        "history": [turn.model_dump() for turn in history],
        "evidence": evidence,
        "verdict": feedback.verdict,
        "said": answer.text,
        "filters": filters.model_dump(mode="json") if filters.active else None,
        "given": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _article(archive: Archive, named: str) -> Article:
    """Find an article by its id or the address of its page on this server."""
    parts = urlsplit(named) if "/article/" in named else None
    found = [named]
    if parts and "/article/" in parts.path:
        found += [unquote(parts.path.partition("/article/")[2]), *parse_qs(parts.query).get("id", [])]
    for article_id in filter(None, found):
        try:
            return archive.get(article_id)
        except ArticleNotFound:
            continue
    raise ArticleNotFound("There is no such article. Open it, and give the address of its page.")


def _evidence(article: Article, quote: str) -> dict[str, Any]:
    if not quote:
        return {"doc_id": article.id}
    pattern = r"\s+".join(map(re.escape, quote.split()))
    match = re.search(pattern, article.text)
    if match is None:
        raise FeedbackError("These words do not stand in the article. Copy them from it, or leave them out.")
    return {"doc_id": article.id, "quote": match[0], "start": match.start(), "end": match.end()}
