"""This program as the benchmark sees it."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import qa
from embeddings import load_encoder
from evals.speed.ready import ReadyEncoder, ReadyVectors
from evals.speed.systems import Passages
from qa.settings import Settings
from qa.storage.snapshot import Snapshot
from qa.storage.transaction import Transaction
from qa.types import embedded_text, header


class ArchiveQA:
    """An archive, filled from JSON Lines and searched."""

    def __init__(self) -> None:
        self._settings = Settings.from_environ()

    def load(self) -> None:
        """Load the encoder."""
        self._encoder = load_encoder(self._settings.model, self._settings.cache_dir)

    def encode(self, texts: list[str]) -> None:
        """Encode passages."""
        self._encoder.encode(texts)

    def encode_question(self, text: str) -> None:
        """Encode a question."""
        self._encoder.encode_queries([text])

    def index(self, passages: Passages, folder: Path, ready: ReadyVectors | None) -> None:
        """Fill a new archive from the articles' file."""
        with qa.Archive.create(folder, settings=self._settings) as archive:
            archive.encoder = ReadyEncoder(self._encoder, ready) if ready else self._encoder
            archive.add(passages.jsonl)

    def open(self, folder: Path) -> None:
        """Open an archive with the encoder that is loaded."""
        self._archive = qa.Archive.open(folder, settings=self._settings)
        self._archive.encoder = self._encoder

    def search(self, question: str, k: int) -> list[str]:
        """Search the archive: the best passage of each article, in the order that fusion gives them."""
        return [hit.text for hit in self._archive.search(question, k=k, read=False)]

    def read(self, question: str, k: int) -> list[str]:
        """Search the archive as it does by default: the reader reads passages and orders them."""
        return [hit.text for hit in self._archive.search(question, k=k)]

    def nearest(self, vector: NDArray[np.float32], k: int) -> list[str]:
        """Ask the vector index alone."""

        def read(transaction: Transaction, snapshot: Snapshot) -> list[str]:
            ids = snapshot.vectors.search(vector[None], k)[0][0].tolist()
            found = transaction.passages(ids)
            located = [found[number] for number in ids]
            return [embedded_text(header(article), p.text) for p, article in located]

        return self._archive._published.reading(read)

    def add(self, file: Path, ready: ReadyVectors | None) -> tuple[float, float]:
        """Add a file of articles and remove them again; return the seconds of each."""
        self._archive.encoder = ReadyEncoder(self._encoder, ready) if ready else self._encoder
        ids = [json.loads(line)["id"] for line in file.read_text(encoding="utf-8").splitlines()]
        started = time.perf_counter()
        self._archive.add(file)
        added = time.perf_counter()
        self._archive.remove(ids)
        return added - started, time.perf_counter() - added
