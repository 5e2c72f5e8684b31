"""The page where articles are added: what people send is stored aside, read as ``qa index`` reads, and added."""

from __future__ import annotations

import queue
import re
import shutil
import tempfile
import threading
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse

from qa.archive import Archive
from qa.errors import Busy, InputError
from qa.loaders.limits import Unreadable
from qa.loaders.loaded import make_article
from qa.loaders.registry import load_paths
from qa.types import Article, IngestReport, Progress, Skipped
from qa.web.middleware.request_guard import MOST_UPLOADED
from qa.web.middleware.security_headers import FORM_POLICY
from qa.web.pages.html import render, render_stream
from qa.web.statuses import PROBLEMS, headers_of, status_of, words_of
from qa.words import PageWords

MOST_FILES = 500
"""Files that may be sent at once."""
SHOWN_SKIPS = 100
"""Skipped files that a report lists."""
_LONGEST_NAME = 100
_RETRY = 30
"""Seconds after which it makes sense to send again what came while somebody else was adding."""
_HEADERS = {
    "Content-Security-Policy": FORM_POLICY,
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
}


def add_adding(app: FastAPI, archive: Archive) -> None:
    """Add ``/add`` to an app, where one person at a time adds articles to the archive."""
    working = threading.Lock()

    @app.get("/add")
    def form(request: Request) -> Response:
        return HTMLResponse(_form_page({}, words_of(request)), headers=_HEADERS)

    @app.post("/add")
    async def send(request: Request) -> Response:
        words, given = words_of(request), dict[str, str]()
        try:
            sent = await request.form(max_files=MOST_FILES, max_fields=20, max_part_size=16 << 20)
            given = {name: str(sent.get(name, "")) for name in ("text", *words.adding.fields)}
            work = await run_in_threadpool(_begun, archive, sent, given, working, words)
        except HTTPException as error:
            page = _form_page(given, words, str(error.detail))
            return HTMLResponse(page, error.status_code, headers=_HEADERS)
        except PROBLEMS as error:
            page = _form_page(given, words, str(error))
            return HTMLResponse(page, status_of(error), headers={**_HEADERS, **headers_of(error)})
        pieces = render_stream("adding.html", work=work, words=words)
        return StreamingResponse(iter(pieces), media_type="text/html; charset=utf-8", headers=_HEADERS)


def _form_page(given: Mapping[str, str], words: PageWords, problem: str = "") -> str:
    """Render the form, with what was given already: files have to be chosen again."""
    filled = dict.fromkeys(("text", *words.adding.fields), "") | dict(given)
    return render(
        "adding.html", work=None, given=filled, problem=problem, most=MOST_UPLOADED >> 20, words=words
    )


def _begun(
    archive: Archive, sent: FormData, given: Mapping[str, str], working: threading.Lock, words: PageWords
) -> Work:
    """Store what was sent aside, and begin to add it.

    Raises:
        Busy: Somebody else is adding articles.
        InputError: There is nothing to add, or a field does not fit.
    """
    if not working.acquire(blocking=False):
        raise Busy(words.errors.adding, _RETRY)
    aside = tempfile.TemporaryDirectory(prefix="qa-upload-")

    def ended() -> None:
        aside.cleanup()
        working.release()

    try:
        files = [
            (f.filename or "", f.file) for f in sent.getlist("files") if isinstance(f, UploadFile) and f.size
        ]
        store(files, Path(aside.name))
        text = pasted(given)
        if not (files or text):
            raise InputError("There is nothing to add. Choose files, or paste a text.")
    except BaseException:
        ended()
        raise
    return Work(archive, text, Path(aside.name), ended, words)


class Work:
    """Adds articles, whether or not the browser stays to see it; tells how it goes on, then how it ended."""

    def __init__(
        self,
        archive: Archive,
        text: Article | None,
        folder: Path,
        ended: Callable[[], None],
        words: PageWords,
    ) -> None:
        """Begin.

        Args:
            archive: What is added to.
            text: An article that was pasted.
            folder: The files that were sent.
            ended: What is called when the work is done.
            words: The page's words.
        """
        self.problem = ""
        self.counts: list[str] = []
        self.skipped: list[Skipped] = []
        self.more = ""
        self._words = words
        self._events: queue.SimpleQueue[Progress | None] = queue.SimpleQueue()
        threading.Thread(target=self._run, args=(archive, text, folder, ended), daemon=True).start()

    def news(self) -> Iterator[str]:
        """Yield how many articles are stored, once a second, until the work is done."""
        shown = 0.0
        while (event := self._events.get()) is not None:
            if event.seconds - shown >= 1:
                shown = event.seconds
                yield self._words.adding.progress.format(
                    stored=f"{event.stored:,}", skipped=f"{event.skipped:,}"
                )

    def _run(self, archive: Archive, text: Article | None, folder: Path, ended: Callable[[], None]) -> None:
        self.problem = self._words.errors.not_added
        try:
            self._report(add(archive, text, folder, self._events.put))
            self.problem = ""
        except PROBLEMS as error:
            self.problem = str(error)
        finally:
            ended()
            self._events.put(None)

    def _report(self, report: IngestReport) -> None:
        said = self._words.adding
        numbers = {**report.model_dump(exclude={"skipped"}), "skipped": len(report.skipped)}
        self.counts = [
            form.format(n=f"{numbers[name]:,}") for name, form in said.counts.items() if numbers[name]
        ]
        self.skipped = list(report.skipped[:SHOWN_SKIPS])
        if (more := len(report.skipped) - SHOWN_SKIPS) > 0:
            self.more = said.and_more.format(n=f"{more:,}")


def store(files: Sequence[tuple[str, BinaryIO]], folder: Path) -> None:
    """Write files into a folder, each under what is harmless of its name; no two under the same."""
    taken: set[str] = set()
    for name, content in files:
        stem, dot, extension = safe_name(name).partition(".")
        free, number = f"{stem}{dot}{extension}", 1
        while free.casefold() in taken:
            number += 1
            free = f"{stem}-{number}{dot}{extension}"
        taken.add(free.casefold())
        with (folder / free).open("xb") as file:
            shutil.copyfileobj(content, file)


def safe_name(name: str) -> str:
    """Return the last part of a file's name, of letters, digits, ``-`` and ``_``, with its extensions."""
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", name))[-1]
    parts = [re.sub(r"[^\w-]+", "_", part).strip("_") for part in last.split(".")]
    stem = parts[0][:_LONGEST_NAME] or "article"
    return ".".join([stem, *(part[:10] for part in parts[1:][-2:] if part)])


def pasted(fields: Mapping[str, str]) -> Article | None:
    """Make an article of text that was pasted, with title, source, date and address; ``None`` without text.

    Raises:
        InputError: A field does not fit.
    """
    given = {name: value.strip() for name, value in fields.items() if value.strip()}
    if "text" not in given:
        return None
    try:
        return make_article(given).article
    except Unreadable as error:
        raise InputError(f"The text cannot be added: {error}.") from None


def add(
    archive: Archive, text: Article | None, folder: Path, progress: Callable[[Progress], None] | None = None
) -> IngestReport:
    """Add a pasted article and the files of a folder; say what was skipped by the files' names.

    Raises:
        InputError: There is nothing to add.
        ArchiveError: The archive cannot be written just now.
    """
    skipped: list[Skipped] = []
    files = [folder] if any(folder.iterdir()) else []

    def articles() -> Iterator[Article]:
        if text:
            yield text
        for item in load_paths(files):
            if isinstance(item, Skipped):
                where, why = (part.replace(f"{folder}/", "").replace(str(folder), "") for part in item)
                skipped.append(Skipped(where, why))
            else:
                yield item.article

    try:
        report = archive.add(articles(), progress=progress)
    except InputError:
        if not skipped:
            raise
        report = IngestReport()
    return report.model_copy(update={"skipped": [*report.skipped, *skipped]})
