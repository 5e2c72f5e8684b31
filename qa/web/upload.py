"""The page where articles are added: a form, then the work as it goes on, then the report."""

from __future__ import annotations

import queue
import tempfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse

from embeddings import EmbeddingError
from qa.archive import Archive
from qa.errors import InputError, QAError
from qa.types import Article, IngestReport, Progress
from qa.web import received as upload
from qa.web.middleware.request_guard import MOST_UPLOADED
from qa.web.middleware.security_headers import FORM_POLICY
from qa.web.page_texts import ADDING
from qa.web.pages.html import document, escape, isolate
from qa.web.texts import Texts, texts_for

SHOWN_SKIPS = 100
_HEADERS = {
    "Content-Security-Policy": FORM_POLICY,
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
}
_END = "<!-- the end -->"


def add_adding(app: FastAPI, archive: Archive) -> None:
    """Add ``/add`` to an app, where one person at a time adds articles to the archive."""
    working = threading.Lock()

    @app.get("/add")
    def form(request: Request) -> Response:
        texts = _texts(request)
        return HTMLResponse(_page(_form({}, texts), texts), headers=_HEADERS)

    @app.post("/add")
    async def received(request: Request) -> Response:
        texts, given = _texts(request), dict[str, str]()

        def refused(why: str, status: int, **headers: str) -> Response:
            page = _page(_problem(why) + _form(given, texts), texts)
            return HTMLResponse(page, status, headers={**_HEADERS, **headers})

        try:
            sent = await request.form(max_files=upload.MOST_FILES, max_fields=20, max_part_size=16 << 20)
        except HTTPException as error:
            return refused(str(error.detail), 400)
        given = {name: str(sent.get(name, "")) for name in ("text", *ADDING[texts.lang].fields)}
        if not working.acquire(blocking=False):
            return refused(
                "Somebody else is adding articles. Send them again in a moment.", 503, **{"Retry-After": "30"}
            )
        aside = tempfile.TemporaryDirectory(prefix="qa-upload-")
        try:
            files = [
                (f.filename or "", f.file)
                for f in sent.getlist("files")
                if isinstance(f, UploadFile) and f.size
            ]
            await run_in_threadpool(upload.store, files, Path(aside.name))
            text = upload.pasted(given)
            if not (files or text):
                raise InputError("There is nothing to add. Choose files, or paste a text.")
        except QAError as error:
            working.release()
            aside.cleanup()
            return refused(str(error), 400)
        except BaseException:
            working.release()
            aside.cleanup()
            raise
        events: queue.SimpleQueue[Progress | str] = queue.SimpleQueue()
        threading.Thread(
            target=_work, args=(archive, text, aside, events, working, texts), daemon=True
        ).start()
        return StreamingResponse(
            _told(events, texts), media_type="text/html; charset=utf-8", headers=_HEADERS
        )


def _texts(request: Request) -> Texts:
    return texts_for(request.headers.get("accept-language"))


def _work(
    archive: Archive,
    text: Article | None,
    aside: tempfile.TemporaryDirectory[str],
    events: queue.SimpleQueue[Progress | str],
    working: threading.Lock,
    texts: Texts,
) -> None:
    """Add the articles, whether or not the browser stays to see it."""
    said = _problem("The articles could not be added; the server's log says why.")
    try:
        said = _report(upload.add(archive, text, Path(aside.name), events.put), texts)
    except (QAError, EmbeddingError) as error:
        said = _problem(str(error))
    finally:
        aside.cleanup()
        working.release()
        events.put(said)


def _told(events: queue.SimpleQueue[Progress | str], texts: Texts) -> Iterator[str]:
    """Yield the page piece by piece, as the work goes on; its stylesheet shows the latest piece only."""
    words = ADDING[texts.lang]
    head, _, tail = _page(_END, texts).partition(_END)
    yield f'{head}<div class="progress" role="status"><p>{words.reading}</p>\n'
    shown = 0.0
    while not isinstance(event := events.get(), str):
        if event.seconds - shown >= 1:
            shown = event.seconds
            told = words.progress.format(stored=f"{event.stored:,}", skipped=f"{event.skipped:,}")
            yield f"<p>{told}</p>\n"
    yield f'</div>{event}<p><a href="/add">{words.more}</a></p>{tail}'


def _page(body: str, texts: Texts) -> str:
    title = ADDING[texts.lang].title
    back = f'<a class="back" href="/"><span aria-hidden="true">←</span> {texts.home}</a>'
    main = f'<main class="adding"><h1>{title}</h1>\n{body}\n</main>'
    return document(
        title, f'<header class="bar">{back}</header>\n{main}', texts, styles=("article", "adding")
    )


def _form(given: Mapping[str, str], texts: Texts) -> str:
    """Render the form, with what was given already: files have to be chosen again."""
    words = ADDING[texts.lang]
    fields = "".join(
        f'<label>{label}<input name="{name}" maxlength="2000" value="{escape(given.get(name, ""))}" '
        'autocomplete="off"></label>'
        for name, label in words.fields.items()
    )
    return (
        '<form action="/add" method="post" enctype="multipart/form-data">'
        f"<label>{words.files.format(most=MOST_UPLOADED >> 20)}"
        '<input type="file" name="files" multiple></label>'
        f"<fieldset><legend>{words.paste}</legend>"
        f'<label>{words.text}<textarea name="text" rows="8">\n{escape(given.get("text", ""))}</textarea></label>'
        f'{fields}</fieldset><p class="soft">{words.note}</p><button type="submit">{words.add}</button></form>'
    )


def _problem(message: str) -> str:
    return f'<p class="notice" role="alert">{isolate(message)}</p>'


def _report(report: IngestReport, texts: Texts) -> str:
    words = ADDING[texts.lang]
    numbers = {**report.model_dump(exclude={"skipped"}), "skipped": len(report.skipped)}
    counts = [text.format(n=f"{numbers[name]:,}") for name, text in words.counts.items() if numbers[name]]
    items = "".join(
        f"<li>{isolate(where)}: {escape(why)}</li>" for where, why in report.skipped[:SHOWN_SKIPS]
    )
    more = len(report.skipped) - SHOWN_SKIPS
    if more > 0:
        items += f"<li>{words.and_more.format(n=f'{more:,}')}</li>"
    skipped = f"<p>{words.skipped}</p><ul>{items}</ul>" if items else ""
    said = texts.joined(counts) or words.nothing
    return f'<p role="status"><strong>{said}</strong></p>{skipped}'
