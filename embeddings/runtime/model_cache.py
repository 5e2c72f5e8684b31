"""The folder of converted models, which several processes share.

``sources/<key>.json`` records what a source (a folder as it was, a Hub name) turned out to be, and
``<kind>/<fingerprint>-<format>/`` holds a converted model. Both are written aside and moved in, and never
changed afterwards, so that readers need no lock; ``convert.lock`` makes sure that two processes convert once.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from embeddings.runtime.source import ModelSource


class ModelCache:
    """The converted models of one kind."""

    def __init__(self, folder: Path, kind: str, form: int) -> None:
        """Make nothing yet.

        Args:
            folder: The cache folder.
            kind: Name of the folder for this kind of model.
            form: Version of the format that this kind is converted to.
        """
        self._folder = folder
        self._models = folder / kind
        self._format = form

    def folder_of(self, fingerprint: str) -> Path:
        """Where the converted form of a model is kept."""
        return self._models / f"{fingerprint}-{self._format}"

    def recorded(self, source: ModelSource) -> dict[str, Any]:
        """What was recorded of a source; empty where nothing was, or nothing that can be read."""
        try:
            content = json.loads(self._record(source).read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}

    def record(self, source: ModelSource, content: dict[str, Any]) -> None:
        """Record what a source turned out to be; the caller holds the lock."""
        path = self._record(source)
        path.parent.mkdir(exist_ok=True)
        aside = path.with_suffix(".tmp")  # only ever written under the lock
        aside.write_text(json.dumps(content), "utf-8")
        aside.replace(path)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Wait until no other process converts.

        Raises:
            OSError: The cache folder cannot be written.
        """
        from filelock import FileLock

        self._folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self._folder / "convert.lock"):
            yield

    @contextmanager
    def new_folder(self) -> Iterator[Path]:
        """Make an empty folder to convert into, and remove what is left of it; the caller holds the lock."""
        self._models.mkdir(exist_ok=True)
        for abandoned in self._models.glob(".converting-*"):  # by a process that was killed: the lock is ours
            shutil.rmtree(abandoned, ignore_errors=True)
        aside = self._models / f".converting-{uuid.uuid4().hex}"
        aside.mkdir()
        try:
            yield aside
        finally:
            shutil.rmtree(aside, ignore_errors=True)

    def publish(self, aside: Path, fingerprint: str) -> Path:
        """Move a folder that is now complete to its place; the caller holds the lock."""
        target = self.folder_of(fingerprint)
        if target.exists():  # damaged, or it would have been used
            shutil.rmtree(target)
        return aside.replace(target)

    def _record(self, source: ModelSource) -> Path:
        key = f"{self._format}\n{source.location}\n{source.state}"
        return self._folder / "sources" / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"
