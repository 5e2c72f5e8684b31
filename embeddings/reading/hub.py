"""Readers made by others, from a folder or the Hugging Face Hub: cross-encoders and models that mark answers.

They put passages in order, and models for question answering mark the short answer too. How sure an answer is
does not depend on them: that was fitted with the bundled reader. Converted once, they run without torch.
"""

from __future__ import annotations

import json
import shutil
import threading
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embeddings.errors import ConversionError, ModelDamaged, ModelNotFound
from embeddings.reading.reading import Reading
from embeddings.runtime.openvino import checked, damaged, load_compiled
from embeddings.types import ModelSource, Notify

MANIFEST = "reader.json"
FORMAT = 2
_BATCH = 4


class HubReader:
    """A converted reader; safe to use from several threads."""

    def __init__(self, folder: Path, *, threads: int | None = None) -> None:
        """Load what :mod:`embeddings.reading.convert` wrote.

        Raises:
            ModelDamaged: A file is missing or is not what was written.
        """
        from tokenizers import Tokenizer

        try:
            manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text("utf-8"))
            written = checked(folder, "tokenizer.json", manifest).decode()
            tokenizer, self._question = Tokenizer.from_str(written), Tokenizer.from_str(written)
            self.name: str = manifest["name"]
            self.fingerprint: str = manifest["fingerprint"]
            self.marks: bool = manifest["marks"]
            self._inputs: list[str] = manifest["inputs"]
            self._pad: int = manifest["pad_id"]
            tokenizer.no_padding()
            tokenizer.enable_truncation(
                manifest["window"], stride=manifest["window"] // 6, strategy="only_second"
            )
            self._question.enable_truncation(manifest["window"] // 4)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise damaged(folder, f"{MANIFEST}: {error}") from error

        def model() -> str:
            checked(folder, "model.xml", manifest)
            checked(folder, "model.bin", manifest)
            return str(folder / "model.xml")

        self._tokenizer = tokenizer
        self._compiled, self._memory = load_compiled(folder, model, threads=threads)
        self._request = self._compiled.create_infer_request()
        self._lock = threading.Lock()

    def reads(self, question: str) -> bool:
        """Whether it may be asked a question: whoever chose the model knows its languages."""
        return True

    def read(
        self, question: str, passages: Sequence[str], titles: Sequence[str] | None = None
    ) -> list[Reading]:
        """Read each passage for an answer to ``question``; see :meth:`embeddings.reading.reader.Reader.read`.

        A cross-encoder's readings mark nothing: they have no tokens.
        """
        if titles is not None and len(titles) != len(passages):
            raise ValueError(
                f"{len(titles)} titles for {len(passages)} passages: give one title for each passage"
            )
        headers = [f"{title}\n" if title else "" for title in titles or [""] * len(passages)]
        asked = self._cut(question)
        readings: list[Reading] = []
        for at in range(0, len(passages), _BATCH):
            chosen = slice(at, at + _BATCH)
            texts = [header + text for header, text in zip(headers[chosen], passages[chosen], strict=True)]
            encodings = self._tokenizer.encode_batch([(asked, text) for text in texts])
            windows = [[encoding, *encoding.overflowing] for encoding in encodings]
            outputs = iter(self._run([window for group in windows for window in group]))
            for header, group in zip(headers[chosen], windows, strict=True):
                rows = [next(outputs) for _ in group]
                readings.append(self._reading(group, rows, len(header)))
        return readings

    def _cut(self, question: str) -> str:
        """The question, cut so that it leaves room for the passage."""
        offsets = self._question.encode(question, add_special_tokens=False).offsets
        return question[: offsets[-1][1]] if offsets else ""

    def _run(self, encodings: Sequence[Any]) -> NDArray[np.float32]:
        columns = {
            "input_ids": [e.ids for e in encodings],
            "attention_mask": [e.attention_mask for e in encodings],
            "token_type_ids": [e.type_ids for e in encodings],
        }
        longest = max(map(len, columns["input_ids"]))
        inputs = {
            name: np.array(
                [
                    row + [self._pad if name == "input_ids" else 0] * (longest - len(row))
                    for row in columns[name]
                ],
                dtype=np.int64,
            )
            for name in self._inputs
        }
        with self._lock:
            self._request.infer(inputs)
            return np.array(self._request.get_output_tensor(0).data, dtype=np.float32)

    def _reading(self, windows: Sequence[Any], rows: Sequence[NDArray[np.float32]], header: int) -> Reading:
        """Join what was read in overlapping windows; where two show a token, the higher score counts."""
        if not self.marks:
            nothing = np.zeros(0, dtype=np.float32)
            return Reading(max(float(row) for row in rows), np.zeros((0, 2), np.int32), nothing, nothing)
        scores: dict[tuple[int, int], NDArray[np.float32]] = {}
        for window, row in zip(windows, rows, strict=True):
            for place, (sequence, (start, end)) in enumerate(
                zip(window.sequence_ids, window.offsets, strict=True)
            ):
                if sequence == 1 and start >= header and end > start:
                    span = (start - header, end - header)
                    gain = row[place] - row[0]
                    scores[span] = np.maximum(scores[span], gain) if span in scores else gain
        spans = sorted(scores)
        offsets = np.array(spans, dtype=np.int32).reshape(len(spans), 2)
        logits = np.array([scores[span] for span in spans], dtype=np.float32).reshape(len(spans), 2)
        reading = Reading(0.0, offsets, logits[:, 0], logits[:, 1])
        relevance = reading.span_score if spans else -30.0
        return Reading(relevance, offsets, logits[:, 0], logits[:, 1])


def load(source: ModelSource, cache_dir: Path, notify: Notify) -> HubReader:
    """Load a reader, converting it first where that was not done before.

    Raises:
        ModelNotFound: There is no such model, or it is neither a cross-encoder nor marks answers.
        ModelDamaged: Its files cannot be read.
    """
    reader = _open(source, cache_dir)
    if reader is not None:
        return reader
    from filelock import FileLock

    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
        with FileLock(cache_dir / "convert.lock"):
            return _open(source, cache_dir) or _convert(source, cache_dir, notify)
    except OSError as error:
        raise ModelNotFound(
            f"The reader {source.name} cannot be kept: {cache_dir} cannot be written ({error}). "
            "Name another cache folder."
        ) from error


def _open(source: ModelSource, cache_dir: Path) -> HubReader | None:
    try:
        fingerprint = json.loads(source.record(cache_dir).read_text("utf-8"))["reader"]
        return HubReader(_folder(cache_dir, fingerprint))
    except (OSError, ValueError, KeyError, TypeError, ModelDamaged):
        return None


def _convert(source: ModelSource, cache_dir: Path, notify: Notify) -> HubReader:
    """Convert in a child process; the caller holds the cache's lock."""
    from embeddings.encoding.conversion import run_child, write_record

    notify(f"Converting the reader {source.name} for this machine, once; this takes about half a minute.")
    readers = cache_dir / "readers"
    readers.mkdir(exist_ok=True)
    for abandoned in readers.glob(".converting-*"):
        shutil.rmtree(abandoned, ignore_errors=True)
    aside = readers / f".converting-{uuid.uuid4().hex}"
    aside.mkdir()
    try:
        failure = run_child("embeddings.reading.convert", source, aside)
        if failure is not None:
            raise ConversionError(f"The reader {source.name} cannot be used: {failure.why.rstrip('.')}.")
        fingerprint = json.loads((aside / MANIFEST).read_text("utf-8"))["fingerprint"]
        target = _folder(cache_dir, fingerprint)
        if target.exists():  # damaged, or converted from another place
            shutil.rmtree(target)
        aside.replace(target)
        write_record(source.record(cache_dir), {"reader": fingerprint})
        return HubReader(target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _folder(cache_dir: Path, fingerprint: str) -> Path:
    return cache_dir / "readers" / f"{fingerprint}-{FORMAT}"
