"""The people who may come in: a text file of names and hashed passwords (scrypt, RFC 7914)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
import secrets
import tempfile
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from qa.errors import ServerError

SHORTEST, LONGEST = 8, 256
"""Characters of a password."""
_NAME = re.compile(r"[^\s:\x00-\x1f\x7f](?:[^:\x00-\x1f\x7f]{0,62}[^\s:\x00-\x1f\x7f])?")
_LOG2N, _R, _P = 15, 8, 3
"""Cost of a hash: 32 MiB and a quarter of a second, as OWASP's Password Storage Cheat Sheet has it."""
_LINE = re.compile(r"([^:]+):scrypt\$(\d{1,2})\$(\d{1,2})\$(\d{1,2})\$([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+)")
_MOST_MEMORY = 256 << 20


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
    return f"scrypt${_LOG2N}${_R}${_P}${_text(salt)}${_text(digest)}"


def _matches(password: str, written: str) -> bool:
    _, log2n, r, p, salt, digest = written.split("$")
    found = _scrypt(password, base64.b64decode(salt), int(log2n), int(r), int(p))
    return hmac.compare_digest(found, base64.b64decode(digest))


def _scrypt(password: str, salt: bytes, log2n: int, r: int, p: int) -> bytes:
    secret = unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")
    return hashlib.scrypt(secret, salt=salt, n=1 << log2n, r=r, p=p, maxmem=2 * _MOST_MEMORY)


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")
