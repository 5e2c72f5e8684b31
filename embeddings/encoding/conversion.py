"""Converts a model in a child process and publishes the result in the model cache."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from embeddings.encoding.convert import CONVERSION_ERROR, MODEL_NOT_FOUND, ORIGIN, fingerprint_of
from embeddings.encoding.model_cache import converted_folder, run_unconverted, versions
from embeddings.encoding.openvino_encoder import OpenVINOEncoder
from embeddings.errors import ModelDamaged, ModelNotFound
from embeddings.types import ModelSource, Notify

if TYPE_CHECKING:
    from embeddings.types import Encoder


class Failure(NamedTuple):
    """Why a conversion failed; a crash (out of memory, killed) may not happen again and does not last."""

    why: str
    lasting: bool


def convert(source: ModelSource, cache_dir: Path, notify: Notify) -> Encoder:
    """Convert a source and publish the result, or record that it cannot be done.

    The caller holds the cache's lock.

    Raises:
        ModelNotFound: There is no such model.
        ModelDamaged: The source is not what it should be.
        OSError: The cache folder cannot be written.
    """
    if source.check is not None:
        source.check()
    models = cache_dir / "models"
    models.mkdir(exist_ok=True)
    for abandoned in models.glob(".converting-*"):  # by a process that was killed: the lock is ours
        shutil.rmtree(abandoned, ignore_errors=True)
    if source.is_folder:
        origin = {"folder": source.location, "fingerprint": fingerprint_of(Path(source.location))}
        target = converted_folder(cache_dir, origin["fingerprint"])
        if target.exists():  # the same model, seen elsewhere before
            with contextlib.suppress(ModelDamaged):
                encoder = OpenVINOEncoder(target)
                write_record(source.record(cache_dir), origin)
                return encoder
    notify(f"Converting the model {source.name} for this machine, once; this takes about half a minute.")
    aside = models / f".converting-{uuid.uuid4().hex}"
    aside.mkdir()
    try:
        failure = run_child("embeddings.encoding.convert", source, aside)
        origin_file = aside / ORIGIN
        if not origin_file.exists():
            why = failure.why if failure else "the converter left no trace of it"
            raise ModelNotFound(f"The model {source.name} cannot be loaded: {why.rstrip('.')}. Try again.")
        origin = json.loads(origin_file.read_text("utf-8"))
        if failure is None:
            target = converted_folder(cache_dir, origin["fingerprint"])
            if target.exists():  # damaged, or it would have been used
                shutil.rmtree(target)
            aside.replace(target)
            write_record(source.record(cache_dir), origin)
            return OpenVINOEncoder(target)
        if failure.lasting:
            write_record(source.record(cache_dir), {**origin, "failed": failure.why, "versions": versions()})
        return run_unconverted(source, Path(origin["folder"]), origin["fingerprint"], failure.why, notify)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


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
    if done.returncode == MODEL_NOT_FOUND:
        raise ModelNotFound(reason)
    return Failure(reason, lasting=done.returncode == CONVERSION_ERROR)


def write_record(path: Path, content: dict[str, Any]) -> None:
    """Record what a source turned out to be; the caller holds the cache's lock."""
    path.parent.mkdir(exist_ok=True)
    aside = path.with_suffix(".tmp")  # only ever written under the lock
    aside.write_text(json.dumps(content), "utf-8")
    aside.replace(path)
