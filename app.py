"""The page: a Gradio front over an archive, with each article on a page of its own.

``python app.py`` and ``qa serve`` run it. Nothing here or in what it loads calls another host.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
import sys
import threading
from typing import Any

import click
import gradio as gr
import uvicorn
from fastapi import FastAPI

import qa
from qa.errors import ServerError
from qa.server import log as requests_log
from qa.server.asgi import client
from qa.server.gate import AT_ONCE, WAITING, Gate
from qa.server.guard import guard
from qa.settings import Settings
from qa.ui.links import Asked
from qa.ui.page_routes import PROBLEMS, add_routes
from qa.ui.routes import routes

log = logging.getLogger("qa.page")

FINISHING = 20.0
"""Seconds that questions being answered may take to end when the server is stopped."""
LOCAL = ("localhost", "127.0.0.1", "[::1]")
TITLE = "Ask the archive"
LOADER = 'import("/ui/page.js").then((page) => page.start(element));'
HEAD = (
    '<link rel="stylesheet" href="/ui/palette.css"><link rel="stylesheet" href="/ui/page.css">'
    '<meta name="color-scheme" content="light dark"><meta name="referrer" content="no-referrer">'
)


def create_app(archive: qa.Archive, settings: Settings | None = None) -> FastAPI:
    """Build the ASGI app: the page at ``/``, what it asks for, and ``ask`` for programs.

    ``app.state.ready`` is an event that makes ``/healthz`` say so; ``app.state.gate`` admits questions.

    Raises:
        ServerError: The users' file cannot be read.
    """
    settings = settings or archive.settings
    app = FastAPI(title=TITLE, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.ready, app.state.gate = threading.Event(), Gate(settings.rate)

    app.router.routes.extend(routes(archive, app.state.gate))
    add_routes(app, archive, settings, app.state.gate)
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
    """The page for people is one block of our own HTML, filled by its script; programs get ``ask``.

    gr.Chatbot renders answers as Markdown, announces none to a screen reader, holds no cards beside them,
    and its events take a queue and a stream where one request does.
    """

    def ask(
        request: gr.Request,
        question: str,
        after: str = "",
        before: str = "",
        sources: list[str] | None = None,
    ) -> dict[str, Any]:
        """Ask the archive; dates as 2023, 2023-09 or 2023-09-11. Returns the answer with its citations."""
        try:
            asked = Asked.read(question, after, before, sources)
            with gate.admitted(client(request.request.scope)):
                answer = archive.ask(asked.question, filters=asked.filters)
        except PROBLEMS as error:
            raise gr.Error(str(error), print_exception=False) from None
        if settings.log_questions:
            requests_log.write("question", question=answer.question, abstained=answer.abstained)
        return answer.model_dump(mode="json")

    with gr.Blocks(title=TITLE, analytics_enabled=False) as page:
        gr.HTML("", elem_id="archive", apply_default_css=False, js_on_load=LOADER)
        gr.api(ask, api_name="ask")
    return page.queue(default_concurrency_limit=AT_ONCE, max_size=WAITING)


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
