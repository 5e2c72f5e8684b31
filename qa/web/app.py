"""The page: a Gradio front over an archive, with each article on a page of its own.

``python app.py`` and ``qa serve`` run it. Nothing here or in what it loads calls another host.
"""

from __future__ import annotations

import sys
import threading
from functools import partial
from typing import Any

import click
import gradio as gr
from fastapi import FastAPI

import qa
from qa.settings import Settings
from qa.types import Filters, Turn
from qa.web import server
from qa.web.downloads import routes
from qa.web.middleware import access_log
from qa.web.middleware.asgi import client
from qa.web.middleware.rate_limit import AT_ONCE, WAITING, RateLimiter
from qa.web.middleware.stack import add_middleware
from qa.web.pages.html import prepare
from qa.web.routes import add_routes
from qa.web.statuses import PROBLEMS
from qa.words import page_words

TITLE = page_words().title
"""What the page calls itself before it knows its reader's language."""
LOADER = 'import("/ui/page.js").then((page) => page.start(element));'
"""What Gradio runs once our block is there."""
HEAD = (
    '<link rel="stylesheet" href="/ui/palette.css"><link rel="stylesheet" href="/ui/page.css">'
    '<meta name="color-scheme" content="light dark"><meta name="referrer" content="no-referrer">'
)
"""What Gradio adds to the page's head, by script."""


def create_app(archive: qa.Archive, settings: Settings | None = None) -> FastAPI:
    """Build the ASGI app: the page at ``/``, what it asks for, and ``ask`` for programs.

    ``app.state.ready`` is an event that makes ``/healthz`` say so; ``app.state.limiter`` admits questions.

    Raises:
        ServerError: The users' file cannot be read.
    """
    settings = settings or archive.settings
    app = FastAPI(title=TITLE, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.ready, app.state.limiter = threading.Event(), RateLimiter(settings.rate)

    app.router.routes.extend(routes(archive, app.state.limiter))
    add_routes(app, archive, settings, app.state.limiter)
    add_middleware(app, settings, lambda: app.state.ready.is_set() and app.state.limiter.open)
    gr.mount_gradio_app(
        app,
        _page(archive, settings, app.state.limiter),
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

    def warm() -> None:
        prepare()
        archive.search("warm up", k=1)

    server.serve(partial(create_app, archive), settings, warm, open_browser=open_browser)


def main() -> None:
    """Serve the default archive (``python app.py``)."""
    try:
        settings = Settings.from_environ()
        serve(qa.default_archive(settings), settings)
    except PROBLEMS as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(2)


def _page(archive: qa.Archive, settings: Settings, limiter: RateLimiter) -> gr.Blocks:
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
        return follow_up(request, question, [], after, before, sources)

    def follow_up(
        request: gr.Request,
        question: str,
        history: list[dict[str, str]],
        after: str = "",
        before: str = "",
        sources: list[str] | None = None,
    ) -> dict[str, Any]:
        """Ask the archive in a conversation.

        ``history`` holds the turns so far, oldest first: ``{"role": "user" or "assistant", "content": …}``.
        """
        try:
            filters, turns = Filters.parse(after, before, sources), Turn.parse(history)
            with limiter.admitted(client(request.request.scope)):
                answer = archive.ask(question, turns, filters)
        except PROBLEMS as error:
            raise gr.Error(str(error), print_exception=False) from None
        if settings.log_questions:
            access_log.write("question", question=answer.question, abstained=answer.abstained)
        return answer.model_dump(mode="json")

    with gr.Blocks(title=TITLE, analytics_enabled=False) as page:
        gr.HTML("", elem_id="archive", apply_default_css=False, js_on_load=LOADER)
        gr.api(ask, api_name="ask")
        gr.api(follow_up, api_name="follow_up")
    return page.queue(default_concurrency_limit=AT_ONCE, max_size=WAITING)
