"""The reader: one pass over question and passage for relevance, the answer's place, and whether there is one.

No torch and no transformers on this path: `tokenizers` cuts the text, OpenVINO runs the network. How it was
trained, on what, and how well it reads stands in the weights' MODEL_CARD.md.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embeddings.errors import ModelDamaged, ModelNotFound
from embeddings.reading.inputs import Pair, PairEncoder, Tokens
from embeddings.reading.reading import Reading, titles_of
from embeddings.runtime.openvino import CompiledModel

BUNDLED = Path(__file__).parent.parent / "weights" / "reader"
WEIGHTS, TOKENIZER, MANIFEST = "model.safetensors", "tokenizer.json", "manifest.json"
READER_FORMAT = 1
"""Version of what is in an exported reader's folder; no other can be read."""
_OVERLAP = 64
_BATCH = 4


@dataclass(frozen=True)
class _Window:
    """A row of input: which passage, and which of its tokens [begin, end) it shows."""

    passage: int
    begin: int
    end: int
    pair: Pair


class Reader:
    """A loaded reader; safe to use from several threads."""

    def __init__(self, encoder: PairEncoder, compiled: CompiledModel, fingerprint: str) -> None:
        """Use `Reader.load`."""
        self._encoder = encoder
        self._compiled = compiled
        self.fingerprint = fingerprint

    @classmethod
    def load(
        cls, path: Path | str = BUNDLED, *, cache_dir: Path | None = None, threads: int | None = None
    ) -> Reader:
        """Load the reader in the folder `path`.

        Args:
            path: A folder that ``python -m evals.training export`` wrote; if left out, the bundled one.
            cache_dir: Where its compiled form is kept, which loads in a third of the time; nowhere if left out.
            threads: Processor threads to run on; as many as there are cores if left out.

        Raises:
            ModelNotFound: `path` holds no reader.
            ModelDamaged: A file is missing or is not the one that was exported.
        """
        from tokenizers import Tokenizer

        folder = Path(path)
        manifest, fingerprint = _manifest(folder)
        config = manifest["config"]

        def network() -> Any:
            from safetensors.numpy import load

            from embeddings.reading.graph import Shape, build

            shape = Shape(layers=config["layers"], heads=config["heads"], epsilon=config["epsilon"])
            return build(load(_checked(folder, WEIGHTS, manifest)), shape)

        tokenizer = Tokenizer.from_str(_checked(folder, TOKENIZER, manifest).decode("utf-8"))
        kept = cache_dir / "readers" / fingerprint if cache_dir else None
        compiled = CompiledModel(kept, network, threads=threads)
        return cls(PairEncoder(tokenizer, max_tokens=config["max_tokens"]), compiled, fingerprint)

    def reads(self, question: str) -> bool:
        """Whether a question is in Latin letters: the reader was trained on English alone."""
        letters = [character for character in question if character.isalpha()]
        return 2 * sum(character < "\u0250" for character in letters) >= len(letters)

    def read(
        self, question: str, passages: Sequence[str], titles: Sequence[str] | None = None
    ) -> list[Reading]:
        """Read each passage for an answer to `question`.

        Args:
            question: Any text; cut to its first 64 tokens.
            passages: Any texts; longer ones are read in overlapping windows. Offsets refer to these strings.
            titles: A header for each passage (title, source, date), shown before it and never part of an
                answer; cut to its first 32 tokens.

        Returns:
            One `Reading` per passage, in order.

        Raises:
            ValueError: There are titles, but not one for each passage.
        """
        titles = titles_of(passages, titles)
        if not passages:
            return []
        asked = self._encoder.tokens(question)
        headers = self._encoder.tokens_of_all(titles)
        texts = self._encoder.tokens_of_all(passages)
        windows = [
            window
            for number, (header, text) in enumerate(zip(headers, texts, strict=True))
            for window in self._windows(asked, header, text, number)
        ]
        windows.sort(key=lambda w: (len(w.pair), w.passage, w.begin))
        relevance = np.full(len(passages), -np.inf)
        starts = [np.zeros(len(t), dtype=np.float32) for t in texts]
        ends = [np.zeros(len(t), dtype=np.float32) for t in texts]
        depth = [np.full(len(t), -1) for t in texts]
        for begin in range(0, len(windows), _BATCH):
            batch = windows[begin : begin + _BATCH]
            spans, logits = self._run([w.pair for w in batch])
            for row, window in enumerate(batch):
                number, size = window.passage, window.end - window.begin
                relevance[number] = max(relevance[number], logits[row])
                ours = spans[row, window.pair.first : window.pair.first + size] - spans[row, 0]
                # A token seen by two windows is judged by the one that shows more around it.
                inner = np.minimum(np.arange(size), np.arange(size)[::-1])
                deeper = inner > depth[number][window.begin : window.end]
                places = np.arange(window.begin, window.end)[deeper]
                starts[number][places], ends[number][places] = ours[deeper, 0], ours[deeper, 1]
                depth[number][places] = inner[deeper]
        return [
            Reading(float(r), t.offsets, s, e)
            for r, t, s, e in zip(relevance, texts, starts, ends, strict=True)
        ]

    def _windows(self, question: Tokens, header: Tokens, text: Tokens, number: int) -> list[_Window]:
        room = self._encoder.room(question, header)
        windows, begin = [], 0
        while True:
            end = min(begin + room, len(text))
            if end == len(text):
                begin = max(0, end - room)
            windows.append(
                _Window(number, begin, end, self._encoder.pair(question, header, text.ids[begin:end]))
            )
            if end == len(text):
                return windows
            begin = end - _OVERLAP

    def _run(self, pairs: Sequence[Pair]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Span logits (batch, length, 2) and relevance logits (batch,) of rows padded to the longest."""
        longest = max(map(len, pairs))
        ids, types = (np.zeros((len(pairs), longest), dtype=np.int32) for _ in range(2))
        mask = np.zeros((len(pairs), longest), dtype=np.float32)
        for row, pair in enumerate(pairs):
            ids[row, : len(pair)], types[row, : len(pair)], mask[row, : len(pair)] = pair.ids, pair.types, 1.0
        spans, relevance = self._compiled.infer([ids, types, mask])
        return spans, relevance


def _manifest(folder: Path) -> tuple[dict[str, Any], str]:
    """The manifest and its SHA-256, which stands for the whole reader."""
    if not (folder / MANIFEST).is_file():
        raise ModelNotFound(
            f"There is no reader in {folder}: it has no {MANIFEST}. Install the package again."
        )
    written = (folder / MANIFEST).read_bytes()
    try:
        manifest: dict[str, Any] = json.loads(written)
        if manifest["format"] != READER_FORMAT:
            raise ModelDamaged(
                f"The reader in {folder} has format {manifest['format']}, this program reads format "
                f"{READER_FORMAT}: export it again with python -m evals.training export."
            )
        for key in ("layers", "heads", "epsilon", "max_tokens"):
            manifest["config"][key]
        for name in (WEIGHTS, TOKENIZER):
            manifest["sha256"][name]
    except (ValueError, KeyError, TypeError) as error:
        raise ModelDamaged(f"{folder / MANIFEST} is damaged ({error}). Install the package again.") from error
    return manifest, hashlib.sha256(written).hexdigest()


def _checked(folder: Path, name: str, manifest: dict[str, Any]) -> bytes:
    """The contents of a file, if it is the one that was exported."""
    path = folder / name
    if not path.is_file():
        raise ModelDamaged(f"{path} is missing. Install the package again.")
    contents = path.read_bytes()
    if hashlib.sha256(contents).hexdigest() != manifest["sha256"][name]:
        raise ModelDamaged(
            f"{path} is not the file that was exported (SHA-256 differs). Install the package again."
        )
    return contents
