"""What is written down of each request: one line of JSON, without a word of what was asked."""

from __future__ import annotations

import inspect
import json
import logging
import sys
import time
from datetime import UTC, datetime
from typing import Any

from qa.web.middleware.asgi import App, Message, Receive, Scope, Send, client

log = logging.getLogger("qa.requests")

_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


def start() -> None:
    """Write the lines to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    log.handlers, log.propagate = [handler], False
    log.setLevel(logging.INFO)


def write(event: str, **facts: Any) -> None:
    """Write one line. What comes from outside stays inside JSON strings of ASCII: no line can be forged."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    log.info("%s", json.dumps({"time": now, "event": event, **facts}, ensure_ascii=True))


class AccessLog:
    """ASGI middleware: a line for each request with its method, route, status, milliseconds and client.

    The route is the pattern that matched (``/article/…``), never the address itself.
    """

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request and write down how that went."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def sent(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, sent)
        finally:
            method = scope.get("method", "WEBSOCKET")
            write(
                "request",
                method=method if method in _METHODS or method == "WEBSOCKET" else "OTHER",
                route=_route(scope),
                status=status,
                ms=round((time.perf_counter() - began) * 1000, 1),
                client=client(scope),
            )


def _route(scope: Scope) -> str:
    """Return the pattern that matched; FastAPI names its own, of our functions the first word is the pattern."""
    if path := getattr(scope.get("route"), "path", ""):
        return str(path)
    if inspect.isfunction(scope.get("endpoint")):
        first, more, _ = scope["path"].removeprefix("/").partition("/")
        return f"/{first}{'/…' if more else ''}"
    return str(scope.get("root_path") or "none")
