"""Which reader a name stands for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from embeddings.reading.hub import HubReader
    from embeddings.reading.reader import Reader


BUNDLED_NAME = "bundled"


def load_reader(
    name: str, cache_dir: Path, *, notify: Callable[[str], None] | None = None
) -> Reader | HubReader:
    """Load the reader that ``name`` names.

    Args:
        name: ``"bundled"``; a folder that ``python -m evals.training export`` wrote; or the folder or the Hub
            name of a cross-encoder or a question-answering model.
        cache_dir: where converted and compiled models are kept; made when first needed.
        notify: told, in one sentence, what takes time.

    Raises:
        ModelNotFound: there is no such model.
        ModelDamaged: its files are not the ones expected.
        ConversionError: it is not a reader, or OpenVINO cannot run it.
    """
    from embeddings.reading.reader import BUNDLED, MANIFEST, Reader

    folder = BUNDLED if name == BUNDLED_NAME else Path(name).expanduser()
    if (folder / MANIFEST).is_file() or name == BUNDLED_NAME:
        return Reader.load(folder, cache_dir=cache_dir)
    from embeddings.encoding.load import source_of
    from embeddings.reading import hub as hub_reader

    return hub_reader.load(source_of(name), cache_dir, notify or (lambda _: None))
