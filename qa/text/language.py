"""Text → the language it is written in."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

SAMPLE = 500
"""Characters that are looked at."""
SURE = 0.8
"""Lowest probability at which a language is recorded."""


def detect(text: str) -> str | None:
    """Return the ISO 639-1 code of a text's language, or ``None`` where it is not clear."""
    language, probability = likeliest(text)
    return language if probability >= SURE else None


def likeliest(text: str) -> tuple[str, float]:
    """Return the likeliest language of a text and its probability, 0 to 1."""
    language, probability = _identifier().classify(text[:SAMPLE])
    return language, float(probability)


@cache
def _identifier() -> LanguageIdentifier:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages([label for label in identifier.labels if len(label) == 2])
    return identifier
