"""Converts a cross-encoder or a question-answering model for :mod:`embeddings.reading.hub`, in its own process.

``python -m embeddings.reading.convert FOLDER_OR_HUB_NAME NAME OUTPUT_FOLDER``
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from embeddings.errors import ConversionError, ModelNotFound
from embeddings.reading.hub import HUB_READER_FORMAT, HUB_READER_MANIFEST
from embeddings.runtime.conversion import backend_tokenizer, child_main, fetched, fingerprint_of, to_openvino
from embeddings.runtime.converted import write
from embeddings.runtime.openvino import CompiledModel

WINDOW = 384
"""Most tokens of question and passage that a converted model reads at a time."""
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
    import torch
    from transformers import AutoConfig, AutoTokenizer

    folder = fetched(source, lambda offline: _fetch(source, offline), "reader")
    try:
        config = AutoConfig.from_pretrained(folder)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        model, marks = _model(folder, config)
    except (OSError, ValueError, KeyError) as error:
        raise ModelNotFound(f"{source} cannot be loaded ({str(error).partition(chr(10))[0]})") from error
    backend = backend_tokenizer(tokenizer)
    inputs = [
        n for n in ("input_ids", "attention_mask", "token_type_ids") if n in tokenizer.model_input_names
    ]

    def forward(features: dict[str, Any]) -> Any:
        out = model(**features)
        return torch.stack([out.start_logits, out.end_logits], dim=-1) if marks else out.logits[:, 0]

    questions, passages = zip(*_PAIRS, strict=True)
    tokens = tokenizer(list(questions), list(passages), padding=True, return_tensors="pt")
    features = {name: tokens[name] for name in inputs}
    with torch.no_grad():
        expected = forward(features).numpy()
    positions = getattr(config, "max_position_embeddings", None) or WINDOW
    manifest = {
        "format": HUB_READER_FORMAT,
        "name": name,
        "fingerprint": fingerprint_of(folder),
        "marks": marks,
        "inputs": inputs,
        "pad_id": tokenizer.pad_token_id or 0,
        # RoBERTa's positions begin behind the padding's
        "window": min(WINDOW, tokenizer.model_max_length, positions - 2),
    }
    graph = to_openvino(model, forward, features)
    write(output, HUB_READER_MANIFEST, manifest, graph, backend)
    _agree(expected, {name: tensor.numpy() for name, tensor in features.items()}, output)


def _fetch(source: str, offline: bool) -> str:
    from huggingface_hub import snapshot_download

    return snapshot_download(source, allow_patterns=_FETCHED, local_files_only=offline)


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


def _agree(expected: Any, features: dict[str, Any], output: Path) -> None:
    """Compare the converted model's logits with the original's.

    Raises:
        ConversionError: They differ too much.
    """
    [got] = CompiledModel(None, lambda: str(output / "model.xml")).infer(features)
    real = features["attention_mask"].astype(bool)
    off = np.abs(got - expected)[real] if got.ndim > 1 else np.abs(got - expected)
    spread = float(expected.max() - expected.min()) or 1.0
    if not float(off.max()) <= max(AGREEMENT * spread, 0.01):
        raise ConversionError(f"converted, its scores are off by up to {float(off.max()):.3f}")


if __name__ == "__main__":
    child_main(main)
