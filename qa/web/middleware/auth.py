"""HTTP Basic authentication in front of everything: no route knows of it, so none can be forgotten."""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import logging
import secrets
import time
from collections import OrderedDict
from pathlib import Path

from qa.errors import ServerError
from qa.web.middleware.asgi import App, Receive, Scope, Send, address, header, reply
from qa.web.middleware.users import Users

log = logging.getLogger("qa.page")

REMEMBERED, MOST_REMEMBERED = 300.0, 1000
"""Seconds for which a password that was right is not hashed again; how many are kept."""
FREE_FAILURES, LONGEST_WAIT, FORGOTTEN = 5, 300, 900.0
"""Wrong passwords an address may send before it must wait, the longest wait and when they are forgotten, in seconds."""
HASHING, MOST_HASHING = 2, 32
"""Passwords hashed at once, and how many may wait for it."""
_LONGEST_HEADER = 2048
_CHALLENGE = {"www-authenticate": 'Basic realm="archive", charset="UTF-8"'}


class BasicAuth:
    """ASGI middleware: lets in who sends the name and password of a user, and slows down who guesses."""

    def __init__(self, app: App, users: Path) -> None:
        self.app = app
        self._gatekeeper = Gatekeeper(users)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request of a user; answer any other with 401."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        credentials = _credentials(header(scope, b"authorization"))
        if credentials is None:
            await reply(scope, send, 401, "Sign in to use this archive.", _CHALLENGE)
            return
        wait = await self._gatekeeper.check(*credentials, address(scope))
        if wait is None:
            scope.setdefault("state", {})["user"] = credentials[0]
            await self.app(scope, receive, send)
        elif wait:
            said = f"Too many wrong passwords. Try again in {wait} seconds."
            await reply(scope, send, 429, said, {"retry-after": wait})
        else:
            await reply(scope, send, 401, "The name or the password is wrong.", _CHALLENGE)


class Gatekeeper:
    """Checks passwords: remembers those that were right, counts those that were wrong."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp = self._stat()
        self._users = Users.read(path)
        if not len(self._users):
            raise ServerError(f"The users' file {path} names nobody. Add a user with: qa user add NAME")
        self._key = secrets.token_bytes(32)
        self._known: OrderedDict[bytes, float] = OrderedDict()
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._asked: dict[bytes, asyncio.Task[bool]] = {}
        self._places = asyncio.Semaphore(HASHING)

    async def check(self, name: str, password: str, origin: str) -> int | None:
        """Return ``None`` where the password is right, 0 where it is wrong, or the seconds to wait."""
        self._follow_file()
        secret = f"{len(name)}:{name}{password}".encode("utf-8", "surrogatepass")
        token = hmac.digest(self._key, secret, hashlib.sha256)
        if self._known.get(token, 0.0) > time.monotonic():
            return None
        if wait := self._wait(origin):
            return wait
        if token not in self._asked:
            if len(self._asked) >= MOST_HASHING:
                return 2
            self._asked[token] = asyncio.create_task(self._verify(token, name, password, origin))
        return None if await asyncio.shield(self._asked[token]) else (self._wait(origin) or 0)

    async def _verify(self, token: bytes, name: str, password: str, origin: str) -> bool:
        users = self._users
        try:
            async with self._places:
                if self._wait(origin):  # others from there were wrong meanwhile
                    return False
                right = await asyncio.to_thread(users.verify, name, password)
        finally:
            del self._asked[token]
        if right and users is self._users:
            self._failures.pop(origin, None)
            self._known[token] = time.monotonic() + REMEMBERED
            _shorten(self._known)
        elif not right:
            self._failures[origin] = (self._failures.pop(origin, (0, 0.0))[0] + 1, time.monotonic())
            _shorten(self._failures)
        return right

    def _wait(self, origin: str) -> int:
        count, last = self._failures.get(origin, (0, 0.0))
        if not count or time.monotonic() - last > FORGOTTEN:
            self._failures.pop(origin, None)
            return 0
        if count < FREE_FAILURES:
            return 0
        held = min(LONGEST_WAIT, 1 << min(count - FREE_FAILURES + 1, 16))
        return max(0, round(last + held - time.monotonic() + 0.5))

    def _follow_file(self) -> None:
        """Read the users again when their file has changed; one that cannot be read lets nobody in."""
        stamp = self._stat()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        self._known.clear()
        try:
            self._users = Users.read(self._path)
        except ServerError as error:
            log.error("%s Nobody is let in until then.", error)
            self._users = Users({})

    def _stat(self) -> tuple[int, int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino


def _credentials(value: str | None) -> tuple[str, str] | None:
    """Read ``Basic base64(name:password)`` (RFC 7617); ``None`` where it is anything else."""
    scheme, _, encoded = (value or "").partition(" ")
    if scheme.lower() != "basic" or len(encoded) > _LONGEST_HEADER:
        return None
    try:
        name, colon, password = (
            base64.b64decode(encoded.strip(), validate=True).decode("utf-8").partition(":")
        )
    except (binascii.Error, ValueError):
        return None
    return (name, password) if colon else None


def _shorten(kept: OrderedDict[bytes, float] | OrderedDict[str, tuple[int, float]]) -> None:
    while len(kept) > MOST_REMEMBERED:
        kept.popitem(last=False)
