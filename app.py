"""The page: a Gradio front over an archive, with each article on a page of its own.

``python app.py`` and ``qa serve`` run it. Nothing here or in what it loads calls another host.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import logging
import socket
import sys
import threading
from typing import Any

import click
import gradio as gr
import uvicorn
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles

import qa
from embeddings import EmbeddingError
from qa.errors import ArticleNotFound, QAError, ServerError
from qa.server import log as requests_log
from qa.server.asgi import client
from qa.server.gate import AT_ONCE, WAITING, Gate
from qa.server.guard import guard
from qa.settings import Settings
from qa.types import Answer, Article
from qa.ui import ASSETS
from qa.ui.answer import answer_html, examples_html, heading_html, message_html
from qa.ui.article import article_page, missing_page
from qa.ui.links import Asked, Place
from qa.ui.policy import ARTICLE_POLICY
from qa.ui.routes import routes

log = logging.getLogger("qa.page")

EXAMPLES = 4
FINISHING = 20.0
"""Seconds that questions being answered may take to end when the server is stopped."""
LOCAL = ("localhost", "127.0.0.1", "[::1]")
PROBLEMS = (QAError, EmbeddingError)
TITLE = "Ask the archive"
LOST = "The server could not answer that. Try again; if it happens again, its log says why."
HEAD = (
    '<link rel="stylesheet" href="/ui/palette.css"><link rel="stylesheet" href="/ui/page.css">'
    '<meta name="color-scheme" content="light dark"><meta name="referrer" content="no-referrer">'
)


def create_app(archive: qa.Archive, settings: Settings | None = None) -> FastAPI:
    """Build the ASGI app: the page at ``/``, articles at ``/article/{id}``, stylesheets at ``/ui``.

    ``app.state.ready`` is an event that makes ``/healthz`` say so; ``app.state.gate`` admits questions.

    Raises:
        ServerError: The users' file cannot be read.
    """
    settings = settings or archive.settings
    app = FastAPI(title=TITLE, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.ready, app.state.gate = threading.Event(), Gate(settings.rate)

    def read(request: Request) -> Response:
        params = request.query_params
        try:
            article = archive.get(request.path_params["article_id"] or params.get("id", ""))
            place, status = Place.read(params, len(article.text)), 200
            page = article_page(article, place, Asked.restore(params))
        except ArticleNotFound:
            page, status = (
                missing_page("No such article", "The archive holds no article at this address."),
                404,
            )
        except QAError as error:
            page, status = missing_page("The archive cannot be read", str(error)), 503
        policy = {"Content-Security-Policy": ARTICLE_POLICY, "Cache-Control": "no-cache"}
        return HTMLResponse(page, status, headers=policy)

    app.add_route("/article/{article_id:path}", read, methods=["GET"])
    app.router.routes.extend(routes(archive, app.state.gate))
    app.mount("/ui", StaticFiles(directory=ASSETS))
    guard(app, settings, lambda: app.state.ready.is_set() and app.state.gate.open)
    gr.mount_gradio_app(
        app,
        _page(archive, settings, app.state.gate),
        path="/",
        theme=gr.themes.Base(font=["sans-serif"], font_mono=["monospace"]).set(
            body_background_fill="#faf9f6",
            body_background_fill_dark="#171614",
            body_text_color="#22201c",
            body_text_color_dark="#e9e6df",
        ),
        head=HEAD,
        footer_links=[],
        run_history=False,
        show_error=False,
        ssr_mode=False,
        enable_monitoring=False,
        mcp_server=False,
        max_file_size=1,
    )
    return app


def serve(archive: qa.Archive, settings: Settings, *, open_browser: bool = False) -> None:
    """Serve the page until interrupted.

    Raises:
        ServerError: The address cannot be listened on.
    """
    listener = _listen(settings.host, settings.port)
    host = {"0.0.0.0": "localhost", "::": "localhost"}.get(settings.host, settings.host)
    url = f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}/"
    if settings.host in (*LOCAL, "::1") and not (settings.auth or settings.hosts):
        settings = settings.model_copy(update={"hosts": ",".join(LOCAL)})
    if settings.log_requests or settings.log_questions:
        requests_log.start()
    page = create_app(archive, settings)
    config = uvicorn.Config(page, log_level="warning", timeout_graceful_shutdown=3, server_header=False)
    threading.Thread(target=_warm, args=(archive, page.state.ready), daemon=True).start()
    with contextlib.suppress(KeyboardInterrupt):
        _Server(config, url, open_browser, page.state.gate).run(sockets=[listener])


def main() -> None:
    """Serve the default archive (``python app.py``)."""
    try:
        settings = Settings.from_environ()
        serve(qa.default_archive(settings), settings)
    except PROBLEMS as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(2)


def _page(archive: qa.Archive, settings: Settings, gate: Gate) -> gr.Blocks:
    empty = message_html("", kind="hint")

    def ask(
        request: gr.Request,
        question: str,
        after: str = "",
        before: str = "",
        sources: list[str] | None = None,
    ) -> Answer:
        asked = Asked.read(question, after, before, sources)
        with gate.admitted(client(request.request.scope)):
            answer = archive.ask(asked.question, filters=asked.filters)
        if settings.log_questions:
            requests_log.write("question", question=answer.question, abstained=answer.abstained)
        return answer

    def show(question: str, after: str, before: str, sources: list[str] | None, request: gr.Request) -> str:
        if not (question or "").strip():
            return message_html("Type a question, or pick one of the examples.", kind="hint")
        try:
            answer = ask(request, question, after, before, sources)
            asked = Asked.read(answer.question, after, before, sources)
            return answer_html(answer, asked, _articles(archive, answer))
        except PROBLEMS as error:
            return message_html(str(error))

    def ask_api(
        request: gr.Request,
        question: str,
        after: str = "",
        before: str = "",
        sources: list[str] | None = None,
    ) -> dict[str, Any]:
        """Ask the archive; dates as 2023, 2023-09 or 2023-09-11. Returns the answer with its citations."""
        try:
            return ask(request, question, after, before, sources).model_dump(mode="json")
        except PROBLEMS as error:
            raise gr.Error(str(error), print_exception=False) from None

    def pick(event: gr.EventData) -> str:
        return str(event.question)

    def restore(request: gr.Request) -> list[Any]:
        """Fill the page; without a question in its address, leave alone what is being typed meanwhile."""
        asked = Asked.restore(request.query_params)
        first, last, chosen = asked.filters.after, asked.filters.before, list(asked.filters.sources)
        try:
            choices, examples, coverage = archive.sources(), archive.examples(EXAMPLES), archive.coverage()
        except PROBLEMS as error:
            return [*[gr.skip()] * 4, "", heading_html(), message_html(str(error))]
        shown = [examples_html(examples), heading_html(coverage)]
        if not asked.question:
            return [*[gr.skip()] * 3, gr.update(choices=choices), *shown, gr.skip()]
        days = [day.isoformat() if day else "" for day in (first, last)]
        result = show(asked.question, days[0], days[1], chosen, request)
        return [asked.question, *days, gr.update(choices=choices, value=chosen), *shown, result]

    with gr.Blocks(title=TITLE, analytics_enabled=False) as page:
        heading = gr.HTML(heading_html(), elem_id="heading", apply_default_css=False)
        with gr.Row(elem_id="ask-row"):
            question = gr.Textbox(
                label="Your question",
                placeholder="Who, what, when, where …",
                max_lines=6,
                autofocus=True,
                scale=1,
                elem_id="question",
                html_attributes=gr.InputHTMLAttributes(autocomplete="off", enterkeyhint="search"),
            )
            button = gr.Button("Ask", variant="primary", scale=0, min_width=96, elem_id="ask")
        with gr.Accordion("Filters", open=False, elem_id="filters"), gr.Row():
            after = gr.Textbox(label="Published on or after", placeholder="2023, 2023-09 or 2023-09-11")
            before = gr.Textbox(label="Published on or before", placeholder="2023, 2023-09 or 2023-09-11")
            sources = gr.Dropdown([], label="Source", multiselect=True, allow_custom_value=True)
        result = gr.HTML(empty, elem_id="result", apply_default_css=False)
        chips = gr.HTML("", elem_id="examples", apply_default_css=False, js_on_load=_script("pick.js"))

        given = [question, after, before, sources]
        # Unqueued: Gradio's browser client now and then loses one of two queued events that overlap.
        hidden: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "queue": False}
        asking: dict[str, Any] = {**hidden, "show_progress": "minimal", "fn": show, "inputs": given}
        asking |= {"outputs": result, "js": _script("remember.js")}
        lost: dict[str, Any] = {**hidden, "outputs": result, "js": f"() => {json.dumps(message_html(LOST))}"}
        gr.on([question.submit, button.click], **asking).failure(None, **lost)
        chips.click(pick, None, question, **hidden).then(**asking).failure(None, **lost)
        page.load(restore, None, [*given, chips, heading, result], **hidden)
        gr.api(ask_api, api_name="ask")
    return page.queue(default_concurrency_limit=AT_ONCE, max_size=WAITING)


def _articles(archive: qa.Archive, answer: Answer) -> dict[str, Article]:
    """The articles of the passages found, less any removed in the meantime."""
    articles = {}
    for article_id in {hit.article_id for hit in answer.hits}:
        with contextlib.suppress(ArticleNotFound):
            articles[article_id] = archive.get(article_id)
    return articles


def _script(name: str) -> str:
    return (ASSETS / name).read_text("utf-8")


def _warm(archive: qa.Archive, ready: threading.Event) -> None:
    """Load the model and the indexes before the first question."""
    try:
        archive.search("warm up", k=1)
        ready.set()
    except PROBLEMS as error:
        log.warning("The archive is not ready: %s", error)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        why = "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
        advice = "Choose another with --port or QA_PORT; 0 picks a free one."
        raise ServerError(f"Port {port} on {host} {why}. {advice}") from None


class _Server(uvicorn.Server):
    """Says where the page is, once it is there; stopped, it ends the answers it has begun."""

    def __init__(self, config: uvicorn.Config, url: str, open_browser: bool, gate: Gate) -> None:
        super().__init__(config)
        self._url, self._open_browser, self._gate = url, open_browser, gate

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        click.echo(f"The archive is open at {self._url} (Ctrl+C stops it)", err=True)
        if self._open_browser:
            click.launch(self._url)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for listening in self.servers:
            listening.close()
        await asyncio.to_thread(self._gate.close, FINISHING)
        await super().shutdown(sockets)


if __name__ == "__main__":
    main()
