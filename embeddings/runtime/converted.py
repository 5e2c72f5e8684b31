"""A converted model: a folder with a graph, a tokenizer, and a manifest that holds their digests.

It is never changed after it was written, but for blobs: what OpenVINO compiled for one kind of CPU,
kept because importing it halves the time to load.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embeddings.errors import ModelDamaged
from embeddings.runtime.int8 import round_weights
from embeddings.runtime.openvino import CompiledModel, import_openvino

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_FILES = ("model.xml", "model.bin", "tokenizer.json")


class ConvertedModel:
    """A converted model as it lies on disk; its manifest's fields are its items."""

    def __init__(self, folder: Path, manifest: str) -> None:
        """Read the manifest and the tokenizer.

        Args:
            folder: What was written.
            manifest: Name of the manifest's file.

        Raises:
            ModelDamaged: A file is missing or is not what was written.
        """
        self.folder = folder
        try:
            self._manifest: dict[str, Any] = json.loads((folder / manifest).read_text("utf-8"))
            self._tokenizer = self._checked("tokenizer.json").decode()
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise self._damaged(f"{manifest}: {error}") from error

    def __getitem__(self, field: str) -> Any:
        """A field of the manifest.

        Raises:
            ModelDamaged: It has no such field.
        """
        try:
            return self._manifest[field]
        except KeyError as error:
            raise self._damaged(f"its manifest has no {field}") from error

    def tokenizer(self) -> Tokenizer:
        """Make a tokenizer that neither cuts nor pads."""
        from tokenizers import Tokenizer

        return unbounded(Tokenizer.from_str(self._tokenizer))

    def compiled(self, *, streams: int = 1, threads: int | None = None) -> CompiledModel:
        """Compile the graph, or load what was compiled before; see :class:`CompiledModel`.

        Raises:
            ModelDamaged: It has to be compiled, and a file is missing or is not what was written.
        """

        def graph() -> str:
            self._checked("model.xml")
            self._checked("model.bin")
            return os.fspath(self.folder / "model.xml")

        return CompiledModel(self.folder, graph, streams=streams, threads=threads)

    def _checked(self, name: str) -> bytes:
        try:
            data = (self.folder / name).read_bytes()
        except OSError as error:
            raise self._damaged(f"{name}: {error.strerror}") from error
        if hashlib.sha256(data).hexdigest() != self._manifest["files"][name]:
            raise self._damaged(f"{name} is not what was written")
        return data

    def _damaged(self, why: str) -> ModelDamaged:
        return ModelDamaged(
            f"The converted model in {self.folder} is damaged ({why}). Delete the folder; it will be made again."
        )


def unbounded(tokenizer: Tokenizer) -> Tokenizer:
    """Return the tokenizer itself, set neither to cut texts nor to pad them."""
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def write(
    folder: Path,
    manifest_name: str,
    manifest: dict[str, Any],
    graph: Any,
    tokenizer: Tokenizer,
    *,
    eight_bits: bool = True,
) -> None:
    """Write a converted model; one that lies there is written over.

    Args:
        folder: Where to.
        manifest_name: Name of the manifest's file.
        manifest: Its fields, to which the files' digests are added.
        graph: The OpenVINO model.
        tokenizer: It neither cuts nor pads from then on.
        eight_bits: Whether to round the weights to 8 bits, in place; otherwise they are written in half precision.
    """
    for compiled in folder.glob("*.blob"):  # from what was written before
        compiled.unlink()
    if eight_bits:
        round_weights(graph)
    import_openvino().save_model(graph, folder / "model.xml", compress_to_fp16=True)
    (folder / "tokenizer.json").write_text(unbounded(tokenizer).to_str(), "utf-8")
    write_manifest(folder, manifest_name, manifest)


def write_manifest(folder: Path, manifest_name: str, manifest: dict[str, Any]) -> None:
    """Write the manifest anew, with the files' digests."""
    files = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in _FILES}
    (folder / manifest_name).write_text(json.dumps({**manifest, "files": files}, indent=1), "utf-8")
