"""What is real in the benchmark: articles and questions, from evaluation folders or the seeds."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import qa
from evals.dataset import Dataset, DatasetError
from qa.settings import Settings


class Real(NamedTuple):
    """Real articles, and questions over them."""

    articles: tuple[qa.Article, ...]
    questions: tuple[str, ...]

    @classmethod
    def load(cls, data: Path | None, settings: Settings) -> Real:
        """Read an evaluation folder, or all that lie in a folder, or by default the seeds.

        Raises:
            DatasetError: There is none, or one cannot be read.
        """
        if data is None:
            asked = Dataset.load().questions
            return cls(tuple(qa.default_archive(settings)), tuple(q.question for q in asked))
        corpora = [data / "corpus.jsonl", *sorted(data.glob("*/corpus.jsonl"))]
        folders = [corpus.parent for corpus in corpora if corpus.exists()]
        if not folders:
            raise DatasetError(f"{data}: holds no corpus.jsonl, nor does a folder in it")
        articles: list[qa.Article] = []
        questions: list[str] = []
        for folder in folders:
            articles += _articles(folder)
            # The bundled model reads English: questions in another script would measure nothing.
            asked = Dataset.load(folder).questions
            questions += [q.question for q in asked if q.answerable and q.judged and q.question.isascii()]
        if not questions:
            raise DatasetError(f"{data}: holds no answerable question in English")
        return cls(tuple(articles), tuple(questions))

    def sample(self, count: int) -> list[str]:
        """Return that many questions at most, the same ones every time."""
        return random.Random(0).sample(self.questions, min(count, len(self.questions)))

    def shuffled(self) -> list[qa.Article]:
        """Return the articles in a random order, the same one every time."""
        return random.Random(1).sample(self.articles, len(self.articles))


def _articles(folder: Path) -> Iterator[qa.Article]:
    path = folder / "corpus.jsonl"
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                row = json.loads(line)
                yield qa.Article(
                    id=f"{folder.name}/{number}",
                    title=row.get("title") or folder.name,
                    text=row["text"],
                    source=row.get("source"),
                    published=row.get("date") or row.get("published"),
                )
            except (ValueError, KeyError) as error:
                raise DatasetError(f"{path}:{number}: not an article ({error})") from None
