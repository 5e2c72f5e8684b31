"""Runs a converted model with OpenVINO and tokenizers alone: no torch, loaded in a fraction of a second.

A converted model is a folder, written by :mod:`embeddings.convert` and never changed afterwards, but for
blobs: what OpenVINO compiled for one kind of CPU, kept because importing it halves the time to load.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import struct
import sys
import threading
import uuid
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from queue import LifoQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embeddings.errors import ModelDamaged

MANIFEST = "encoder.json"
FORMAT = 1

_SURROGATE = re.compile(r"[\ud800-\udfff]")
_BATCH_TOKENS = 2048  # padded tokens in a batch; more gained nothing
_BATCH_TEXTS = 128
_BULK_BATCHES = 4  # from here on it pays to compile for throughput
_STREAMS = 4
_PAD_TO = 8  # each new length costs the CPU plugin some milliseconds of preparation
_CHARS_PER_TOKEN = 32
_CHECKSUM = struct.Struct("<I")


class OpenVINOEncoder:
    """The encoder of a converted model.

    On CPUs with bfloat16 arithmetic that is what is computed in. The vector of a text then depends a little
    on the texts it is batched with (padding changes how sums are split): two encodings of one text agree to
    a cosine of 0.9999 or better, not bit for bit.
    """

    def __init__(self, folder: Path, *, threads: int | None = None) -> None:
        """Load a converted model.

        Args:
            folder: What :mod:`embeddings.convert` wrote.
            threads: CPU threads; by default as many as there are cores.

        Raises:
            ModelDamaged: A file is missing or is not what was written.
        """
        from tokenizers import Tokenizer

        self._folder = folder
        self._threads = threads
        try:
            self._manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text("utf-8"))
            self._tokenizer_json = _checked(folder, "tokenizer.json", self._manifest).decode()
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise _damaged(folder, f"{MANIFEST}: {error}") from error
        manifest = self._manifest
        self.name: str = manifest["name"]
        self.fingerprint: str = manifest["fingerprint"]
        self.dim: int = manifest["dim"]
        self.max_tokens: int = manifest["max_tokens"]
        self._windowed = Tokenizer.from_str(self._tokenizer_json)
        self._windowed.no_padding()
        self._windowed.enable_truncation(manifest["window"])
        self._latency = _Lanes(folder, manifest, streams=1, threads=threads)
        self._lock = threading.Lock()

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encode passages: shape (len(texts), dim), each row of length 1."""
        return self._encode(texts, self._manifest["document_prompt"])

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encode questions behind the model's query prompt; shaped as ``encode``."""
        return self._encode(texts, self._manifest["query_prompt"])

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        """Code point offsets of each token of the whole text, about a second per million tokens."""
        spans: list[tuple[int, int]] = self._unbounded.encode(
            without_surrogates(text), add_special_tokens=False
        ).offsets
        return spans

    @cached_property
    def _unbounded(self) -> Any:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_str(self._tokenizer_json)
        tokenizer.no_padding()
        tokenizer.no_truncation()
        return tokenizer

    @cached_property
    def _throughput(self) -> _Lanes:
        streams = min(_STREAMS, self._threads or os.cpu_count() or 1)
        return _Lanes(self._folder, self._manifest, streams=streams, threads=self._threads)

    def _encode(self, texts: Sequence[str], prompt: str) -> NDArray[np.float32]:
        vectors = np.empty((len(texts), self.dim), dtype=np.float32)
        encodings = self._tokenize([without_surrogates(prompt + text) for text in texts])
        batches = _batches([len(encoding) for encoding in encodings])
        lanes = self._latency
        if len(batches) >= _BULK_BATCHES:
            # Where the cache folder was deleted under a running process, the first lane still serves.
            with self._lock, contextlib.suppress(ModelDamaged):
                lanes = self._throughput

        def run(batch: list[int]) -> None:
            # The graph normalises too, but in bfloat16, which leaves lengths between 0.996 and 1.004.
            vectors[batch] = unit(lanes.infer(self._inputs([encodings[i] for i in batch])))

        if lanes.streams == 1 or len(batches) < 2:
            for batch in batches:
                run(batch)
        else:
            with ThreadPoolExecutor(lanes.streams) as pool:
                list(pool.map(run, batches))
        return vectors

    def _tokenize(self, texts: list[str]) -> list[Any]:
        """Tokenise to the window, looking past what surely lies beyond it only where it does not."""
        window = self._manifest["window"]
        reach = _CHARS_PER_TOKEN * window
        encodings = self._windowed.encode_batch_fast([text[:reach] for text in texts])
        for i, text in enumerate(texts):
            if len(text) > reach and len(encodings[i]) < window:
                encodings[i] = self._windowed.encode(text)
        return list(encodings)

    def _inputs(self, encodings: list[Any]) -> dict[str, NDArray[np.int64]]:
        longest = max(len(encoding) for encoding in encodings)
        # A model has no position beyond its window, and a graph no meaning for a width of nothing.
        width = max(min(-(-longest // _PAD_TO) * _PAD_TO, self._manifest["window"]), 1)
        shape = len(encodings), width
        columns = {
            "input_ids": np.full(shape, self._manifest["pad_id"], dtype=np.int64),
            "attention_mask": np.zeros(shape, dtype=np.int64),
            "token_type_ids": np.zeros(shape, dtype=np.int64),
        }
        left = self._manifest["padding_side"] == "left"
        for row, encoding in enumerate(encodings):
            where = slice(shape[1] - len(encoding), None) if left else slice(0, len(encoding))
            columns["input_ids"][row, where] = encoding.ids
            columns["attention_mask"][row, where] = 1
            columns["token_type_ids"][row, where] = encoding.type_ids
        return {name: columns[name] for name in self._manifest["inputs"]}


class _Lanes:
    """A compiled model and one inference request for each of its streams."""

    def __init__(self, folder: Path, manifest: dict[str, Any], *, streams: int, threads: int | None) -> None:
        openvino = import_openvino()
        core = openvino.Core()
        capabilities = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        precision = "bf16" if manifest["precision"] == "any" and "BF16" in capabilities else "f32"
        config: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": precision,
            "PERFORMANCE_HINT": "LATENCY" if streams == 1 else "THROUGHPUT",
            "NUM_STREAMS": streams,
            # Pinned threads of two processes would share cores while others idle.
            "ENABLE_CPU_PINNING": False,
        }
        if threads is not None:
            config["INFERENCE_NUM_THREADS"] = threads
        machine = [core.get_property("CPU", "FULL_DEVICE_NAME"), *capabilities, openvino.get_version()]
        blob = folder / f"{hashlib.sha256(repr((machine, precision)).encode()).hexdigest()[:16]}.blob"
        compiled, self._memory = _import_blob(openvino, core, blob, config)
        if compiled is None:
            _checked(folder, "model.xml", manifest)
            _checked(folder, "model.bin", manifest)
            compiled = core.compile_model(os.fspath(folder / "model.xml"), "CPU", config)
            _write_blob(compiled, blob)
        self.streams = streams
        self._compiled = compiled
        self._requests: LifoQueue[Any] = LifoQueue()
        for _ in range(streams):
            self._requests.put(compiled.create_infer_request())

    def infer(self, inputs: dict[str, NDArray[np.int64]]) -> NDArray[np.float32]:
        """Run one batch, waiting for a free request."""
        request = self._requests.get()
        try:
            request.infer(inputs, share_inputs=True)
            return np.array(request.get_output_tensor(0).data, dtype=np.float32)
        finally:
            self._requests.put(request)


def import_openvino() -> Any:
    """Import OpenVINO without its model converter.

    ``import openvino`` imports the converter where it can, and that reports the import to its makers, over
    the network, unless the user has opted out; it is also two thirds of the import's time. ``None`` in
    ``sys.modules`` makes it look absent, which OpenVINO allows for.
    """
    converter = "openvino.tools.ovc"
    hide = "openvino" not in sys.modules and converter not in sys.modules
    if hide:
        sys.modules[converter] = None  # type: ignore[assignment]
    try:
        import openvino
    finally:
        if hide:
            del sys.modules[converter]
    return openvino


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


def sha256(data: bytes) -> str:
    """SHA-256 in hex."""
    return hashlib.sha256(data).hexdigest()


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


def _checked(folder: Path, name: str, manifest: dict[str, Any]) -> bytes:
    try:
        data = (folder / name).read_bytes()
    except OSError as error:
        raise _damaged(folder, f"{name}: {error.strerror}") from error
    if sha256(data) != manifest["files"][name]:
        raise _damaged(folder, f"{name} is not what was written")
    return data


def _damaged(folder: Path, why: str) -> ModelDamaged:
    return ModelDamaged(
        f"The converted model in {folder} is damaged ({why}). Delete the folder; it will be made again."
    )


def _import_blob(openvino: Any, core: Any, blob: Path, config: dict[str, Any]) -> tuple[Any, Any]:
    """Import a compiled model, which lives in the memory returned with it.

    Both are ``None`` where there is none, or it does not pass its checksum.
    """
    try:
        # Copy-on-write: nothing writes to it, but OpenVINO shares no memory that it could not write to.
        data = np.memmap(blob, dtype=np.uint8, mode="c")
    except (OSError, ValueError):  # absent or empty
        return None, None
    body, checksum = data[: -_CHECKSUM.size], data[-_CHECKSUM.size :].tobytes()
    if checksum != _CHECKSUM.pack(zlib.crc32(body.data)):
        return None, None
    try:
        return core.import_model(openvino.Tensor(body, shared_memory=True), "CPU", config), data
    except RuntimeError:  # made by a build that OpenVINO does not think compatible
        return None, None


def _write_blob(compiled: Any, blob: Path) -> None:
    """Keep a compiled model for the next load, where the folder can be written."""
    data = compiled.export_model().getvalue()
    aside = blob.with_name(f".{blob.name}.{uuid.uuid4().hex}.tmp")
    try:
        with aside.open("wb") as file:
            file.write(data)
            file.write(_CHECKSUM.pack(zlib.crc32(data)))
        aside.replace(blob)
    except OSError:
        aside.unlink(missing_ok=True)
