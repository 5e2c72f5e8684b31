"""What a reader makes of a passage."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

MAX_ANSWER_TOKENS = 30


@dataclass(frozen=True)
class Span:
    """A stretch of a passage.

    Attributes:
        start: First code point.
        end: One past the last code point.
        score: How much better than "no answer", in logits; any real number.
    """

    start: int
    end: int
    score: float


@dataclass(frozen=True, eq=False)
class Reading:
    """What the reader makes of one passage.

    Attributes:
        relevance_logit: Whether the passage answers the question, as a logit.
        offsets: Half-open code-point ranges of the passage's tokens, shape (n, 2).
        start_logits: How much better than "no answer" each token is as the first of an answer, shape (n,).
        end_logits: The same for the last of an answer, shape (n,).
    """

    relevance_logit: float
    offsets: NDArray[np.int32]
    start_logits: NDArray[np.float32]
    end_logits: NDArray[np.float32]
    best: Span | None = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "best", self._best(0, len(self.offsets), MAX_ANSWER_TOKENS))

    @property
    def start(self) -> int | None:
        """First code point of the best span; None for a passage without a word."""
        return self.best.start if self.best else None

    @property
    def end(self) -> int | None:
        """One past the last code point of the best span; None for a passage without a word."""
        return self.best.end if self.best else None

    @property
    def span_score(self) -> float:
        """The best span's logits less those of "no answer"; -inf for a passage without a word."""
        return self.best.score if self.best else -math.inf

    def best_span(self, start: int, end: int, *, max_tokens: int = MAX_ANSWER_TOKENS) -> Span | None:
        """The best span inside the code points [start, end), such as a sentence; None without a token."""
        first = int(np.searchsorted(self.offsets[:, 0], start, side="left"))
        last = int(np.searchsorted(self.offsets[:, 1], end, side="right"))
        return self._best(first, last, max_tokens)

    def _best(self, first: int, last: int, max_tokens: int) -> Span | None:
        starts, ends = self.start_logits[first:last], self.end_logits[first:last]
        found: tuple[float, int, int] | None = None
        for extra in range(min(max_tokens, len(starts))):
            scores = starts[: len(starts) - extra] + ends[extra:]
            place = int(scores.argmax())
            if found is None or scores[place] > found[0]:
                found = (float(scores[place]), first + place, first + place + extra)
        if found is None:
            return None
        score, begin, finish = found
        return Span(int(self.offsets[begin, 0]), int(self.offsets[finish, 1]), score)


def titles_of(passages: Sequence[str], titles: Sequence[str] | None) -> Sequence[str]:
    """One title for each passage, empty ones where none were given.

    Raises:
        ValueError: There are titles, but not one for each passage.
    """
    if titles is None:
        return [""] * len(passages)
    if len(titles) != len(passages):
        raise ValueError(
            f"{len(titles)} titles for {len(passages)} passages: give one title for each passage"
        )
    return titles
