"""What adding articles reports."""

from __future__ import annotations

from typing import Literal, NamedTuple

from qa.types.base import Frozen


class Skipped(NamedTuple):
    """An input that could not be read: where it was and why."""

    where: str
    why: str


class IngestReport(Frozen):
    """What :meth:`qa.Archive.add` did.

    Each article read counts once: it was added, updated, or left alone as unchanged, or it is new but a
    duplicate: its text was there already under another id. Both ids then name it, and the text is stored once.
    What could not be read is skipped, with its reason. ``removed`` names the articles that are not where they
    were read any more.
    """

    added: int = 0
    updated: int = 0
    unchanged: int = 0
    duplicates: int = 0
    removed: list[str] = []
    skipped: list[Skipped] = []


class Progress(Frozen):
    """How far :meth:`qa.Archive.add` has come.

    Reading, encoding and writing run side by side while the ``stage`` is ``"reading"``; then the search
    indexes are built (``"publishing"``).
    """

    stage: Literal["reading", "publishing"] = "reading"
    read: int = 0
    """What was read so far: articles, and inputs that are skipped."""
    skipped: int = 0
    unchanged: int = 0
    """Articles that are there already as they are."""
    stored: int = 0
    """Articles stored: they are kept whatever happens."""
    passages: int = 0
    """Passages of the articles stored."""
    seconds: float = 0.0
    """Since the beginning."""
    fraction: float | None = None
    """Share of the input that is done with, 0 to 1; ``None`` where nobody knows how much there is."""

    @property
    def rate(self) -> float:
        """Passages stored per second."""
        return self.passages / self.seconds if self.seconds else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Seconds the rest of the input will take at the same speed, where its size is known."""
        return self.seconds * (1 - self.fraction) / self.fraction if self.fraction else None
