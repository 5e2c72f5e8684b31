"""The sets that the report measures: what of each is asked, and with which model."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path

from embeddings.encoding.load import MULTILINGUAL
from evals.dataset import Dataset, DatasetError, Question
from evals.training import data as reader_data
from evals.training.__main__ import Training

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
    """Whether the model of a set is there."""
    return MODELS.get(name) != MULTILINGUAL or importlib.util.find_spec(MULTILINGUAL) is not None


def load(root: Path, name: str, limit: int | None = None) -> Dataset:
    """Read a set, less what is not measured on it: turns that no answer is right for, articles trained on.

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
    held_out = reader_data.held_out_articles(
        sorted(set().union(*about.values())), count=reader_data.HELD_OUT_ARTICLES, seed=Training.seed
    )
    return [q for q in questions if about[q.id] and about[q.id] <= set(held_out)]


def asked_elsewhere(datasets: Sequence[Dataset], here: Dataset) -> Dataset:
    """Return some answerable questions of other sets, as unanswerable ones put to the archive of this one."""
    questions = []
    for other in datasets:
        if other.name != here.name:
            answerable = tuple(q for q in other.questions if q.answerable)
            questions += [
                q.model_copy(
                    update={
                        "id": f"{other.name}: {q.id}",
                        "answerable": False,
                        "type": f"from {other.name}",
                        "answers": (),
                        "evidence": (),
                    }
                )
                for q in other.model_copy(update={"questions": answerable}).limited(FROM_EACH).questions
            ]
    return here.model_copy(update={"questions": tuple(questions), "qrels": {}})
