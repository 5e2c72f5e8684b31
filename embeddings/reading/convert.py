"""Converts a cross-encoder or a question-answering model for :mod:`embeddings.reading.hub`, in its own process.

``python -m embeddings.reading.convert FOLDER_OR_HUB_NAME NAME OUTPUT_FOLDER``
"""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any

import numpy as np

from embeddings.encoding.convert import (
    CONVERSION_ERROR,
    MODEL_NOT_FOUND,
    fingerprint_of,
    hub_answers,
    to_openvino,
)
from embeddings.errors import ConversionError, EmbeddingError, ModelNotFound
from embeddings.reading.hub import FORMAT, MANIFEST
from embeddings.runtime.int8 import round_weights
from embeddings.runtime.openvino import sha256

WINDOW = 384
AGREEMENT = 0.05
"""How far a logit of the converted model may lie from the original's, as a share of their spread."""
_FETCHED = ["*.json", "*.txt", "*.model", "*.safetensors"]
_PAIRS = (
    ("Who led the delegation?", "Ann Lee led the delegation that went to Geneva in May 2023."),
    ("When was the bridge opened?", "The iron bridge over the river was opened on 11 September 1912. " * 4),
    ("How much did it cost?", "Nobody was hurt."),
)


def main(source: str, name: str, output: Path) -> None:
    """Convert the model at ``source`` into the empty folder ``output``.

    Raises:
        ModelNotFound: There is no such model.
        ConversionError: It is not a reader, or cannot be converted faithfully.
    """
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    import torch
    from transformers import AutoConfig, AutoTokenizer

    folder = _folder(source)
    try:
        config = AutoConfig.from_pretrained(folder)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        model, marks = _model(folder, config)
    except (OSError, ValueError, KeyError) as error:
        raise ModelNotFound(f"{source} cannot be loaded ({str(error).partition(chr(10))[0]})") from error
    if not hasattr(tokenizer, "backend_tokenizer"):
        raise ConversionError("its tokenizer is not one that the tokenizers library can run")
    inputs = [
        n for n in ("input_ids", "attention_mask", "token_type_ids") if n in tokenizer.model_input_names
    ]

    class Traced(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *tensors: Any) -> Any:
            out = self.model(**dict(zip(inputs, tensors, strict=True)))
            return torch.stack([out.start_logits, out.end_logits], dim=-1) if marks else out.logits[:, 0]

    traced = Traced().eval()
    questions, passages = zip(*_PAIRS, strict=True)
    features = tokenizer(list(questions), list(passages), padding=True, return_tensors="pt")
    example = tuple(features[n] for n in inputs)
    with torch.no_grad():
        expected = traced(*example).numpy()
    _write(traced, example, inputs, output)
    backend = tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    (output / "tokenizer.json").write_text(backend.to_str(), "utf-8")
    files = ("model.xml", "model.bin", "tokenizer.json")
    positions = getattr(config, "max_position_embeddings", None) or WINDOW
    manifest = {
        "format": FORMAT,
        "name": name,
        "fingerprint": fingerprint_of(folder),
        "marks": marks,
        "inputs": inputs,
        "pad_id": tokenizer.pad_token_id or 0,
        # RoBERTa's positions begin behind the padding's
        "window": min(WINDOW, tokenizer.model_max_length, positions - 2),
        "files": {file: sha256((output / file).read_bytes()) for file in files},
    }
    (output / MANIFEST).write_text(json.dumps(manifest, indent=1), "utf-8")
    _agree(expected, example, inputs, output)


def _folder(source: str) -> Path:
    if Path(source).is_dir():
        return Path(source)
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(source, allow_patterns=_FETCHED, local_files_only=not hub_answers()))
    except (OSError, ValueError) as error:
        raise ModelNotFound(
            f"There is no folder {source!r}, and no such model could be fetched from the Hugging Face Hub. "
            "Check the name and the connection, name a folder that holds the model, "
            "or leave the reader out to use the bundled one"
        ) from error


def _model(folder: Path, config: Any) -> tuple[Any, bool]:
    """The model, and whether it marks answers; its code is transformers' own, never the folder's."""
    from transformers import AutoModelForQuestionAnswering, AutoModelForSequenceClassification

    named = " ".join(config.architectures or ())
    if "QuestionAnswering" in named:
        return AutoModelForQuestionAnswering.from_pretrained(folder, use_safetensors=True).eval(), True
    if "SequenceClassification" in named and config.num_labels == 1:
        return AutoModelForSequenceClassification.from_pretrained(folder, use_safetensors=True).eval(), False
    raise ConversionError(
        f"a reader is a cross-encoder with one score or a question-answering model, and this is {named or 'neither'}"
    )


def _write(traced: Any, example: tuple[Any, ...], inputs: list[str], output: Path) -> None:
    import openvino

    converted = to_openvino(traced, example, inputs)
    round_weights(converted)
    openvino.save_model(converted, str(output / "model.xml"), compress_to_fp16=True)


def _agree(expected: Any, example: tuple[Any, ...], inputs: list[str], output: Path) -> None:
    from embeddings.runtime.openvino import load_compiled

    compiled, _ = load_compiled(None, lambda: str(output / "model.xml"))
    got = compiled(dict(zip(inputs, (t.numpy() for t in example), strict=True)))[0]
    real = example[inputs.index("attention_mask")].numpy().astype(bool)
    off = np.abs(got - expected)[real] if got.ndim > 1 else np.abs(got - expected)
    spread = float(expected.max() - expected.min()) or 1.0
    if not float(off.max()) <= max(AGREEMENT * spread, 0.01):
        raise ConversionError(f"converted, its scores are off by up to {float(off.max()):.3f}")


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    try:
        main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
    except EmbeddingError as error:
        sys.stderr.write(f"\n{error}\n")
        sys.exit(MODEL_NOT_FOUND if isinstance(error, ModelNotFound) else CONVERSION_ERROR)
