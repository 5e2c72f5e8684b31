"""Running an app: its port, its start, its stop."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
import threading
from collections.abc import Callable
from typing import Any

import click
import uvicorn

from embeddings import EmbeddingError
from qa.errors import QAError, ServerError
from qa.settings import Settings
from qa.web.middleware import access_log
from qa.web.middleware.rate_limit import RateLimiter

log = logging.getLogger("qa.page")

FINISHING = 20.0
"""Seconds that questions being answered may take to end when the server is stopped."""
LOCAL = ("localhost", "127.0.0.1", "[::1]")


def serve(
    make: Callable[[Settings], Any],
    settings: Settings,
    warm: Callable[[], object],
    *,
    path: str = "/",
    open_browser: bool = False,
) -> None:
    """Serve an app until interrupted.

    Args:
        make: Builds it, with a ``limiter`` and an event named ``ready`` in its ``state``.
        settings: Where it is served. On a loopback address without users it answers to local names only, or
            else any web page could reach it under a name of its own.
        warm: Loads what the first question needs.
        path: Where on the server it begins.
        open_browser: Whether to show it in a browser.

    Raises:
        ServerError: The address cannot be listened on.
    """
    listener = _listen(settings.host, settings.port)
    host = {"0.0.0.0": "localhost", "::": "localhost"}.get(settings.host, settings.host)
    url = f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}{path}"
    if settings.host in (*LOCAL, "::1") and not (settings.auth or settings.hosts):
        settings = settings.model_copy(update={"hosts": ",".join(LOCAL)})
    if settings.log_requests or settings.log_questions:
        access_log.start()
    app = make(settings)
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=3, server_header=False)
    threading.Thread(target=_warm, args=(warm, app.state.ready), daemon=True).start()
    with contextlib.suppress(KeyboardInterrupt):
        _Server(config, url, open_browser, app.state.limiter).run(sockets=[listener])


def _warm(warm: Callable[[], object], ready: threading.Event) -> None:
    try:
        warm()
        ready.set()
    except (QAError, EmbeddingError) as error:
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

    def __init__(self, config: uvicorn.Config, url: str, open_browser: bool, limiter: RateLimiter) -> None:
        super().__init__(config)
        self._url, self._open_browser, self._limiter = url, open_browser, limiter

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        click.echo(f"The archive is open at {self._url} (Ctrl+C stops it)", err=True)
        if self._open_browser:
            click.launch(self._url)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for listening in self.servers:
            listening.close()
        await asyncio.to_thread(self._limiter.close, FINISHING)
        await super().shutdown(sockets)
