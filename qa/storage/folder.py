"""An archive's folder: what may become one, what is one, and whether its model is the one that made it."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from embeddings import Encoder, load_encoder
from qa.errors import ArchiveExists, ArchiveIncompatible, ArchiveNotFound, ArchiveReadOnly
from qa.settings import Settings
from qa.storage.database import Database
from qa.text import chunking

log = logging.getLogger("qa")

DATABASE = "archive.sqlite"


def make(path: Path, model: str | None, settings: Settings) -> tuple[Database, Encoder]:
    """Make the folder and an empty database for a model.

    Raises:
        ArchiveExists: Something is there already.
        ArchiveReadOnly: The folder cannot be made.
    """
    if path.is_file() or (path.is_dir() and any(path.iterdir())):
        what = "an archive" if (path / DATABASE).exists() else "something else"
        raise ArchiveExists(f"{path} already holds {what}. Name another folder, or open the archive there.")
    encoder = load_encoder(model, settings.cache_dir, notify=log.warning)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ArchiveReadOnly(
            f"{path} cannot be made ({error.strerror}). Name a folder of your own."
        ) from None
    database = Database.create(
        path / DATABASE,
        model=model or "",
        fingerprint=encoder.fingerprint,
        dim=encoder.dim,
        chunker=chunking.VERSION,
    )
    return database, encoder


def find(path: Path) -> Database:
    """Return the database in a folder.

    Raises:
        ArchiveNotFound: There is none.
        ArchiveDamaged: It cannot be read.
    """
    if not (path / DATABASE).is_file():
        what = "is not a folder" if path.exists() and not path.is_dir() else "holds no archive"
        raise ArchiveNotFound(f"{path} {what}. Make one with: qa index FILES --archive FOLDER")
    return Database(
        path / DATABASE, writable=os.access(path, os.W_OK) and os.access(path / DATABASE, os.W_OK)
    )


def check(path: Path, database: Database, settings: Settings) -> None:
    """Check that an archive was made with the model that is wanted.

    Raises:
        ArchiveIncompatible: It was made with another one.
    """
    with database.read() as transaction:
        model, chunker = transaction.meta("model"), transaction.meta("chunker")
    if settings.model is not None and settings.model != model:
        raise ArchiveIncompatible(
            f"{path} was made with the model {model or 'all-MiniLM-L6-v2'}, not {settings.model}. "
            "Unset QA_MODEL, or index the articles into a new folder."
        )
    if chunker != chunking.VERSION:
        log.warning(
            "%s was cut into passages by another version; it works, a fresh index may find more.", path
        )


def load_encoder_of(path: Path, database: Database, settings: Settings) -> Encoder:
    """Load the model that an archive was made with.

    Raises:
        ArchiveIncompatible: The model has changed since.
        embeddings.EmbeddingError: It cannot be loaded.
    """
    with database.read() as transaction:
        model, fingerprint = transaction.meta("model"), transaction.meta("fingerprint")
    encoder = load_encoder(model or None, settings.cache_dir, notify=log.warning)
    if encoder.fingerprint != fingerprint:
        raise ArchiveIncompatible(
            f"{path} was made with another version of the model {encoder.name}: its vectors do not "
            "compare. Index the articles into a new folder."
        )
    return encoder
