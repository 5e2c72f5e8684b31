"""The folder of converted models: which one a source has, and making it once.

``sources/<key>.json`` records what a source (a folder as it was, a Hub name) turned out to be, and
``models/<fingerprint>-<format>/`` holds the converted model. Both are written aside and moved in, and not
changed afterwards, so that readers need no lock; a lock file sees to it that two processes convert once.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from embeddings.errors import ModelDamaged, ModelNotFound
from embeddings.openvino_encoder import FORMAT, OpenVINOEncoder

if TYPE_CHECKING:
    from embeddings.encoder import Encoder

Notify = Callable[[str], None]


class Source(NamedTuple):
    """A model as it is named by a user."""

    name: str
    location: str
    """A folder, or a name on the Hugging Face Hub."""
    state: str
    """Changes when the model at the location does."""
    check: Callable[[], None] | None = None
    """Called before converting; raises what is wrong with the source."""

    @property
    def is_folder(self) -> bool:
        """Whether the model lies on this machine; nothing may then be fetched."""
        return Path(self.location).is_dir()

    def record(self, cache_dir: Path) -> Path:
        """The file that says what this source turned out to be."""
        key = hashlib.sha256(f"{FORMAT}\n{self.location}\n{self.state}".encode()).hexdigest()[:32]
        return cache_dir / "sources" / f"{key}.json"


class _Failure(NamedTuple):
    """Why a conversion failed; a crash (out of memory, killed) may not happen again and does not last."""

    why: str
    lasting: bool


def load(source: Source, cache_dir: Path, notify: Notify) -> Encoder:
    """Load the converted model of a source, converting it first where needed.

    Raises:
        ModelNotFound: There is no such model.
        ModelDamaged: The source is not what it should be.
    """
    encoder = _open(source, cache_dir, notify)
    if encoder is not None:
        return encoder
    from filelock import FileLock

    record = source.record(cache_dir)
    try:
        record.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(record.with_suffix(".lock")):
            encoder = _open(source, cache_dir, notify)  # another process may have converted it meanwhile
            return encoder or _convert(source, cache_dir, notify)
    except OSError as error:
        return _without_cache(source, f"{cache_dir} cannot hold its converted form ({error})", notify)


def _open(source: Source, cache_dir: Path, notify: Notify) -> Encoder | None:
    """Load what an earlier conversion left; ``None`` where there is none, or none that is usable."""
    try:
        origin = json.loads(source.record(cache_dir).read_text("utf-8"))
        fingerprint, folder, failed = origin["fingerprint"], origin["folder"], origin.get("failed")
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if failed is None:
        try:
            return OpenVINOEncoder(_models(cache_dir, fingerprint))
        except ModelDamaged:
            return None
    if origin.get("versions") != _versions():
        return None  # another version may be able to convert it
    return _unconverted(source, Path(folder), fingerprint, failed, notify)


def _convert(source: Source, cache_dir: Path, notify: Notify) -> Encoder:
    """Convert a source in a child process and publish the result, or record that it cannot be done."""
    from embeddings.convert import fingerprint_of

    if source.check is not None:
        source.check()
    models = cache_dir / "models"
    models.mkdir(parents=True, exist_ok=True)
    if source.is_folder:
        origin = {"folder": source.location, "fingerprint": fingerprint_of(Path(source.location))}
        target = _models(cache_dir, origin["fingerprint"])
        if target.exists():  # the same model, seen elsewhere before
            with contextlib.suppress(ModelDamaged):
                encoder = OpenVINOEncoder(target)
                _write_record(source.record(cache_dir), origin)
                return encoder
    notify(f"Converting the model {source.name} for this machine, once; this takes about half a minute.")
    aside = Path(tempfile.mkdtemp(prefix=".converting-", dir=models))
    try:
        failure = _run_child(source, aside)
        origin_file = aside / "origin.json"
        if not origin_file.exists():
            raise ModelNotFound(f"The model {source.name} cannot be loaded: {failure}.")
        origin = json.loads(origin_file.read_text("utf-8"))
        if failure is None:
            target = _models(cache_dir, origin["fingerprint"])
            if target.exists():  # damaged, or it would have been used
                shutil.rmtree(target)
            aside.replace(target)
            _write_record(source.record(cache_dir), origin)
            return OpenVINOEncoder(target)
        if failure.lasting:
            _write_record(
                source.record(cache_dir), {**origin, "failed": failure.why, "versions": _versions()}
            )
        return _unconverted(source, Path(origin["folder"]), origin["fingerprint"], failure.why, notify)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _run_child(source: Source, output: Path) -> _Failure | None:
    """Run :mod:`embeddings.convert`; ``None`` when it succeeded.

    Raises:
        ModelNotFound: sentence-transformers cannot load the model either.
    """
    from embeddings.convert import CONVERSION_ERROR, MODEL_NOT_FOUND

    package_root = str(Path(__file__).resolve().parent.parent)
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, [package_root, os.environ.get("PYTHONPATH")])),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "DO_NOT_TRACK": "1",
    }
    if source.is_folder:
        environment |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    # -P: a file that happens to lie in the working directory must not stand in for a library.
    command = [sys.executable, "-P", "-m", "embeddings.convert", source.location, source.name, str(output)]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, errors="replace", check=False
    )
    if done.returncode == 0:
        return None
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    reason = lines[-1].strip() if lines else f"the converter ended with exit code {done.returncode}"
    if done.returncode == MODEL_NOT_FOUND:
        raise ModelNotFound(reason)
    return _Failure(reason, lasting=done.returncode == CONVERSION_ERROR)


def _unconverted(source: Source, folder: Path, fingerprint: str, why: str, notify: Notify) -> Encoder:
    from embeddings.unconverted import SentenceTransformerEncoder

    notify(f"The model {source.name} runs unconverted, and slower: {why.rstrip('.')}.")
    return SentenceTransformerEncoder(folder, source.name, fingerprint)


def _without_cache(source: Source, why: str, notify: Notify) -> Encoder:
    from embeddings.convert import fingerprint_of

    if not source.is_folder:
        raise ModelNotFound(f"The model {source.name} cannot be kept: {why}. Name another cache folder.")
    if source.check is not None:
        source.check()
    folder = Path(source.location)
    return _unconverted(source, folder, fingerprint_of(folder), why, notify)


def _models(cache_dir: Path, fingerprint: str) -> Path:
    return cache_dir / "models" / f"{fingerprint}-{FORMAT}"


def _write_record(path: Path, content: dict[str, Any]) -> None:
    aside = path.with_suffix(".tmp")  # only ever written under the lock
    aside.write_text(json.dumps(content), "utf-8")
    aside.replace(path)


def _versions() -> dict[str, str]:
    return {name: version(name) for name in ("openvino", "sentence-transformers", "torch")}
