"""The learned coefficients, kept readable in ``weights.json``; ``python -m evals.fit`` writes them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict

PATH = Path(__file__).with_name("weights.json")


class Linear(BaseModel):
    """A linear model: ``bias + sum(weight * value)`` over named values."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bias: float = 0.0
    weights: dict[str, float]

    def score(self, values: Mapping[str, float]) -> float:
        """Return the model's value, in logits; values without a weight do not count."""
        return self.bias + sum(weight * values[name] for name, weight in self.weights.items())


class Weights(BaseModel):
    """How sentences are chosen, and how sure one can be of the choice."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    choice: Linear
    confidence: Linear


class Models(BaseModel):
    """The coefficients with a reader and without."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reader: Weights
    no_reader: Weights


@cache
def load() -> Models:
    """Load the coefficients that ship with the package."""
    return Models.model_validate(json.loads(PATH.read_text(encoding="utf-8")))
