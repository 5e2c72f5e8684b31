"""The sets that the report measures: what of each is asked, and with which model."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from embeddings.encoding.load import MULTILINGUAL
from evals.dataset import Dataset, DatasetError, Question
from evals.training.data import HELD_OUT_ARTICLES, SPLIT_SEED, held_out_articles

SEEDS, READ_IN_TRAINING = "seeds", "squad2"
MODELS: dict[str, str | None] = {
    SEEDS: None,
    READ_IN_TRAINING: None,
    "clapnq": None,
    "mtrag_pool": None,
    "multihop_facts500": None,
    "xquad_zh_en": MULTILINGUAL,
}
"""The model that a set is measured with; ``None`` is the one of the settings."""
FROM_EACH = 15
"""Questions of each other set that are asked of an archive which does not answer them."""


def installed(name: str) -> bool:
    """Whether the model of a set is installed."""
    return MODELS.get(name) != MULTILINGUAL or importlib.util.find_spec(MULTILINGUAL) is not None


def load(root: Path, name: str, limit: int | None = None) -> Dataset:
    """Read a set, less what is not measured on it: turns without a right answer, articles trained on.

    Args:
        root: The folder of all the sets; the seeds are not looked for there.
        name: Of the set: its folder's.
        limit: Take at most so many questions, spread evenly.

    Raises:
        DatasetError: It cannot be used, or nothing is left to ask.
    """
    dataset = Dataset.load(None if name == SEEDS else root / name)
    asked = [q for q in dataset.questions if q.judged]
    if name == READ_IN_TRAINING:
        asked = _unread(asked)
    if not asked:
        raise DatasetError(f"{root / name}: holds no question that can be measured")
    return dataset.model_copy(update={"questions": tuple(asked)}).limited(limit)


def _unread(questions: Sequence[Question]) -> list[Question]:
    """Keep the questions about articles that the reader has not read in training."""
    about = {q.id: {e.doc_id.rsplit("-", 1)[0] for e in q.evidence} for q in questions}
    articles = sorted(set().union(*about.values()))
    held_out = held_out_articles(articles, count=HELD_OUT_ARTICLES, seed=SPLIT_SEED)
    return [q for q in questions if about[q.id] and about[q.id] <= set(held_out)]


def asked_elsewhere(datasets: Sequence[Dataset], here: Dataset) -> Dataset:
    """Return some answerable questions of other sets, as unanswerable ones put to the archive of this one."""
    questions = []
    for other in (dataset for dataset in datasets if dataset.name != here.name):
        answerable = tuple(q for q in other.questions if q.answerable)
        unanswered = {"answerable": False, "type": f"from {other.name}", "answers": (), "evidence": ()}
        for question in other.model_copy(update={"questions": answerable}).limited(FROM_EACH).questions:
            questions.append(question.model_copy(update={"id": f"{other.name}: {question.id}", **unanswered}))
    return here.model_copy(update={"questions": tuple(questions), "qrels": {}})
