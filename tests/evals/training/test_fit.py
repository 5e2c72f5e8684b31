"""What the figures of a run are measured and fitted with is what an answer would be made with."""

from __future__ import annotations

import pytest

from embeddings.encoding.load import MULTILINGUAL
from evals import internals
from evals.dataset import Question
from evals.training import fit
from qa.answering import weights
from qa.answering.selector import Selector


def question(text: str) -> Question:
    return Question(id="q", question=text, answerable=True, type="t")


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
