"""Runs a model with sentence-transformers itself: slower, but able to run what cannot be converted."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embeddings.encoding.openvino_encoder import unit, without_surrogates
from embeddings.errors import ModelNotFound
from embeddings.runtime.converted import unbounded

_DEFAULT_WINDOW = 512
_WORD = re.compile(r"\w+|[^\w\s]")


class SentenceTransformerEncoder:
    """The encoder of a model as sentence-transformers runs it."""

    def __init__(self, folder: Path, name: str, fingerprint: str) -> None:
        """Load a model from its folder; nothing is fetched.

        Raises:
            ModelNotFound: sentence-transformers finds no model it can load there.
        """
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging

        self.name = name
        self.fingerprint = fingerprint
        logging.disable_progress_bar()
        try:
            self.model: Any = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
        except (OSError, ValueError, KeyError, ImportError) as error:
            reason = str(error).strip().partition("\n")[0]
            raise ModelNotFound(
                f"sentence-transformers cannot load a model from {folder} ({reason}). "
                "Name a folder that holds one: a modules.json, its weights and its tokenizer."
            ) from error
        finally:
            logging.enable_progress_bar()
        self.query_prompt = self._prompt("query")
        self.document_prompt = self._prompt("document", "passage", "corpus")
        tokens = self.model.max_seq_length
        self.window = int(tokens) if tokens is not None and 0 < tokens < 1_000_000 else _DEFAULT_WINDOW
        self.max_tokens = self.window - len(self.token_spans(self.document_prompt))
        self._lock = threading.Lock()
        self.dim = int(self._encode(self.model.encode_document, [""]).shape[1])

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encode passages: shape (len(texts), dim), each row of length 1."""
        return self._encode(self.model.encode_document, texts)

    def encode_queries(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Encode questions behind the model's query prompt; shaped as ``encode``."""
        return self._encode(self.model.encode_query, texts)

    def token_spans(self, text: str) -> list[tuple[int, int]]:
        """Code point offsets of each token; of each word where the model has a tokenizer of its own."""
        text = without_surrogates(text)
        tokenizer: Any = getattr(self.model, "tokenizer", None)
        tokenizer = getattr(tokenizer, "backend_tokenizer", tokenizer)
        if not hasattr(tokenizer, "to_str"):
            return [match.span() for match in _WORD.finditer(text)]
        from tokenizers import Tokenizer

        copied = unbounded(Tokenizer.from_str(tokenizer.to_str()))
        spans: list[tuple[int, int]] = copied.encode(text, add_special_tokens=False).offsets
        return spans

    def _encode(self, method: Any, texts: Sequence[str]) -> NDArray[np.float32]:
        if not texts:
            return np.empty((0, self.dim), dtype=np.float32)
        with self._lock:
            rows = np.asarray(
                method([without_surrogates(text) for text in texts], show_progress_bar=False),
                dtype=np.float32,
            )
        return unit(rows)

    def _prompt(self, *names: str) -> str:
        """The prompt that sentence-transformers uses for a task: the first of ``names`` it knows."""
        prompts, default = self.model.prompts, self.model.default_prompt_name
        return next((prompts[name] or "" for name in (*names, default) if name in prompts), "")
