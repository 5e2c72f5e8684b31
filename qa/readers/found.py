"""What a reader yields."""

from typing import NamedTuple

from qa.types import Article


class Found(NamedTuple):
    """An article that was read. ``origin`` is the file that named it, where its id comes from a path."""

    article: Article
    origin: str | None = None
