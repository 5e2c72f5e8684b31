"""``python -m qa.loaders.sandbox_worker``: the child of :mod:`qa.loaders.sandbox`, at work on one document after the other."""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from importlib import import_module
from io import BytesIO
from typing import Any, BinaryIO

from qa.loaders import limits
from qa.loaders.limits import Budget, Unreadable
from qa.loaders.loaded import LoadedArticle
from qa.loaders.source import InputFile
from qa.types import Skipped

MEMORY = 2048 * limits.MIB
"""Address space this process may have, where the system can limit it."""


def serve(requests: BinaryIO, replies: BinaryIO) -> None:
    """Answer requests until there are no more."""
    while line := requests.readline():
        request = json.loads(line)
        data = requests.read(request["size"])
        _limit_time(request["seconds"])
        items = [
            {"skipped": item}
            if isinstance(item, Skipped)
            else {"article": item.article.model_dump(mode="json"), "origin": item.origin}
            for item in parsed(request, data)
        ]
        replies.write(json.dumps(items).encode() + b"\n")
        replies.flush()


def parsed(request: dict[str, Any], data: bytes) -> list[LoadedArticle | Skipped]:
    """Return what the reader that is asked for makes of a document, or why it makes nothing of it."""
    module, name = request["reader"]
    read = getattr(import_module(module), name)
    source = InputFile(
        **{key: request[key] for key in ("name", "id", "where", "origin", "given", "charset")},
        opener=lambda: BytesIO(data),
        budget=Budget(len(data)),
    )
    items: list[LoadedArticle | Skipped] = []
    try:
        items.extend(read(source))
    except Unreadable as error:
        items.append(source.skipped(str(error)))
    except MemoryError:
        items.append(source.skipped("needs more memory than one document may have"))
    except Exception as error:  # noqa: BLE001 - parsers of broken documents raise anything
        items.append(source.skipped(f"cannot be parsed: {type(error).__name__} {error}"[:300]))
    return items


def _limit_process() -> None:
    """Bound this process's memory, and leave no file of it behind should it crash."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def _limit_time(seconds: int) -> None:
    """End this process when a document takes too much processor time, even should its parent be gone."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        spent = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
        hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
        resource.setrlimit(resource.RLIMIT_CPU, (int(spent) + seconds + 1, hard))


if __name__ == "__main__":
    _limit_process()
    to_parent = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a parser prints must not get between the replies
    serve(sys.stdin.buffer, to_parent)
