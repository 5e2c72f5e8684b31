"""The shape of ASGI that the guards share: its types, a request's headers, a short reply."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from ipaddress import IPv6Address, ip_address
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


def header(scope: Scope, name: bytes) -> str | None:
    """Return a request's header, the first of its name, or ``None``."""
    found = next((value for key, value in scope["headers"] if key.lower() == name), None)
    return None if found is None else bytes(found).decode("latin-1")


def address(scope: Scope) -> str:
    """Return the network address a request came from; of an IPv6 one, the network it can choose from (/64)."""
    host = str((scope.get("client") or ("unknown",))[0])
    try:
        number = ip_address(host)
    except ValueError:
        return host
    if isinstance(number, IPv6Address) and not number.ipv4_mapped and not number.is_loopback:
        return f"{IPv6Address(int(number) >> 64 << 64)}/64"
    return host


def client(scope: Scope) -> str:
    """Return who is asking: the user where there are users, else the network address."""
    return str(scope.get("state", {}).get("user") or address(scope))


async def reply(
    scope: Scope, send: Send, status: int, message: str, headers: Mapping[str, str | int] | None = None
) -> None:
    """Answer a request, or refuse a WebSocket, with one line; programs find it under ``detail``."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": message[:100]})
        return
    plain = "application/json" not in (header(scope, b"accept") or "") and scope["method"] in {"GET", "HEAD"}
    body = (message + "\n" if plain else json.dumps({"detail": message})).encode()
    kind = "text/plain; charset=utf-8" if plain else "application/json"
    fields = {
        "content-type": kind,
        "content-length": len(body),
        "cache-control": "no-store",
        **(headers or {}),
    }
    lines = [(name.encode("ascii"), str(value).encode("ascii")) for name, value in fields.items()]
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
