"""``python -m qa.loaders.sandbox_worker``: the process that :mod:`qa.loaders.sandbox` starts to parse documents."""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from importlib import import_module
from io import BytesIO
from typing import Any, BinaryIO

from qa.loaders import limits
from qa.loaders.input_file import InputFile
from qa.loaders.limits import Budget, Unreadable
from qa.loaders.loaded import LoadedArticle
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
    """Return what the requested loader makes of a document, or the reason why it makes nothing of it."""
    module, name = request["loader"]
    load = getattr(import_module(module), name)
    file = InputFile(**request["file"], open=lambda: BytesIO(data), budget=Budget(len(data)))
    items: list[LoadedArticle | Skipped] = []
    try:
        items.extend(load(file))
    except Unreadable as error:
        items.append(file.skipped(str(error)))
    except MemoryError:
        items.append(file.skipped("needs more memory than one document may have"))
    except Exception as error:  # noqa: BLE001 - parsers of broken documents raise anything
        items.append(file.skipped(f"cannot be parsed: {type(error).__name__} {error}"[:300]))
    return items


def _limit_process() -> None:
    """Limit this process's memory, and write no core file if it crashes."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def _limit_time(seconds: int) -> None:
    """End this process when a document takes too much processor time, even if its parent is gone."""
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
