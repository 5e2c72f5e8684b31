"""What the figures of a run are measured and fitted with is what an answer would be made with."""

from __future__ import annotations

import pytest

from embeddings.encoding.load import MULTILINGUAL
from evals import internals
from evals.dataset import Question
from evals.internals import STAGES, WHOLE, time_stages
from evals.training import fit
from qa.answering import weights
from qa.answering.selector import Selector


class EnglishReader:
    """Knows no other language, and must not be made to read it."""

    fingerprint = "english"

    def reads(self, question):
        return question.isascii()

    def read(self, question, passages, titles=None):
        raise AssertionError(f"read for {question!r}")


def question(text: str) -> Question:
    return Question(id="q", question=text, answerable=True, type="t")


def test_stages_are_timed_without_a_reader_that_cannot_read_the_question(archive, article):
    archive.add(article("harbour", "The old harbour bridge was opened in 1932."))
    archive.reader = EnglishReader()
    taken = time_stages(archive, [question("谁在 1932 年开放了大桥？")])
    assert {stage: len(times) for stage, times in taken.items()} == dict.fromkeys((*STAGES, *WHOLE), 1)
    with pytest.raises(AssertionError, match="read for"):
        time_stages(archive, [question("When was the old harbour bridge opened?")])


@pytest.mark.parametrize(("model", "block"), [("tiny", "no_reader"), (MULTILINGUAL, "multilingual")])
def test_sentences_are_collected_by_the_coefficients_that_are_fitted_anew(
    archive, article, monkeypatch, model, block
):
    archive.add(article("harbour", "The old harbour bridge was opened in 1932."))
    archive.settings = archive.settings.model_copy(update={"model": model})
    used = []

    class Watched(Selector):
        def __init__(self, asked, keywords, models, *, sure):
            used.append(models.weights)
            super().__init__(asked, keywords, models, sure=sure)

    monkeypatch.setattr(internals, "Selector", Watched)
    found = list(fit.collect(archive, "set", [question("When was the bridge opened?")], home=False))
    assert len(found) == 1
    assert used == [getattr(weights.load(), block)]
