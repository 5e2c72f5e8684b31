"""All that stands in front of the page, in its order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from qa.settings import Settings
from qa.web.middleware.access_log import AccessLog
from qa.web.middleware.asgi import App, Receive, Scope, Send, reply
from qa.web.middleware.auth import BasicAuth
from qa.web.middleware.request_guard import RequestGuard
from qa.web.middleware.security_headers import SecurityHeaders


class _Stack(Protocol):
    def add_middleware(self, middleware_class: Callable[..., App], **options: object) -> None:
        """Put a middleware around all that is there."""


class Health:
    """ASGI middleware: ``/healthz`` says whether questions are answered, to anyone, and nothing else."""

    def __init__(self, app: App, ready: Callable[[], bool]) -> None:
        self.app, self._ready = app, ready

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer ``/healthz``; pass on the rest."""
        asked = scope["type"] == "http" and scope["path"] == "/healthz" and scope["method"] in {"GET", "HEAD"}
        if not asked:
            await self.app(scope, receive, send)
        elif self._ready():
            await reply(scope, send, 200, "ready")
        else:
            await reply(scope, send, 503, "not ready", {"retry-after": 2})


def add_middleware(app: _Stack, settings: Settings, ready: Callable[[], bool]) -> None:
    """Put the guards around an app, none of whose routes is reached but through them.

    Args:
        app: A Starlette or FastAPI app.
        settings: What the operator wants.
        ready: Whether questions are answered.

    Raises:
        ServerError: ``settings.auth`` names a file that holds no users.
    """
    app.add_middleware(RequestGuard, upload=settings.upload, hosts=settings.known_hosts)
    if settings.auth:
        app.add_middleware(BasicAuth, users=settings.auth)
    app.add_middleware(Health, ready=ready)
    app.add_middleware(SecurityHeaders)
    if settings.log_requests or settings.log_questions:
        app.add_middleware(AccessLog)
