"""The folder of converted models: which one a source has, and making it once.

``sources/<key>.json`` records what a source (a folder as it was, a Hub name) turned out to be, and
``models/<fingerprint>-<format>/`` holds the converted model. Both are written aside and moved in, and not
changed afterwards, so that readers need no lock; ``convert.lock`` sees to it that two processes convert once.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from embeddings.encoding.openvino_encoder import FORMAT, OpenVINOEncoder
from embeddings.errors import ModelDamaged, ModelNotFound
from embeddings.types import ModelSource, Notify

if TYPE_CHECKING:
    from embeddings.types import Encoder


def load(source: ModelSource, cache_dir: Path, notify: Notify) -> Encoder:
    """Load the converted model of a source, converting it first where needed.

    Raises:
        ModelNotFound: There is no such model.
        ModelDamaged: The source is not what it should be.
    """
    encoder = _open(source, cache_dir, notify)
    if encoder is not None:
        return encoder
    from filelock import FileLock

    from embeddings.encoding.conversion import convert

    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
        with FileLock(cache_dir / "convert.lock"):
            encoder = _open(source, cache_dir, notify)  # another process may have converted it meanwhile
            return encoder or convert(source, cache_dir, notify)
    except OSError as error:
        return _without_cache(source, f"{cache_dir} cannot hold its converted form ({error})", notify)


def _open(source: ModelSource, cache_dir: Path, notify: Notify) -> Encoder | None:
    """Load what an earlier conversion left; ``None`` where there is none, or none that is usable."""
    try:
        origin = json.loads(source.record(cache_dir).read_text("utf-8"))
        fingerprint, folder, failed = origin["fingerprint"], origin["folder"], origin.get("failed")
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if failed is None:
        try:
            return OpenVINOEncoder(converted_folder(cache_dir, fingerprint))
        except ModelDamaged:
            return None
    if origin.get("versions") != versions():
        return None
    return run_unconverted(source, Path(folder), fingerprint, failed, notify)


def run_unconverted(source: ModelSource, folder: Path, fingerprint: str, why: str, notify: Notify) -> Encoder:
    """Run the model with sentence-transformers itself, saying why."""
    from embeddings.encoding.sentence_transformer import SentenceTransformerEncoder

    notify(f"The model {source.name} runs unconverted, and slower: {why.rstrip('.')}.")
    return SentenceTransformerEncoder(folder, source.name, fingerprint)


def _without_cache(source: ModelSource, why: str, notify: Notify) -> Encoder:
    from embeddings.encoding.convert import fingerprint_of

    if not source.is_folder:
        raise ModelNotFound(f"The model {source.name} cannot be kept: {why}. Name another cache folder.")
    if source.check is not None:
        source.check()
    folder = Path(source.location)
    return run_unconverted(source, folder, fingerprint_of(folder), why, notify)


def converted_folder(cache_dir: Path, fingerprint: str) -> Path:
    """Where the converted form of a model is kept."""
    return cache_dir / "models" / f"{fingerprint}-{FORMAT}"


def versions() -> dict[str, str]:
    """Versions of what converts: another one may manage what these could not."""
    from importlib.metadata import version  # ten milliseconds that only failed conversions cost

    return {name: version(name) for name in ("openvino", "sentence-transformers", "torch")}
