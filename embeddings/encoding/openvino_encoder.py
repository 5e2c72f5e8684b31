"""Runs a converted model with OpenVINO and tokenizers alone: no torch, loaded in a fraction of a second."""

from __future__ import annotations

import contextlib
import os
import re
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embeddings.errors import ModelDamaged
from embeddings.runtime.converted import ConvertedModel
from embeddings.runtime.openvino import CompiledModel

ENCODER_MANIFEST = "encoder.json"
ENCODER_FORMAT = 2
"""Version of what is in a converted encoder's folder; another one is converted anew."""

_SURROGATE = re.compile(r"[\ud800-\udfff]")
_BATCH_TOKENS = 1024  # padded tokens in a batch; with 2048 indexing took 6 % longer, with 4096 encoding 10 %
_BATCH_TEXTS = 128
_BULK_BATCHES = 4  # from here on it pays to compile for throughput
_STREAMS = 4
_PAD_TO = 8  # each new length costs the CPU plugin some milliseconds of preparation
_CHARS_PER_TOKEN = 32


class OpenVINOEncoder:
    """The encoder of a converted model.

    Most of it is computed in 8 bits (:mod:`embeddings.runtime.int8`). The vector of a text depends a little on
    the texts it is batched with, as padding changes how sums are split: two encodings of one text agree to a
    cosine of 0.9995 or better, not bit for bit.
    """

    def __init__(self, folder: Path, *, threads: int | None = None) -> None:
        """Load a converted model.

        Args:
            folder: What :mod:`embeddings.encoding.convert` wrote.
            threads: CPU threads; by default as many as there are cores.

        Raises:
            ModelDamaged: A file is missing or is not what was written.
        """
        self.converted = ConvertedModel(folder, ENCODER_MANIFEST)
        self.name: str = self.converted["name"]
        self.fingerprint: str = self.converted["fingerprint"]
        self.dim: int = self.converted["dim"]
        self.max_tokens: int = self.converted["max_tokens"]
        self._window: int = self.converted["window"]
        self._threads = threads
        self._windowed = self.converted.tokenizer()
        self._windowed.enable_truncation(self._window)
        self._latency = self.converted.compiled(threads=threads)
        self._lock = threading.Lock()

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encode passages: shape (len(texts), dim), each row of length 1."""
        return self._encode(texts, self.converted["document_prompt"])

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encode questions behind the model's query prompt; shaped as ``encode``."""
        return self._encode(texts, self.converted["query_prompt"])

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        """Code point offsets of each token of the whole text, about a second per million tokens."""
        spans: list[tuple[int, int]] = self._unbounded.encode(
            without_surrogates(text), add_special_tokens=False
        ).offsets
        return spans

    @cached_property
    def _unbounded(self) -> Any:
        return self.converted.tokenizer()

    @cached_property
    def _throughput(self) -> CompiledModel:
        streams = min(_STREAMS, self._threads or os.cpu_count() or 1)
        return self.converted.compiled(streams=streams, threads=self._threads)

    def _encode(self, texts: Sequence[str], prompt: str) -> NDArray[np.float32]:
        vectors = np.empty((len(texts), self.dim), dtype=np.float32)
        encodings = self._tokenize([without_surrogates(prompt + text) for text in texts])
        batches = _batches([len(encoding) for encoding in encodings])
        compiled = self._latency
        if len(batches) >= _BULK_BATCHES:
            # Where the cache folder was deleted under a running process, what is loaded still serves.
            with self._lock, contextlib.suppress(ModelDamaged):
                compiled = self._throughput

        def run(batch: list[int]) -> None:
            vectors[batch] = unit(compiled.infer(self._inputs([encodings[i] for i in batch]))[0])

        if compiled.streams == 1 or len(batches) < 2:
            for batch in batches:
                run(batch)
        else:
            with ThreadPoolExecutor(compiled.streams) as pool:
                list(pool.map(run, batches))
        return vectors

    def _tokenize(self, texts: list[str]) -> list[Any]:
        """Tokenise to the window, looking past what surely lies beyond it only where it does not."""
        reach = _CHARS_PER_TOKEN * self._window
        encodings = self._windowed.encode_batch_fast([text[:reach] for text in texts])
        for i, text in enumerate(texts):
            if len(text) > reach and len(encodings[i]) < self._window:
                encodings[i] = self._windowed.encode(text)
        return list(encodings)

    def _inputs(self, encodings: list[Any]) -> dict[str, NDArray[np.int64]]:
        longest = max(len(encoding) for encoding in encodings)
        # A model has no position beyond its window, and a graph no meaning for a width of nothing.
        width = max(min(-(-longest // _PAD_TO) * _PAD_TO, self._window), 1)
        shape = len(encodings), width
        columns = {
            "input_ids": np.full(shape, self.converted["pad_id"], dtype=np.int64),
            "attention_mask": np.zeros(shape, dtype=np.int64),
            "token_type_ids": np.zeros(shape, dtype=np.int64),
        }
        left = self.converted["padding_side"] == "left"
        for row, encoding in enumerate(encodings):
            where = slice(shape[1] - len(encoding), None) if left else slice(0, len(encoding))
            columns["input_ids"][row, where] = encoding.ids
            columns["attention_mask"][row, where] = 1
            columns["token_type_ids"][row, where] = encoding.type_ids
        return {name: columns[name] for name in self.converted["inputs"]}


def without_surrogates(text: str) -> str:
    """Replace lone surrogates, which tokenizers refuses, by U+FFFD (one for one: offsets hold)."""
    return _SURROGATE.sub("\ufffd", text)


def unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale rows to length 1.

    A row of zeros, as models without special tokens give an empty text, becomes the first axis.
    """
    rows = np.nan_to_num(rows, posinf=0.0, neginf=0.0)
    lengths = np.linalg.norm(rows, axis=1)
    rows[lengths == 0, 0] = 1.0
    return np.asarray(rows / np.where(lengths == 0, 1.0, lengths)[:, None], dtype=np.float32)


def _batches(lengths: list[int]) -> list[list[int]]:
    """Group texts of like length, longest first, so that little is spent on padding."""
    batches: list[list[int]] = []
    width = 0
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if not batches or (len(batches[-1]) + 1) * width > _BATCH_TOKENS or len(batches[-1]) == _BATCH_TEXTS:
            batches.append([])
            width = lengths[i]
        batches[-1].append(i)
    return batches
