"""Configuration: one object, read from ``QA_…`` environment variables in one place."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Self

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from embeddings.types import BUNDLED_READER
from qa.errors import QAError

PREFIX = "QA_"
NO_READER = "none"


class Settings(BaseModel):
    """Everything that can be set. Each field ``x`` is read from ``QA_X``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    archive: Path | None = None
    """The archive used where none is named; by default one built from the seed articles."""
    model: str | None = None
    """Embedding model for new archives: a folder, a Hub name, or ``None`` for the bundled MiniLM."""
    reader: str | None = BUNDLED_READER
    """Model that reads the passages found: ``bundled``, a folder, a Hub name, or none (``none``, ``None``)."""
    cache_dir: Path = Field(default_factory=lambda: Path(platformdirs.user_cache_dir("archive-qa")))
    """Where converted models are kept."""
    data_dir: Path = Field(default_factory=lambda: Path(platformdirs.user_data_dir("archive-qa")))
    """Where the default archive is kept."""
    refuse: Annotated[float, Field(ge=0, le=1)] | None = None
    """Confidence below which the archive is said not to answer; 0 always answers, ``None`` takes the fitted one."""
    max_question: Annotated[int, Field(ge=1)] = 2000
    """Longest question, in characters; a longer one is cut, with a notice."""
    host: str = "127.0.0.1"
    """Address the page is served on."""
    port: Annotated[int, Field(ge=0, le=65535)] = 7860
    """Port the page is served on."""
    auth: Path | None = None
    """File of the users who may come in (``qa user add``); by default everyone who reaches the port."""
    hosts: str = ""
    """Names the server may be called by, with commas; by default any."""
    rate: Annotated[int, Field(ge=0)] = 120
    """Questions a client may ask in a minute; 0 for any number."""
    feedback: bool = False
    """Whether people can say on the page what was right, kept in the archive's folder where that can be written."""
    upload: bool = False
    """Whether articles can be added from the page."""
    log_requests: bool = False
    """Whether each request is written to standard error as a line of JSON, without what was asked."""
    log_questions: bool = False
    """Whether the questions are written down too."""

    keep_conversations: bool = False
    """Whether browsers keep conversations when their tab is closed; not on machines that people share."""

    @property
    def known_hosts(self) -> tuple[str, ...]:
        """The names in ``hosts``."""
        return tuple(name.strip().lower() for name in self.hosts.split(",") if name.strip())

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """Read the settings.

        Raises:
            QAError: A variable holds a value that does not fit.
        """
        names = {field: PREFIX + field.upper() for field in cls.model_fields}
        values = {field: environ[name] for field, name in names.items() if environ.get(name)}
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            first = error.errors()[0]
            name = names[str(first["loc"][0])]
            raise QAError(f"{name}={environ[name]!r}: {first['msg']}. Change or unset it.") from None
