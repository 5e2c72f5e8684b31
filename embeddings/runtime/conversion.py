"""Both ends of the child process that converts a model: it ends with the torch it loaded, or by crashing.

The parent calls :func:`run_child`; the module named there calls :func:`child_main` with its converter, which
uses the rest of this module. Source, name and output folder go in as arguments; out come an exit code
and, as the last line of stderr, the reason for a failure.
"""

from __future__ import annotations

import hashlib
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from embeddings.errors import ConversionError, EmbeddingError, ModelNotFound
from embeddings.runtime.source import ModelSource

_MODEL_NOT_FOUND = 3
_CONVERSION_ERROR = 4
_WEIGHTS = {".safetensors", ".bin", ".pt", ".h5"}
_CONFIG = {".json", ".txt", ".model"}
_IRRELEVANT = {"data_config.json", "README.md", "train_script.py"}


class Failure(NamedTuple):
    """Why a conversion failed; a crash (out of memory, killed) may not happen again and does not last."""

    why: str
    lasting: bool


def run_child(module: str, source: ModelSource, output: Path) -> Failure | None:
    """Run a converter; ``None`` when it succeeded.

    Raises:
        ModelNotFound: The model cannot be loaded unconverted either.
    """
    package_root = str(Path(__file__).resolve().parents[2])
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, [package_root, os.environ.get("PYTHONPATH")])),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "DO_NOT_TRACK": "1",
    }
    if source.is_folder:
        environment |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    # -P: a file that happens to lie in the working directory must not stand in for a library.
    command = [sys.executable, "-P", "-m", module, source.location, source.name, str(output)]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, errors="replace", check=False
    )
    if done.returncode == 0:
        return None
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    reason = lines[-1].strip() if lines else f"the converter ended with exit code {done.returncode}"
    if done.returncode == _MODEL_NOT_FOUND:
        raise ModelNotFound(reason)
    return Failure(reason, lasting=done.returncode == _CONVERSION_ERROR)


def child_main(convert: Callable[[str, str, Path], None]) -> None:
    """Run ``convert`` on the command line's source, name and output folder; exit with a code on failure."""
    logging.disable(logging.WARNING)
    # Absent, as far as OpenVINO's converter can see: it then has nothing to send reports with.
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    try:
        convert(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
    except EmbeddingError as error:
        sys.stderr.write(f"\n{error}\n")
        sys.exit(_MODEL_NOT_FOUND if isinstance(error, ModelNotFound) else _CONVERSION_ERROR)


def fetched(source: str, fetch: Callable[[bool], str], kind: str) -> Path:
    """Where a model lies; one named by its Hub name is fetched first.

    Args:
        source: A folder, or a name on the Hub.
        fetch: Fetches the model and returns its folder; called with whether to use only what was fetched before.
        kind: What the model is called in a message.

    Raises:
        ModelNotFound: There is no such folder, and no such model can be fetched.
    """
    if Path(source).is_dir():
        return Path(source)
    try:
        return Path(fetch(not _hub_answers()))
    except (OSError, ValueError) as error:
        raise ModelNotFound(
            f"There is no folder {source!r}, and no such model could be fetched from the Hugging Face Hub. "
            "Check the name and the connection, name a folder that holds the model, "
            f"or leave the {kind} out to use the bundled one."
        ) from error


def _hub_answers() -> bool:
    """Whether the Hub can be reached: asked once, as its own client tries each file for many seconds."""
    import urllib.error
    import urllib.request

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


def fingerprint_of(folder: Path) -> str:
    """Digest of the files of a model that decide its output; the same on every machine.

    It is taken from the files as published, not from what a library made of them, so that it does not change
    with the library's next version.
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


def to_openvino(model: Any, forward: Callable[[dict[str, Any]], Any], features: dict[str, Any]) -> Any:
    """Trace a torch model into an OpenVINO model.

    Args:
        model: The torch module that ``forward`` runs.
        forward: The computation: from tensors by name to the output tensor.
        features: An example of its inputs.

    Raises:
        ConversionError: OpenVINO does not know one of its operations.
    """
    import openvino
    import torch

    class Traced(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *tensors: Any) -> Any:
            return forward(dict(zip(features, tensors, strict=True)))

    try:
        with torch.no_grad():
            converted = openvino.convert_model(Traced().eval(), example_input=tuple(features.values()))
    except (RuntimeError, TypeError, ValueError, IndexError, KeyError, AttributeError) as error:
        # What torch's tracer and OpenVINO's converter raise for operations they do not know.
        reason = str(error).strip().partition("\n")[0]
        raise ConversionError(f"OpenVINO cannot convert it ({type(error).__name__}: {reason})") from error
    for port, name in zip(converted.inputs, features, strict=True):
        port.get_tensor().set_names({name})
    return converted


def backend_tokenizer(tokenizer: Any) -> Any:
    """The tokenizer of the tokenizers library that a transformers tokenizer wraps.

    Raises:
        ConversionError: It is not of that library.
    """
    if not hasattr(tokenizer, "backend_tokenizer"):
        raise ConversionError("its tokenizer is not one that the tokenizers library can run")
    return tokenizer.backend_tokenizer
