"""Which reader a name means."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from embeddings.runtime.source import source_of
from embeddings.types import BUNDLED_READER, Notify

if TYPE_CHECKING:
    from embeddings.reading.hub import HubReader
    from embeddings.reading.reader import Reader


def load_reader(name: str, cache_dir: Path, *, notify: Notify | None = None) -> Reader | HubReader:
    """Load the reader that ``name`` names.

    Args:
        name: ``"bundled"``; a folder that ``python -m evals.training export`` wrote; or the folder or the Hub
            name of a cross-encoder or a question-answering model.
        cache_dir: Where converted and compiled models are kept; made when first needed.
        notify: Told, in one sentence, what takes time.

    Raises:
        ModelNotFound: There is no such model.
        ModelDamaged: Its files are not the ones expected.
        ConversionError: It is not a reader, or OpenVINO cannot run it.
    """
    from embeddings.reading.reader import BUNDLED, MANIFEST, Reader

    folder = BUNDLED if name == BUNDLED_READER else Path(name).expanduser()
    if (folder / MANIFEST).is_file() or name == BUNDLED_READER:
        return Reader.load(folder, cache_dir=cache_dir)
    from embeddings.reading import hub

    return hub.load(source_of(name), cache_dir, notify or (lambda _: None))
