"""Evaluation folders: questions with gold answers over a corpus.

A folder holds ``corpus.jsonl`` (articles, as ``qa index`` reads them), ``queries.jsonl`` and, where
retrieval is to be judged, ``qrels.tsv``. The seed questions live in ``evals/seeds``, their corpus in
``seeds``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from qa.errors import QAError
from qa.types import Turn

SEED_QUESTIONS = Path(__file__).parent / "seeds"
SEED_ARTICLES = Path(__file__).parents[1] / "seeds"

UNJUDGED_TYPES = frozenset({"underspecified", "conversational"})
"""Turns that have no right or wrong answer: left out of retrieval, answers and refusal alike."""


class DatasetError(QAError):
    """An evaluation folder cannot be used; the message names the file and the line."""


class _Line(BaseModel):
    """A line of a file made by others: unknown fields are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class GoldEvidence(_Line):
    """Where the answer stands: a quote with or without its offsets, sentences, or only the article."""

    doc_id: str
    quote: str = ""
    start: Annotated[int, Field(ge=0)] | None = None
    end: Annotated[int, Field(ge=0)] | None = None
    sentences: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _spans_its_quote(self) -> Self:
        if (self.start is None) != (self.end is None):
            raise ValueError("start and end go together")
        if self.start is not None and self.end is not None and self.end - self.start != len(self.quote):
            raise ValueError(f"[{self.start}:{self.end}] does not span the quote")
        return self


class Question(_Line):
    """One question. ``answers`` are the accepted short answers, any of which will do."""

    id: Annotated[str, Field(min_length=1)]
    question: Annotated[str, Field(min_length=1)]
    answers: tuple[str, ...] = ()
    answerable: bool
    type: str
    history: tuple[Turn, ...] = ()
    evidence: tuple[GoldEvidence, ...] = ()

    @property
    def judged(self) -> bool:
        """Whether an answer to it can be right or wrong."""
        return self.type not in UNJUDGED_TYPES


class Dataset(_Line):
    """An evaluation folder, read. ``qrels`` names the articles that answer each question."""

    name: str
    corpus: Path
    questions: tuple[Question, ...]
    qrels: dict[str, frozenset[str]]

    @classmethod
    def load(cls, folder: Path | None = None) -> Self:
        """Read a folder, or by default the questions over the seed articles.

        Raises:
            DatasetError: A file is missing or a line of it does not fit.
        """
        corpus = SEED_ARTICLES if folder is None else folder / "corpus.jsonl"
        folder = SEED_QUESTIONS if folder is None else folder
        if not corpus.exists():
            what = "an evaluation folder holds corpus.jsonl and queries.jsonl"
            raise DatasetError(f"{corpus}: not there; {what}")
        questions = _read_questions(folder / "queries.jsonl")
        qrels = _read_qrels(folder / "qrels.tsv", {q.id for q in questions})
        return cls(name=folder.resolve().name, corpus=corpus, questions=questions, qrels=qrels)

    def limited(self, count: int | None) -> Self:
        """Return the dataset with at most ``count`` questions, spread evenly over the file."""
        total = len(self.questions)
        if count is None or count >= total:
            return self
        chosen = tuple(self.questions[i * total // count] for i in range(count))
        return self.model_copy(update={"questions": chosen})

    def relevant(self, question: Question) -> frozenset[str]:
        """Return the articles that retrieval is judged on; empty where it is not judged."""
        if not (question.answerable and question.judged):
            return frozenset()
        return self.qrels.get(question.id, frozenset())


def _read_questions(path: Path) -> tuple[Question, ...]:
    questions: dict[str, Question] = {}
    for where, line in _lines(path):
        try:
            question = Question.model_validate(json.loads(line))
        except json.JSONDecodeError as error:
            raise DatasetError(f"{where}: not valid JSON: {error}") from None
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(map(str, first["loc"])) or "the line"
            raise DatasetError(f"{where}: {field}: {first['msg']}") from None
        if question.id in questions:
            raise DatasetError(f"{where}: the id {question.id!r} is there twice")
        questions[question.id] = question
    if not questions:
        raise DatasetError(f"{path}: holds no questions")
    return tuple(questions.values())


def _read_qrels(path: Path, question_ids: set[str]) -> dict[str, frozenset[str]]:
    if not path.exists():
        return {}
    relevant: dict[str, set[str]] = {}
    for where, line in _lines(path):
        columns = line.split("\t")
        if len(columns) != 3:
            raise DatasetError(
                f"{where}: {len(columns)} columns; three are: question id, tab, article id, tab, 1"
            )
        question_id, article_id, relevance = columns
        if question_id not in question_ids:
            raise DatasetError(f"{where}: there is no question {question_id!r}")
        if relevance not in {"0", "1"}:
            raise DatasetError(f"{where}: the relevance is {relevance!r}, neither 0 nor 1")
        if relevance == "1":
            relevant.setdefault(question_id, set()).add(article_id)
    return {question_id: frozenset(ids) for question_id, ids in relevant.items()}


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="\n") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield f"{path}:{number}", line.rstrip("\r\n")
    except FileNotFoundError:
        raise DatasetError(f"{path}: not there") from None
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise DatasetError(f"{path}: not UTF-8") from None
