"""Converts a sentence-transformers model for :mod:`embeddings.encoding.openvino_encoder`, in a process of its own.

``python -m embeddings.encoding.convert FOLDER_OR_HUB_NAME NAME OUTPUT_FOLDER``

The whole model is traced, not only its transformer, so that pooling, dense layers and normalisation are its
own; the result is then compared with the original on texts of many kinds.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from embeddings.encoding.cached import ORIGIN
from embeddings.encoding.openvino_encoder import ENCODER_FORMAT, ENCODER_MANIFEST, OpenVINOEncoder
from embeddings.encoding.sentence_transformer import SentenceTransformerEncoder
from embeddings.errors import ConversionError
from embeddings.runtime.conversion import backend_tokenizer, child_main, fetched, fingerprint_of, to_openvino
from embeddings.runtime.converted import write

AGREEMENT = 0.999
"""Least cosine between a converted model's vectors and the original's."""
ROUNDED_AGREEMENT = 0.99
"""The same with weights in 8 bits: texts of one sign lie at 0.995, passages at 0.999; a wrong pooling far below."""
PROBES: list[str] = json.loads(Path(__file__).with_name("probes.json").read_text("utf-8"))
"""The texts that a converted model is compared on: many languages, empty, hostile, longer than any window."""


def main(source: str, name: str, output: Path) -> None:
    """Convert the model at ``source`` into the empty folder ``output``.

    Raises:
        ModelNotFound: sentence-transformers cannot load the model.
        ConversionError: The model cannot be converted faithfully.
    """
    folder = fetched(source, lambda offline: _fetch(source, offline), "model")
    fingerprint = fingerprint_of(folder)
    (output / ORIGIN).write_text(json.dumps({"folder": str(folder), "fingerprint": fingerprint}), "utf-8")
    original = SentenceTransformerEncoder(folder, name, fingerprint)
    model = original.model
    inputs = _traceable(original)
    traced = _traced(model, inputs)
    tokenizer = backend_tokenizer(model.tokenizer)
    manifest = {
        "format": ENCODER_FORMAT,
        "name": name,
        "fingerprint": fingerprint,
        "dim": original.dim,
        "window": original.window,
        "max_tokens": original.max_tokens,
        "inputs": inputs,
        "pad_id": model.tokenizer.pad_token_id or 0,
        "padding_side": model.tokenizer.padding_side,
        "query_prompt": original.query_prompt,
        "document_prompt": original.document_prompt,
    }
    agreement = 0.0
    for eight_bits, least in ((True, ROUNDED_AGREEMENT), (False, AGREEMENT)):
        write(output, ENCODER_MANIFEST, manifest, traced.clone(), tokenizer, eight_bits=eight_bits)
        agreement = _agreement(original, OpenVINOEncoder(output))
        if agreement >= least:
            return
    raise ConversionError(f"converted, {name} agrees with the original only to a cosine of {agreement:.4f}")


def _fetch(source: str, offline: bool) -> str:
    """Fetch just the files that a model needs."""
    from huggingface_hub import snapshot_download
    from sentence_transformers import SentenceTransformer

    SentenceTransformer(source, device="cpu", local_files_only=offline)
    repository = source if "/" in source else f"sentence-transformers/{source}"
    return snapshot_download(repository, local_files_only=True)


def _traceable(original: SentenceTransformerEncoder) -> list[str]:
    """Names of the model's inputs, in order.

    Raises:
        ConversionError: The model does more to a text than one tokenizer and one graph can.
    """
    from sentence_transformers.base.modules import Router, Transformer

    model = original.model
    first = model[0]
    if not isinstance(first, Transformer) or any(isinstance(part, Router) for part in model.modules()):
        raise ConversionError(f"its first module is a {type(first).__name__}, not a Transformer")
    if "message" in first.modality_config or first.query_expansion is not None:
        raise ConversionError("it wraps texts in a chat template or expands queries")
    if first.query_length or first.document_length:
        raise ConversionError("its window differs between queries and documents")
    backend_tokenizer(model.tokenizer)
    prompted = original.query_prompt or original.document_prompt
    if prompted and not all(getattr(part, "include_prompt", True) for part in model.modules()):
        raise ConversionError("it leaves its prompt out of the pooling")
    features = model.preprocess(["a text", "another text"])
    inputs = [name for name, value in features.items() if hasattr(value, "shape")]
    needed = {"input_ids", "attention_mask"}
    if not needed <= set(inputs) <= needed | {"token_type_ids"}:
        raise ConversionError(f"it has inputs other than tokens: {', '.join(inputs)}")
    return inputs


def _traced(model: Any, inputs: list[str]) -> Any:
    """The model as OpenVINO's."""
    import torch

    def forward(features: dict[str, Any]) -> Any:
        rows = model.forward({**features, "modality": "text"})["sentence_embedding"][:, : model.truncate_dim]
        return torch.nn.functional.normalize(rows, p=2, dim=-1)

    features = model.preprocess(["a text", "another, rather longer text"])
    return to_openvino(model, forward, {name: features[name] for name in inputs})


def _agreement(original: SentenceTransformerEncoder, converted: OpenVINOEncoder) -> float:
    """Smallest cosine between the two encoders' vectors, as passages, as queries, batched and alone."""
    pairs = [
        (original.encode(PROBES), converted.encode(PROBES)),
        (original.encode_queries(PROBES), converted.encode_queries(PROBES)),
        (original.encode(PROBES[:8]), np.concatenate([converted.encode([text]) for text in PROBES[:8]])),
    ]
    return min(float(np.nan_to_num((a * b).sum(axis=1), nan=-1.0).min()) for a, b in pairs)


if __name__ == "__main__":
    child_main(main)
