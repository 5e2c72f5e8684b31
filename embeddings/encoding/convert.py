"""Converts a sentence-transformers model for :mod:`embeddings.encoding.openvino_encoder`, in a process of its own.

``python -m embeddings.encoding.convert FOLDER_OR_HUB_NAME NAME OUTPUT_FOLDER``

The process ends with the torch it loaded, and a crash of the converter is an exit code. The whole model is
traced, not only its transformer, so that pooling, dense layers and normalisation are its own; the result is
then compared with the original on texts of many kinds.
"""

from __future__ import annotations

import hashlib
import json
import logging
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np

from embeddings.encoding.openvino_encoder import FORMAT, MANIFEST, OpenVINOEncoder
from embeddings.encoding.sentence_transformer import SentenceTransformerEncoder
from embeddings.errors import ConversionError, EmbeddingError, ModelNotFound
from embeddings.runtime.int8 import round_weights
from embeddings.runtime.openvino import sha256

AGREEMENT = 0.999
"""Least cosine between a converted model's vectors and the original's."""
ROUNDED_AGREEMENT = 0.99
"""The same with weights in 8 bits: texts of one sign lie at 0.995, passages at 0.999; a wrong pooling far below."""
ORIGIN = "origin.json"
MODEL_NOT_FOUND = 3
CONVERSION_ERROR = 4

_WEIGHTS = {".safetensors", ".bin", ".pt", ".h5"}
_CONFIG = {".json", ".txt", ".model"}
_IRRELEVANT = {"data_config.json", "README.md", "train_script.py"}

PROBES = (
    "",
    " ",
    "?",
    "the",
    "Who led the delegation?",
    "When was the article on rural roads published?",
    "A man is eating food.",
    "The city opened a second bridge over the river on 11 September 2023, two years late.",
    "Shares fell 3.4 % to $12.50 after the company cut its forecast for 2024.",
    "def add(a, b):\n    return a + b",
    "https://example.org/path?query=1&x=%20",
    "El informe se publicó el martes; la reunión duró tres horas.",
    "Größere Städte wachsen schneller als kleinere.",
    "Сколько стоит билет до Москвы?",
    "الاجتماع القادم يوم الأحد",
    "南岭代表团由谁率领？",
    "中国贵州省的代表团访问了南岭，双方就农业合作进行了讨论。",
    "東京の天気は晴れです。",
    "Great news 🎉🎉 see you there 👩‍👩‍👧",
    "e\u0301cole \u200b zero width",
    "nul \x00 and tab \t and newline \n end",
    "WHY IS EVERYTHING IN CAPITALS",
    "antidisestablishmentarianism " * 12,
    "Long passages are cut to the window of the model, as the original does. " * 60,
    "词" * 700,
    "The delegation visited a tea farm, met the county's officials and signed an agreement. " * 9,
)


def main(source: str, name: str, output: Path) -> None:
    """Convert the model at ``source`` into the empty folder ``output``.

    ``origin.json`` is written first: where the model lies and its fingerprint, which the caller needs even
    if the conversion fails.

    Raises:
        ModelNotFound: sentence-transformers cannot load the model.
        ConversionError: The model cannot be converted faithfully.
    """
    # Absent, as far as OpenVINO's converter can see: it then has nothing to send reports with.
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    folder = _folder(source)
    fingerprint = fingerprint_of(folder)
    (output / ORIGIN).write_text(json.dumps({"folder": str(folder), "fingerprint": fingerprint}), "utf-8")
    original = SentenceTransformerEncoder(folder, name, fingerprint)
    model = original.model
    inputs = _traceable(original)
    traced = _traced(model, inputs)
    tokenizer = model.tokenizer.backend_tokenizer
    tokenizer.no_truncation()
    tokenizer.no_padding()
    (output / "tokenizer.json").write_text(tokenizer.to_str(), "utf-8")
    manifest = {
        "format": FORMAT,
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
        _write(traced, output, eight_bits=eight_bits)
        manifest["files"] = {
            file: sha256((output / file).read_bytes())
            for file in ("model.xml", "model.bin", "tokenizer.json")
        }
        (output / MANIFEST).write_text(json.dumps(manifest, indent=1), "utf-8")
        agreement = _agreement(original, OpenVINOEncoder(output))
        if agreement >= least:
            return
    raise ConversionError(f"converted, {name} agrees with the original only to a cosine of {agreement:.4f}")


def fingerprint_of(folder: Path) -> str:
    """Digest of the files of a model that decide its vectors; the same on every machine.

    Taken from the files as published, not from what a library made of them, so that it outlives the
    library's next version.
    """
    digest = hashlib.sha256(b"sentence-transformers 1")
    for path in sorted(folder.rglob("*")):
        place = path.relative_to(folder)
        if any(part.startswith(".") or part in ("onnx", "openvino") for part in place.parts):
            continue
        weights = path.suffix in _WEIGHTS
        if not path.is_file() or not (weights or path.suffix in _CONFIG) or path.name in _IRRELEVANT:
            continue
        if weights and path.suffix != ".safetensors" and any(path.parent.glob("*.safetensors")):
            continue  # the same weights in an older format, which may or may not have been fetched
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        digest.update(f"\n{place.as_posix()} {content}".encode())
    return digest.hexdigest()


def _folder(source: str) -> Path:
    """Where the model lies; one named by its Hub name is fetched first."""
    if Path(source).is_dir():
        return Path(source)
    from huggingface_hub import snapshot_download
    from sentence_transformers import SentenceTransformer

    try:
        # Fetches just the files it needs; without a connection, looks where it keeps what was fetched before.
        SentenceTransformer(source, device="cpu", local_files_only=not hub_answers())
        repository = source if "/" in source else f"sentence-transformers/{source}"
        return Path(snapshot_download(repository, local_files_only=True))
    except (OSError, ValueError) as error:
        raise ModelNotFound(
            f"There is no folder {source!r}, and no such model could be fetched from the Hugging Face Hub. "
            "Check the name and the connection, name a folder that holds the model, "
            "or leave the model out to use the bundled one."
        ) from error


def hub_answers() -> bool:
    """Whether the Hub can be reached: asked once, as its own client tries each file for many seconds."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return False
    try:
        urllib.request.urlopen(constants.ENDPOINT, timeout=10).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


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
    if not hasattr(model.tokenizer, "backend_tokenizer"):
        raise ConversionError("its tokenizer is not one that the tokenizers library can run")
    prompted = original.query_prompt or original.document_prompt
    if prompted and not all(getattr(part, "include_prompt", True) for part in model.modules()):
        raise ConversionError("it leaves its prompt out of the pooling")
    features = model.preprocess(["a text", "another text"])
    inputs = [name for name, value in features.items() if hasattr(value, "shape")]
    if (
        not {"input_ids", "attention_mask"}
        <= set(inputs)
        <= {
            "input_ids",
            "attention_mask",
            "token_type_ids",
        }
    ):
        raise ConversionError(f"it has inputs other than tokens: {', '.join(inputs)}")
    return inputs


def _traced(model: Any, inputs: list[str]) -> Any:
    """The model as OpenVINO's."""
    import torch

    class Traced(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *tensors: Any) -> Any:
            features = {**dict(zip(inputs, tensors, strict=True)), "modality": "text"}
            rows = self.model.forward(features)["sentence_embedding"][:, : model.truncate_dim]
            return torch.nn.functional.normalize(rows, p=2, dim=-1)

    features = model.preprocess(["a text", "another, rather longer text"])
    return to_openvino(Traced().eval(), tuple(features[name] for name in inputs), inputs)


def to_openvino(module: Any, example: tuple[Any, ...], inputs: list[str]) -> Any:
    """Trace a torch module, with an example of its inputs in their order, into an OpenVINO model.

    Raises:
        ConversionError: OpenVINO does not know one of its operations.
    """
    import openvino
    import torch

    try:
        with torch.no_grad():
            converted = openvino.convert_model(module, example_input=example)
    except (RuntimeError, TypeError, ValueError, IndexError, KeyError, AttributeError) as error:
        # What torch's tracer and OpenVINO's converter raise for operations they do not know.
        reason = str(error).strip().partition("\n")[0]
        raise ConversionError(f"OpenVINO cannot convert it ({type(error).__name__}: {reason})") from error
    for port, name in zip(converted.inputs, inputs, strict=True):
        port.get_tensor().set_names({name})
    return converted


def _write(traced: Any, output: Path, *, eight_bits: bool) -> None:
    """Write ``model.xml`` and ``model.bin``: weights in 8 bits, or all in half precision."""
    import openvino

    for compiled in output.glob("*.blob"):  # from what was written before
        compiled.unlink()
    model = traced.clone()
    if eight_bits:
        round_weights(model)
    openvino.save_model(model, str(output / "model.xml"), compress_to_fp16=True)


def _agreement(original: SentenceTransformerEncoder, converted: OpenVINOEncoder) -> float:
    """Smallest cosine between the two encoders' vectors, as passages, as queries, batched and alone."""
    texts = list(PROBES)
    pairs = [
        (original.encode(texts), converted.encode(texts)),
        (original.encode_queries(texts), converted.encode_queries(texts)),
        (original.encode(texts[:8]), np.concatenate([converted.encode([text]) for text in texts[:8]])),
    ]
    return min(float(np.nan_to_num((a * b).sum(axis=1), nan=-1.0).min()) for a, b in pairs)


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    try:
        main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
    except EmbeddingError as error:
        sys.stderr.write(f"\n{error}\n")
        sys.exit(MODEL_NOT_FOUND if isinstance(error, ModelNotFound) else CONVERSION_ERROR)
