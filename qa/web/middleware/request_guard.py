"""What a request may look like: not too large, not from another site's page, not to a route we do not use."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from qa.web.middleware.asgi import App, Message, Receive, Scope, Send, header, reply

MOST_BYTES = 2 << 20
"""Bytes of the largest body of a request."""
MOST_UPLOADED = 128 << 20
"""Bytes of the largest upload, where uploading is allowed."""
UPLOAD = "/add"
"""The address that uploads are sent to."""
_CLOSED = re.compile(
    r"/(?:gradio_api/)?(?:upload|proxy=|process_recording|(?:undo-)?vibe-|profiling|run-history|runs|stream/|monitoring"
    r"|custom_component|deep_link|dev/reload|(?:login|logout)(?:/|$))"
)
"""Gradio's routes for things this page does not do: fetching from other hosts, recording, editing itself."""


class _TooLarge(Exception):
    pass


class RequestGuard:
    """ASGI middleware: refuses bodies over the limit, requests of other sites' pages, and routes we do not use.

    A browser sends a person's password along with whatever page asks for it; that a request comes from our own
    page is told by ``Sec-Fetch-Site`` or ``Origin``, which no page can forge.

    Args:
        app: What is guarded.
        upload: Whether files may be uploaded.
        hosts: The names this server may be called by; any, where empty.
    """

    def __init__(self, app: App, *, upload: bool = False, hosts: Sequence[str] = ()) -> None:
        self.app, self._upload, self._hosts = app, upload, frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, or refuse it in one line."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        path = scope["path"]
        if self._hosts and _host(header(scope, b"host")) not in self._hosts:
            await reply(
                scope, send, 421, "This archive goes by another name. Its operator can add this to QA_HOSTS."
            )
        elif _foreign(scope):
            await reply(scope, send, 403, "Pages of other sites may not use this archive.")
        elif _CLOSED.match(path) or (path == UPLOAD and not self._upload):
            await reply(scope, send, 404, "There is nothing at this address.")
        elif scope["type"] == "websocket":
            await self.app(scope, receive, send)
        else:
            await self._bounded(scope, receive, send, MOST_UPLOADED if path == UPLOAD else MOST_BYTES)

    async def _bounded(self, scope: Scope, receive: Receive, send: Send, most: int) -> None:
        too_large = f"A request may have {most >> 20} MiB. Send less."
        declared = header(scope, b"content-length") or "0"
        if not declared.isascii() or not declared.isdigit() or int(declared[:20]) > most:
            await reply(scope, send, 413, too_large)
            return
        seen, started = 0, False

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > most:
                raise _TooLarge
            return message

        async def sent(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, counted, sent)
        except _TooLarge:
            if not started:
                await reply(scope, send, 413, too_large)


def _foreign(scope: Scope) -> bool:
    """Whether another site's page makes this request; following a link to us is no such thing."""
    site, origin = header(scope, b"sec-fetch-site"), header(scope, b"origin")
    if site in {"cross-site", "same-site"}:
        follows_link = header(scope, b"sec-fetch-mode") == "navigate" and scope.get("method") in {
            "GET",
            "HEAD",
        }
        return not follows_link
    if site in {"same-origin", "none"} or origin is None:
        return False
    return urlsplit(origin).netloc.lower() != (header(scope, b"host") or "").lower()


def _host(value: str | None) -> str:
    """Return the name in a ``Host`` header, without the port."""
    return re.sub(r":\d*$", "", value or "").lower()
