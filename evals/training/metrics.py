"""Measures for a reader: token F1, answerability AUROC, SQuAD 2.0 F1 at a threshold chosen elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evals.metrics import Values, auroc, token_f1


@dataclass(frozen=True)
class Reply:
    """What a reader said to one question about one passage.

    Attributes:
        answers: accepted answers; empty when the passage has none.
        text: the span that the reader marked, whatever it thinks of answerability.
        confidence: higher where the reader is surer that there is an answer; any scale.
    """

    answers: tuple[str, ...]
    text: str
    confidence: float


def best_f1(reply: Reply) -> float:
    """F1 against the closest accepted answer; against silence where there is none."""
    return token_f1(reply.text, reply.answers) if reply.answers else float(not reply.text)


def f1_at(replies: Sequence[Reply], threshold: float) -> float:
    """SQuAD 2.0 F1: below `threshold` the reader is silent, which is right where there is no answer."""
    scores = [best_f1(r) if r.confidence >= threshold else float(not r.answers) for r in replies]
    return float(np.mean(scores))


def best_threshold(replies: Sequence[Reply]) -> float:
    """The confidence at which `f1_at` is highest on `replies`."""
    ordered = sorted(replies, key=lambda r: -r.confidence)
    gains = [(best_f1(r) if r.answers else 0.0) - float(not r.answers) for r in ordered]
    cut = int(np.argmax([0.0, *np.cumsum(gains)]))
    if cut == 0:
        return float("inf")
    last = ordered[cut - 1].confidence
    return last if cut == len(ordered) else (last + ordered[cut].confidence) / 2.0


def reading_scores(replies: Sequence[Reply]) -> dict[str, float]:
    """Token F1 on answerable questions, AUROC, and F1 on each half at the other half's best threshold."""
    answerable = [r for r in replies if r.answers]
    silent = [r for r in replies if not r.answers]
    even, odd = replies[::2], replies[1::2]
    crossed = f1_at(even, best_threshold(odd)) * len(even) + f1_at(odd, best_threshold(even)) * len(odd)
    return {
        "token_f1_answerable": float(np.mean([best_f1(r) for r in answerable])),
        "squad2_f1": crossed / len(replies),
        "auroc": float(auroc(_confidences(answerable), _confidences(silent))),
    }


def _confidences(replies: Sequence[Reply]) -> Values:
    return np.array([reply.confidence for reply in replies])
