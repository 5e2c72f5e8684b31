"""The one writer of an archive: a lock that the operating system lets go of when its process dies."""

from __future__ import annotations

import json
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from qa.errors import ArchiveBusy, ArchiveReadOnly

log = logging.getLogger("qa")

LOCK = ".writer"
HOLDER = ".writer.json"
"""Who holds the lock; out of date once nobody does. The lock's own file is emptied by all who try it."""
WRITER_WAIT = 60.0
"""Seconds a writer waits for another one before it gives up."""
_SILENT_WAIT = 1.0


@contextmanager
def sole_writer(folder: Path, what: str, wait: float = WRITER_WAIT) -> Iterator[None]:
    """Be the only writer of an archive, after at most ``wait`` seconds.

    Others who wait are shown ``what`` is being done: "adding articles".

    Raises:
        ArchiveBusy: Another one is still at work; the message says which.
        ArchiveReadOnly: The folder cannot be written.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(folder / LOCK)
    try:
        try:
            lock.acquire(timeout=min(wait, _SILENT_WAIT))
        except Timeout:
            if wait <= _SILENT_WAIT:
                raise
            log.warning("Waiting for another writer of %s: %s.", folder, _holder(folder))
            lock.acquire(timeout=wait - _SILENT_WAIT)
    except Timeout:
        raise ArchiveBusy(
            f"Another writer is at work on {folder}: {_holder(folder)}. Run this again when it is done."
        ) from None
    except OSError as error:
        raise ArchiveReadOnly(
            f"{folder} cannot be written ({error.strerror}). Make room, or copy the archive elsewhere."
        ) from error
    try:
        with suppress(OSError):  # a full disk: the lock holds without its label
            _label(folder, what)
        yield
    finally:
        lock.release()


def _label(folder: Path, what: str) -> None:
    aside = folder / f"{HOLDER}.{os.getpid()}"
    try:
        facts = {
            "what": what,
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": datetime.now().astimezone().isoformat(sep=" ", timespec="seconds"),
        }
        aside.write_text(json.dumps(facts), encoding="utf-8")
        aside.replace(folder / HOLDER)
    finally:
        aside.unlink(missing_ok=True)


def _holder(folder: Path) -> str:
    try:
        facts = json.loads((folder / HOLDER).read_text(encoding="utf-8"))
        return f"{facts['what']}, process {facts['pid']} on {facts['host']}, since {facts['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "it has left no name"
