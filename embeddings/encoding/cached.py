"""Loads a model's converted form from the cache, converting it first where needed.

A model that cannot be converted runs as it is, with sentence-transformers. That it cannot is recorded, so
that it is tried again only with other versions of the libraries.
"""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from embeddings.encoding.openvino_encoder import ENCODER_FORMAT, OpenVINOEncoder
from embeddings.errors import ModelDamaged, ModelNotFound
from embeddings.runtime.conversion import fingerprint_of, run_child
from embeddings.runtime.model_cache import ModelCache
from embeddings.runtime.source import ModelSource
from embeddings.types import Encoder, Notify

ORIGIN = "origin.json"
"""Where the model lies and its fingerprint; the converter writes it before anything that may fail."""


def encoder_cache(folder: Path) -> ModelCache:
    """The encoders in a cache folder."""
    return ModelCache(folder, "models", ENCODER_FORMAT)


def load(source: ModelSource, cache_dir: Path, notify: Notify) -> Encoder:
    """Load the converted model of a source, converting it first where needed.

    Raises:
        ModelNotFound: There is no such model.
        ModelDamaged: The source is not what it should be.
    """
    cache = encoder_cache(cache_dir)
    encoder = _open(source, cache, notify)
    if encoder is not None:
        return encoder
    try:
        with cache.lock():  # another process may have converted it meanwhile
            return _open(source, cache, notify) or _convert(source, cache, notify)
    except OSError as error:
        why = f"{cache_dir} cannot hold its converted form ({error})"
    if not source.is_folder:
        raise ModelNotFound(f"The model {source.name} cannot be kept: {why}. Name another cache folder.")
    source.check()
    folder = Path(source.location)
    return _unconverted(source, folder, fingerprint_of(folder), why, notify)


def _open(source: ModelSource, cache: ModelCache, notify: Notify) -> Encoder | None:
    """Load what an earlier conversion left; ``None`` where there is none, or none that is usable."""
    origin = cache.recorded(source)
    if "fingerprint" not in origin or "folder" not in origin:
        return None
    if "failed" not in origin:
        with contextlib.suppress(ModelDamaged):
            return OpenVINOEncoder(cache.folder_of(origin["fingerprint"]))
        return None
    if origin.get("versions") != _versions():
        return None
    return _unconverted(source, Path(origin["folder"]), origin["fingerprint"], origin["failed"], notify)


def _convert(source: ModelSource, cache: ModelCache, notify: Notify) -> Encoder:
    """Convert a source and publish the result, or record that it cannot be done."""
    source.check()
    if source.is_folder:
        origin = {"folder": source.location, "fingerprint": fingerprint_of(Path(source.location))}
        with contextlib.suppress(ModelDamaged):  # the same model, seen elsewhere before
            encoder = OpenVINOEncoder(cache.folder_of(origin["fingerprint"]))
            cache.record(source, origin)
            return encoder
    notify(f"Converting the model {source.name} for this machine, once; this takes about half a minute.")
    with cache.new_folder() as aside:
        failure = run_child("embeddings.encoding.convert", source, aside)
        origin_file = aside / ORIGIN
        if not origin_file.exists():
            why = failure.why if failure else "the converter left no trace of it"
            raise ModelNotFound(f"The model {source.name} cannot be loaded: {why.rstrip('.')}. Try again.")
        origin = json.loads(origin_file.read_text("utf-8"))
        if failure is None:
            folder = cache.publish(aside, origin["fingerprint"])
            cache.record(source, origin)
            return OpenVINOEncoder(folder)
    if failure.lasting:
        cache.record(source, {**origin, "failed": failure.why, "versions": _versions()})
    return _unconverted(source, Path(origin["folder"]), origin["fingerprint"], failure.why, notify)


def _unconverted(source: ModelSource, folder: Path, fingerprint: str, why: str, notify: Notify) -> Encoder:
    """Run the model with sentence-transformers itself, saying why."""
    from embeddings.encoding.sentence_transformer import SentenceTransformerEncoder

    notify(f"The model {source.name} runs unconverted, and slower: {why.rstrip('.')}.")
    return SentenceTransformerEncoder(folder, source.name, fingerprint)


def _versions() -> dict[str, str]:
    """Versions of what converts: another one may manage what these could not."""
    from importlib.metadata import version  # ten milliseconds that only failed conversions cost

    return {name: version(name) for name in ("openvino", "sentence-transformers", "torch")}
