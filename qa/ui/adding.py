"""The page where articles are added: a form, then the work as it goes on, then the report."""

from __future__ import annotations

import queue
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse

from embeddings import EmbeddingError
from qa import upload
from qa.archive import Archive
from qa.errors import QAError
from qa.types import Article, IngestReport, Progress
from qa.ui.html import document, escape, isolate
from qa.ui.policy import FORM_POLICY

SHOWN_SKIPS = 100
_HEADERS = {
    "Content-Security-Policy": FORM_POLICY,
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
}
_FIELDS = (
    ("title", "Title"),
    ("source", "Source"),
    ("published", "Date, such as 2023-09-11"),
    ("url", "Web address"),
)
_END = "<!-- the end -->"


def add_adding(app: FastAPI, archive: Archive) -> None:
    """Add ``/add`` to an app, where one person at a time adds articles to the archive."""
    working = threading.Lock()

    @app.get("/add")
    def form() -> Response:
        return HTMLResponse(_page(_form()), headers=_HEADERS)

    @app.post("/add")
    async def received(request: Request) -> Response:
        try:
            sent = await request.form(max_files=upload.MOST_FILES, max_fields=20, max_part_size=16 << 20)
        except HTTPException as error:
            return HTMLResponse(_page(_problem(str(error.detail)) + _form()), 400, headers=_HEADERS)
        if not working.acquire(blocking=False):
            busy = "Somebody else is adding articles. Send them again in a moment."
            return HTMLResponse(
                _page(_problem(busy) + _form()), 503, headers={**_HEADERS, "Retry-After": "30"}
            )
        aside = tempfile.TemporaryDirectory(prefix="qa-upload-")
        try:
            files = [
                (f.filename or "", f.file)
                for f in sent.getlist("files")
                if isinstance(f, UploadFile) and f.size
            ]
            await run_in_threadpool(upload.store, files, Path(aside.name))
            text = upload.pasted({name: str(sent.get(name, "")) for name in ("text", *dict(_FIELDS))})
        except QAError as error:
            working.release()
            aside.cleanup()
            return HTMLResponse(_page(_problem(str(error)) + _form()), 400, headers=_HEADERS)
        except BaseException:
            working.release()
            aside.cleanup()
            raise
        events: queue.SimpleQueue[Progress | str] = queue.SimpleQueue()
        threading.Thread(target=_work, args=(archive, text, aside, events, working), daemon=True).start()
        return StreamingResponse(_told(events), media_type="text/html; charset=utf-8", headers=_HEADERS)


def _work(
    archive: Archive,
    text: Article | None,
    aside: tempfile.TemporaryDirectory[str],
    events: queue.SimpleQueue[Progress | str],
    working: threading.Lock,
) -> None:
    """Add the articles, whether or not the browser stays to see it."""
    said = _problem("The articles could not be added; the server's log says why.")
    try:
        said = _report(upload.add(archive, text, Path(aside.name), events.put))
    except (QAError, EmbeddingError) as error:
        said = _problem(str(error))
    finally:
        aside.cleanup()
        working.release()
        events.put(said)


def _told(events: queue.SimpleQueue[Progress | str]) -> Iterator[str]:
    """Yield the page piece by piece, as the work goes on."""
    head, _, tail = _page(_END).partition(_END)
    yield f'{head}<div role="status"><p>Reading …</p>\n'
    shown = 0.0
    while not isinstance(event := events.get(), str):
        if event.seconds - shown >= 1:
            shown = event.seconds
            yield f'<p class="soft">{event.stored:,} articles stored, {event.skipped:,} skipped …</p>\n'
    yield f'</div>{event}<p><a href="/add">Add more</a></p>{tail}'


def _page(body: str) -> str:
    back = '<a class="back" href="/"><span aria-hidden="true">←</span> Ask the archive</a>'
    main = f'<main class="adding"><h1>Add articles</h1>\n{body}\n</main>'
    return document(
        "Add articles", f'<header class="bar">{back}</header>\n{main}', styles=("article", "adding")
    )


def _form() -> str:
    fields = "".join(
        f'<label>{label}<input name="{name}" maxlength="2000" autocomplete="off"></label>'
        for name, label in _FIELDS
    )
    return (
        '<form action="/add" method="post" enctype="multipart/form-data">'
        "<label>Files: text, web pages, PDF, DOCX, JSON Lines, CSV, ZIP of these"
        '<input type="file" name="files" multiple></label>'
        "<fieldset><legend>Or paste a text</legend>"
        f'<label>Text<textarea name="text" rows="8"></textarea></label>{fields}'
        '</fieldset><p class="soft">Everyone who can ask can read what you add. A file with the name of one that is '
        'there takes its place.</p><button type="submit">Add</button></form>'
    )


def _problem(message: str) -> str:
    return f'<p class="notice" role="alert">{isolate(message)}</p>'


def _report(report: IngestReport) -> str:
    counts = f"{report.added:,} added, {report.updated:,} updated, {report.unchanged:,} unchanged, "
    items = "".join(
        f"<li>{isolate(where)}: {escape(why)}</li>" for where, why in report.skipped[:SHOWN_SKIPS]
    )
    more = len(report.skipped) - SHOWN_SKIPS
    if more > 0:
        items += f"<li>and {more:,} more</li>"
    skipped = f"<p>Skipped:</p><ul>{items}</ul>" if items else ""
    return f'<p role="status"><strong>{counts}{len(report.skipped):,} skipped.</strong></p>{skipped}'
