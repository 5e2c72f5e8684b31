"""HTTP Basic authentication in front of everything, and the users' file: names and hashed passwords (scrypt, RFC 7914).

No route knows of it, so none can be forgotten.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import logging
import os
import re
import secrets
import tempfile
import time
import unicodedata
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from qa.errors import ServerError
from qa.text.characters import CONTROL
from qa.web.middleware.asgi import App, Receive, Scope, Send, address, header, reply

log = logging.getLogger("qa.page")

SHORTEST = 8
"""Characters that a password has at least."""
LONGEST = 256
"""Characters that a password has at most."""
_NAME = re.compile(rf"[^\s:{CONTROL}](?:[^:\t\n\r{CONTROL}]{{0,62}}[^\s:{CONTROL}])?")
_LOG2N, _R, _P = 15, 8, 3
"""Cost of a hash: 32 MiB and a quarter of a second, as OWASP's Password Storage Cheat Sheet has it."""
_LINE = re.compile(r"([^:]+):scrypt\$(\d{1,2})\$(\d{1,2})\$(\d{1,2})\$([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+)")
_MOST_MEMORY = 256 << 20
"""Bytes of memory that a hash in the file may ask for."""
REMEMBERED = 300.0
"""Seconds for which a password that was right is not hashed again."""
MOST_REMEMBERED = 1000
"""Passwords that were right, and addresses that sent wrong ones, that are remembered."""
FREE_FAILURES = 5
"""Wrong passwords an address may send before it must wait."""
LONGEST_WAIT = 300
"""Seconds that an address must wait at most."""
FORGOTTEN = 900.0
"""Seconds after which wrong passwords are forgotten."""
HASHING = 2
"""Passwords hashed at the same time."""
MOST_HASHING = 32
"""Passwords that are hashed or wait for it; who sends another is told to come back."""
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


class Users:
    """Names and hashes, as one reading of the file found them."""

    def __init__(self, hashes: Mapping[str, str]) -> None:
        self._hashes = dict(hashes)
        self._nobody = _hashed("nobody", salt=b"\0" * 16)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file that :meth:`add` wrote: a line ``name:hash`` for each; ``#`` begins a remark.

        Raises:
            ServerError: It cannot be read, or a line of it does not fit.
        """
        try:
            lines = path.read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "not UTF-8 text"
            raise ServerError(
                f"The users' file {path} cannot be read ({why}). Make one with: qa user add NAME"
            ) from None
        hashes: dict[str, str] = {}
        for number, line in enumerate(lines, 1):
            if not line.strip() or line.startswith("#"):
                continue
            name, _, written = line.partition(":")
            if not (match := _LINE.fullmatch(line)) or 128 * int(match[3]) << int(match[2]) > _MOST_MEMORY:
                raise ServerError(f"{path}:{number}: not a user. Write it again with: qa user add NAME")
            if name in hashes:
                raise ServerError(f"{path}:{number}: the user {name!r} is there twice. Remove one line.")
            hashes[name] = written
        return cls(hashes)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._hashes)

    @property
    def names(self) -> list[str]:
        """The names, in the order of the file."""
        return list(self._hashes)

    def verify(self, name: str, password: str) -> bool:
        """Whether the password is the user's; takes as long for a name that is not there."""
        written = self._hashes.get(_normal(name))
        right = _matches(password, written or self._nobody)
        return right and written is not None

    def with_password(self, name: str, password: str) -> Users:
        """Return these users with one added, or given a new password.

        Raises:
            ServerError: The name or the password will not do.
        """
        name = _normal(name)
        if not _NAME.fullmatch(name):
            raise ServerError(f"{name!r} is not a user's name: 1 to 64 characters, without a colon.")
        if not SHORTEST <= len(password) <= LONGEST:
            raise ServerError(f"A password has {SHORTEST} to {LONGEST} characters; this one {len(password)}.")
        return Users({**self._hashes, name: _hashed(password, secrets.token_bytes(16))})

    def without(self, name: str) -> Users:
        """Return these users less one.

        Raises:
            ServerError: There is no such user.
        """
        if _normal(name) not in self._hashes:
            raise ServerError(
                f"There is no user {name!r}. Those there are: {', '.join(self.names) or 'none'}."
            )
        return Users({key: value for key, value in self._hashes.items() if key != _normal(name)})

    def write(self, path: Path) -> None:
        """Write the file whole, readable by its owner only.

        Raises:
            ServerError: It cannot be written.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, aside = tempfile.mkstemp(dir=path.parent, prefix=".users-")
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.writelines(f"{name}:{written}\n" for name, written in self._hashes.items())
                file.flush()
                os.fsync(file.fileno())
            Path(aside).replace(path)
        except OSError as error:
            raise ServerError(
                f"The users' file {path} cannot be written ({error.strerror}). Name another with QA_AUTH."
            ) from None


def _normal(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _hashed(password: str, salt: bytes) -> str:
    digest = _scrypt(password, salt, _LOG2N, _R, _P)
    return f"scrypt${_LOG2N}${_R}${_P}${_base64(salt)}${_base64(digest)}"


def _matches(password: str, written: str) -> bool:
    _, log2n, r, p, salt, digest = written.split("$")
    found = _scrypt(password, base64.b64decode(salt), int(log2n), int(r), int(p))
    return hmac.compare_digest(found, base64.b64decode(digest))


def _scrypt(password: str, salt: bytes, log2n: int, r: int, p: int) -> bytes:
    secret = unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
    return hashlib.scrypt(secret, salt=salt, n=1 << log2n, r=r, p=p, maxmem=2 * _MOST_MEMORY)


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")
