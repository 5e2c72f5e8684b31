"""Shared fixtures: the seed articles, and archives made with the tiny encoder (no model, milliseconds)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import qa

SEEDS = Path(__file__).parent.parent / "seeds"


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> qa.Settings:
    return qa.Settings(
        reader=None,
        model="tiny",
        data_dir=tmp_path_factory.mktemp("data"),
        cache_dir=tmp_path_factory.mktemp("cache"),
    )


@pytest.fixture(scope="session")
def seed_articles() -> dict[str, qa.Article]:
    from qa.loaders.registry import load_paths

    return {found.article.id[:3]: found.article for found in load_paths([SEEDS])}


@pytest.fixture
def archive(tmp_path: Path, settings: qa.Settings) -> Iterator[qa.Archive]:
    """An empty archive."""
    with qa.Archive.create(tmp_path / "archive", settings=settings) as made:
        yield made


@pytest.fixture
def seed_archive(archive: qa.Archive) -> qa.Archive:
    archive.add(SEEDS)
    return archive


@pytest.fixture
def article() -> Callable[..., qa.Article]:
    """Make an article with little typing."""

    def make(id: str, text: str = "", **fields: object) -> qa.Article:
        return qa.Article(id=id, text=text or f"The {id} met the mayor in the town hall.", **fields)

    return make


@pytest.fixture
def dated(archive: qa.Archive, article) -> qa.Archive:
    """Three small articles, of March, of May and undated, which answer whatever is asked."""
    archive.add(
        [
            article(
                "march",
                "Ada Bell opened the library in the town hall.",
                published="2023-03-02",
                source="Post",
            ),
            article(
                "may", "Bo Carr opened the museum in the old mill.", published="2023-05-02", source="Courier"
            ),
            article("undated", "Cy Dunn closed the station.", source="Post"),
        ]
    )
    archive.settings = archive.settings.model_copy(update={"refuse": 0.0})
    return archive
