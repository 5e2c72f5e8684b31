"""Readers made by others, from a folder or the Hugging Face Hub: cross-encoders and models that mark answers.

They put passages in order, and models for question answering mark the short answer too. How sure an answer is
does not depend on them: that was fitted with the bundled reader. Converted once, they run without torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embeddings.errors import ConversionError, ModelDamaged, ModelNotFound
from embeddings.reading.reading import Reading, titles_of
from embeddings.runtime.conversion import run_child
from embeddings.runtime.converted import ConvertedModel
from embeddings.runtime.model_cache import ModelCache
from embeddings.runtime.source import ModelSource
from embeddings.types import Notify

HUB_READER_MANIFEST = "reader.json"
HUB_READER_FORMAT = 2
"""Version of what is in a converted reader's folder; another one is converted anew."""
_BATCH = 4


class HubReader:
    """A converted reader; safe to use from several threads."""

    def __init__(self, folder: Path, *, threads: int | None = None) -> None:
        """Load what :mod:`embeddings.reading.convert` wrote.

        Raises:
            ModelDamaged: A file is missing or is not what was written.
        """
        converted = ConvertedModel(folder, HUB_READER_MANIFEST)
        self.name: str = converted["name"]
        self.fingerprint: str = converted["fingerprint"]
        self.marks: bool = converted["marks"]
        self._inputs: list[str] = converted["inputs"]
        self._pad: int = converted["pad_id"]
        window: int = converted["window"]
        self._tokenizer, self._question = converted.tokenizer(), converted.tokenizer()
        self._tokenizer.enable_truncation(window, stride=window // 6, strategy="only_second")
        self._question.enable_truncation(window // 4)
        self._compiled = converted.compiled(threads=threads)

    def reads(self, question: str) -> bool:
        """Whether it may be asked a question: whoever chose the model knows its languages."""
        return True

    def read(
        self, question: str, passages: Sequence[str], titles: Sequence[str] | None = None
    ) -> list[Reading]:
        """Read each passage for an answer to ``question``; see :meth:`embeddings.reading.reader.Reader.read`.

        A cross-encoder's readings mark nothing: they have no tokens.
        """
        headers = [f"{title}\n" if title else "" for title in titles_of(passages, titles)]
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
        inputs = {}
        for name in self._inputs:
            padding = [self._pad if name == "input_ids" else 0] * longest
            rows = [(row + padding)[:longest] for row in columns[name]]
            inputs[name] = np.array(rows, dtype=np.int64)
        return self._compiled.infer(inputs)[0]

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
    cache = ModelCache(cache_dir, "readers", HUB_READER_FORMAT)
    reader = _open(source, cache)
    if reader is not None:
        return reader
    try:
        with cache.lock():  # another process may have converted it meanwhile
            return _open(source, cache) or _convert(source, cache, notify)
    except OSError as error:
        raise ModelNotFound(
            f"The reader {source.name} cannot be kept: {cache_dir} cannot be written ({error}). "
            "Name another cache folder."
        ) from error


def _open(source: ModelSource, cache: ModelCache) -> HubReader | None:
    """Load what an earlier conversion left; ``None`` where there is none, or none that is usable."""
    try:
        return HubReader(cache.folder_of(cache.recorded(source)["reader"]))
    except (KeyError, ModelDamaged):
        return None


def _convert(source: ModelSource, cache: ModelCache, notify: Notify) -> HubReader:
    """Convert in a child process; the caller holds the cache's lock."""
    notify(f"Converting the reader {source.name} for this machine, once; this takes about half a minute.")
    with cache.new_folder() as aside:
        failure = run_child("embeddings.reading.convert", source, aside)
        if failure is not None:
            raise ConversionError(f"The reader {source.name} cannot be used: {failure.why.rstrip('.')}.")
        fingerprint = ConvertedModel(aside, HUB_READER_MANIFEST)["fingerprint"]
        folder = cache.publish(aside, fingerprint)
        cache.record(source, {"reader": fingerprint})
        return HubReader(folder)
