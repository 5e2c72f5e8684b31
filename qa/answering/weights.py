"""The learned coefficients, kept readable in ``weights.json``; ``python -m evals.training fit`` writes them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from qa.types import Frozen

if TYPE_CHECKING:
    from embeddings import Encoder
    from embeddings.reading.hub import HubReader
    from embeddings.reading.reader import Reader

PATH = Path(__file__).with_name("weights.json")


class Linear(Frozen):
    """A linear model: ``bias + sum(weight * value)`` over named values."""

    bias: float = 0.0
    weights: dict[str, float]

    def score(self, values: Mapping[str, float]) -> float:
        """Return the model's value, in logits; values without a weight do not count."""
        return self.bias + sum(weight * values[name] for name, weight in self.weights.items())


class Weights(Frozen):
    """How sentences are chosen, how sure one can be of the choice, and how sure one must be to answer.

    Fitted for one reader, named by its fingerprint, or for none, and for one encoder or for the bundled one.
    """

    reader: str | None
    encoder: str | None = None
    choice: Linear
    confidence: Linear
    refuse: float


class Shipped(Frozen):
    """The coefficients that come with the package.

    With its reader, without one, and for questions in another language than the articles, which its reader
    cannot read.
    """

    reader: Weights
    no_reader: Weights
    multilingual: Weights


@cache
def load() -> Shipped:
    """Load the coefficients that come with the package."""
    return Shipped.model_validate(json.loads(PATH.read_text(encoding="utf-8")))


def of(reader: Reader | HubReader | None, encoder: Encoder) -> Weights:
    """Return those for a reader and an encoder; for a reader they were not fitted with, those for none."""
    shipped = load()
    if encoder.fingerprint == shipped.multilingual.encoder:
        return shipped.multilingual
    return shipped.reader if reader and reader.fingerprint == shipped.reader.reader else shipped.no_reader
