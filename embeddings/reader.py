"""The reader: one pass over question and passage for relevance, the answer's place, and whether there is one.

No torch and no transformers on this path: `tokenizers` cuts the text, OpenVINO runs the network. How it was
trained, on what, and how well it reads stands in the weights' MODEL_CARD.md.
"""

from __future__ import annotations

import hashlib
import json
import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embeddings.errors import ModelDamaged, ModelNotFound
from embeddings.reader_input import Pair, PairEncoder, Tokens

BUNDLED = Path(__file__).parent / "weights" / "reader"
WEIGHTS, TOKENIZER, MANIFEST = "model.safetensors", "tokenizer.json", "manifest.json"
FORMAT = 1
MAX_ANSWER_TOKENS = 30
_OVERLAP = 64
_BATCH = 4


@dataclass(frozen=True)
class Span:
    """A stretch of a passage.

    Attributes:
        start: first code point.
        end: one past the last code point.
        score: how much better than "no answer", in logits; any real number.
    """

    start: int
    end: int
    score: float


@dataclass(frozen=True, eq=False)
class Reading:
    """What the reader makes of one passage.

    Attributes:
        relevance_logit: whether the passage answers the question, as a logit.
        offsets: half-open code-point ranges of the passage's tokens, shape (n, 2).
        start_logits: how much better than "no answer" each token is as the first of an answer, shape (n,).
        end_logits: the same for the last of an answer, shape (n,).
    """

    relevance_logit: float
    offsets: NDArray[np.int32]
    start_logits: NDArray[np.float32]
    end_logits: NDArray[np.float32]
    best: Span | None = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "best", self._best(0, len(self.offsets), MAX_ANSWER_TOKENS))

    @property
    def relevance(self) -> float:
        """Probability, by the reader's own uncalibrated word, that the passage answers the question: 0..1."""
        half = 0.5 * math.tanh(0.5 * self.relevance_logit)
        return 0.5 + half

    @property
    def start(self) -> int | None:
        """First code point of the best span; None for a passage without a word."""
        return self.best.start if self.best else None

    @property
    def end(self) -> int | None:
        """One past the last code point of the best span; None for a passage without a word."""
        return self.best.end if self.best else None

    @property
    def span_score(self) -> float:
        """The best span's logits less those of "no answer"; -inf for a passage without a word."""
        return self.best.score if self.best else -math.inf

    def best_span(self, start: int, end: int, *, max_tokens: int = MAX_ANSWER_TOKENS) -> Span | None:
        """The best span inside the code points [start, end), such as a sentence; None without a token."""
        first = int(np.searchsorted(self.offsets[:, 0], start, side="left"))
        last = int(np.searchsorted(self.offsets[:, 1], end, side="right"))
        return self._best(first, last, max_tokens)

    def _best(self, first: int, last: int, max_tokens: int) -> Span | None:
        starts, ends = self.start_logits[first:last], self.end_logits[first:last]
        found: tuple[float, int, int] | None = None
        for extra in range(min(max_tokens, len(starts))):
            scores = starts[: len(starts) - extra] + ends[extra:]
            place = int(scores.argmax())
            if found is None or scores[place] > found[0]:
                found = (float(scores[place]), first + place, first + place + extra)
        if found is None:
            return None
        score, begin, finish = found
        return Span(int(self.offsets[begin, 0]), int(self.offsets[finish, 1]), score)


@dataclass(frozen=True)
class _Window:
    """A row of input: which passage, and which of its tokens [begin, end) it shows."""

    passage: int
    begin: int
    end: int
    pair: Pair


class Reader:
    """A loaded reader; safe to use from several threads."""

    def __init__(self, encoder: PairEncoder, network: Any, fingerprint: str) -> None:
        """Use `Reader.load`."""
        self._encoder = encoder
        self._request = network.create_infer_request()
        self._lock = threading.Lock()
        self.fingerprint = fingerprint

    @classmethod
    def load(cls, path: Path | str = BUNDLED, *, threads: int | None = None) -> Reader:
        """Loads the weights in the folder `path` after checking each file's SHA-256.

        Args:
            path: a folder that ``python -m evals.train_reader export`` wrote; if left out, the bundled one.
            threads: processor threads to run on; OpenVINO's choice if left out.

        Raises:
            ModelNotFound: `path` holds no reader.
            ModelDamaged: a file is missing or is not the one that was exported.
        """
        from safetensors.numpy import load
        from tokenizers import Tokenizer

        from embeddings.openvino_runtime import import_openvino
        from embeddings.reader_graph import Shape, build

        manifest, contents, fingerprint = _checked(Path(path))
        config = manifest["config"]
        tokenizer = Tokenizer.from_str(contents[TOKENIZER].decode("utf-8"))
        encoder = PairEncoder(tokenizer, max_tokens=config["max_tokens"])
        shape = Shape(layers=config["layers"], heads=config["heads"], epsilon=config["epsilon"])
        core = import_openvino().Core()
        capable = "BF16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        options: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "bf16" if capable else "f32",
        }
        if threads is not None:
            options["INFERENCE_NUM_THREADS"] = threads
        network = core.compile_model(build(load(contents[WEIGHTS]), shape), "CPU", options)
        return cls(encoder, network, fingerprint)

    def read(
        self, question: str, passages: Sequence[str], titles: Sequence[str] | None = None
    ) -> list[Reading]:
        """Reads each passage for an answer to `question`.

        Args:
            question: any text; cut to its first 64 tokens.
            passages: any texts; longer ones are read in overlapping windows. Offsets refer to these strings.
            titles: a header for each passage (title, source, date), shown before it and never part of an
                answer; cut to its first 32 tokens.

        Returns:
            One `Reading` per passage, in order.

        Raises:
            ValueError: there are titles, but not one for each passage.
        """
        if titles is not None and len(titles) != len(passages):
            raise ValueError(
                f"{len(titles)} titles for {len(passages)} passages: give one title for each passage"
            )
        if not passages:
            return []
        asked = self._encoder.tokens(question)
        headers = self._encoder.tokens_of_all(titles if titles is not None else [""] * len(passages))
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
        with self._lock:
            outputs = self._request.infer([ids, types, mask])
            return outputs[0].astype(np.float32), outputs[1].astype(np.float32)


def _checked(folder: Path) -> tuple[dict[str, Any], dict[str, bytes], str]:
    """The manifest, the contents of the files it lists, and the manifest's own SHA-256."""
    if not (folder / MANIFEST).is_file():
        raise ModelNotFound(
            f"There is no reader in {folder}: it has no {MANIFEST}. Install the package again."
        )
    written = (folder / MANIFEST).read_bytes()
    try:
        manifest = json.loads(written)
        if manifest["format"] != FORMAT:
            raise ModelDamaged(
                f"The reader in {folder} has format {manifest['format']}, this program reads format "
                f"{FORMAT}: export it again with python -m evals.train_reader export."
            )
        sums: dict[str, str] = manifest["sha256"]
    except (ValueError, KeyError, TypeError) as error:
        raise ModelDamaged(f"{folder / MANIFEST} is damaged ({error}). Install the package again.") from error
    contents = {}
    for name in (WEIGHTS, TOKENIZER):
        path = folder / name
        if not path.is_file():
            raise ModelDamaged(f"{path} is missing. Install the package again.")
        contents[name] = path.read_bytes()
        if hashlib.sha256(contents[name]).hexdigest() != sums.get(name):
            raise ModelDamaged(
                f"{path} is not the file that was exported (SHA-256 differs). Install the package again."
            )
    return manifest, contents, hashlib.sha256(written).hexdigest()
