"""Options that several commands share: which archive, which articles, where to serve; and their exit codes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

import click
from pydantic import ValidationError

from qa.api import default_archive
from qa.archive import Archive
from qa.errors import FilterError, InputError
from qa.settings import Settings
from qa.types import Filters

P = ParamSpec("P")
ABSTAINED, FAILED, INTERRUPTED = 3, 2, 130
"""Exit codes other than 0."""


def archive_option(function: Callable[P, int]) -> Callable[P, int]:
    """Add ``--archive``; the command gets it as ``folder``."""
    return click.option(
        "--archive", "folder", type=click.Path(path_type=Path), metavar="DIR",
        help="The archive's folder. Default: $QA_ARCHIVE, else one of the seed articles.",
    )(function)  # fmt: skip


def opened(folder: Path | None) -> AbstractContextManager[Archive]:
    """Open the archive in a folder, or the default one; that is shared by the process and stays open."""
    return nullcontext(default_archive()) if folder is None else Archive.open(folder)


def filter_options(function: Callable[..., int]) -> Callable[..., int]:
    """Add ``--after``, ``--before`` and ``--source``; the command gets them as ``filters``."""

    @click.option(
        "--after",
        metavar="DATE",
        help="Only articles published on this day or later: 2023, 2023-09, 2023-09-11.",
    )
    @click.option("--before", metavar="DATE", help="Only articles published on this day or earlier.")
    @click.option(
        "--source",
        "sources",
        multiple=True,
        metavar="NAME",
        help="Only articles of this source (repeatable).",
    )
    @wraps(function)
    def with_filters(
        *args: Any, after: str | None, before: str | None, sources: tuple[str, ...], **kwargs: Any
    ) -> int:
        try:
            filters = Filters(after=after, before=before, sources=sources)  # type: ignore[arg-type]
        except ValidationError as error:
            first = error.errors()[0]
            name = f"--{first['loc'][0]}: " if first["loc"] else ""
            detail = (
                "use a date like 2023, 2023-09 or 2023-09-11"
                if name
                else first["msg"].removeprefix("Value error, ")
            )
            raise FilterError(f"{name}{detail}.") from None
        return function(*args, filters=filters, **kwargs)

    return with_filters


def served_at(host: str | None, port: int | None) -> Settings:
    """Return the settings of the environment, with the host and port given on the command line in their place."""
    given = {"host": host, "port": port}
    return Settings.from_environ().model_copy(update={k: v for k, v in given.items() if v is not None})


def write(path: Path, text: str) -> None:
    """Write a file that was named on the command line.

    Raises:
        InputError: It cannot be written.
    """
    try:
        path.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}). Name another file.") from None
