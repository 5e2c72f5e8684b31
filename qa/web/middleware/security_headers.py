"""What a browser is told that our pages may do: load from this server only, and nothing from an article."""

from __future__ import annotations

from qa.web.middleware.asgi import App, Message, Receive, Scope, Send

PAGE_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; object-src 'none'; base-uri 'self'; "
    "form-action 'self'; frame-ancestors 'self'"
)
"""Content-Security-Policy of the page: Gradio needs inline code and ``Function()``, but no other host."""

ARTICLE_POLICY = (
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
"""Content-Security-Policy of an article's own page: our stylesheets and nothing else."""

FORM_POLICY = ARTICLE_POLICY.replace("form-action 'none'", "form-action 'self'")
"""Content-Security-Policy of our pages that hold a form."""

_POLICY = b"content-security-policy"
_ALWAYS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (_POLICY, PAGE_POLICY.encode("ascii")),
]


class SecurityHeaders:
    """ASGI middleware: nosniff, no-referrer and a policy on each response, where it brings none of its own."""

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, adding to the head of the response."""

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                own = {name.lower() for name, _ in headers}
                headers += [(name, value) for name, value in _ALWAYS if name not in own]
                message = {**message, "headers": headers}
            await send(message)

        await self.app(scope, receive, sent)
