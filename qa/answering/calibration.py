"""How sure an archive's answers are, fitted anew on questions made of its own articles.

A title, or some of the words of a sentence that states a day, a figure or a name, makes a question. It is asked
twice: of the whole archive, which answers it, and with its article held out, when silence is right.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from random import Random
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from qa.answering.models import Models
from qa.answering.selector import Candidate, Selector
from qa.answering.short_answer import find_answer
from qa.answering.weights import Linear, Weights
from qa.errors import CalibrationError
from qa.query.encoded_query import EncodedQuery
from qa.query.understanding import understand
from qa.retrieval.retriever import PASSAGES_READ, RankedPassage, load_passages, rank
from qa.storage.view import View
from qa.text.sentences import split
from qa.text.tokens import terms
from qa.types import AnswerKind, Article, Frozen

MAX_FALSE_REFUSALS = 0.08
"""Share of the questions an archive answers that the threshold may refuse."""
FEWEST = 20
"""Questions below which nothing is fitted."""
_KEPT_WORDS = 0.6
_PRIOR = 0.05
_PER_ARTICLE = 2
_ASKED = {AnswerKind.DATE: "When", AnswerKind.NUMBER: "How many", AnswerKind.PERSON: "Who"}

Floats = NDArray[np.float64]


class Trial(NamedTuple):
    """A question whose answer is known."""

    question: str
    article: str
    span: tuple[int, int] | None
    """Where the answer stands; ``None`` where any sentence of the article will do."""
    answer: str


class Quality(Frozen):
    """How well confidence tells answers from silence on the questions made."""

    needless: float
    """Share of the questions whose article is there that are refused: 0..1."""
    refused: float
    """Share of the questions whose article is held out that are refused: 0..1."""
    error: float
    """Expected calibration error: mean distance of confidence and share of right answers, in ten bins: 0..1."""


class Calibration(Frozen):
    """What the fit of an archive came to; the confidence's logit becomes ``scale * logit + shift``."""

    reader: str | None
    scale: float
    shift: float
    refuse: float
    questions: int
    before: Quality
    after: Quality

    def apply(self, weights: Weights) -> Weights:
        """Return the coefficients so fitted; unchanged where these are of another reader."""
        if weights.reader != self.reader:
            return weights
        old = weights.confidence
        new = Linear(
            bias=self.scale * old.bias + self.shift,
            weights={name: self.scale * value for name, value in old.weights.items()},
        )
        return weights.model_copy(update={"confidence": new, "refuse": self.refuse})


def read(written: str) -> Calibration | None:
    """Read what was stored; ``None`` where there is nothing, or nothing this version understands."""
    try:
        return Calibration.model_validate(json.loads(written)) if written else None
    except (ValidationError, ValueError):
        return None


def applied(view: View, models: Models) -> Models:
    """Return the models with the coefficients that were fitted to an archive, where any were."""
    own = read(view.meta("calibration"))
    return models._replace(weights=own.apply(models.weights)) if own else models


def calibrate(
    view: View, models: Models, questions: int, seed: int, progress: Callable[[int, int], None] | None = None
) -> Calibration:
    """Fit on questions made of an archive's articles.

    ``models`` come as for any archive, not yet fitted to this one; at most ``questions`` are made, and ``seed`` decides
    which. ``progress`` is called with the questions asked so far and those there will be.

    Raises:
        CalibrationError: There are fewer than ``FEWEST``.
    """
    made = list(islice(trials(view.sample(questions, seed), seed), questions))
    count = len(made)
    if count < FEWEST:
        raise CalibrationError(
            f"Only {count} questions can be made of the archive's articles, and {FEWEST} are needed. "
            "Add articles that have titles or state days, figures and names."
        )
    logits: list[float] = []
    right: list[bool] = []
    home: list[bool] = []
    for done, trial in enumerate(made, 1):
        asked = EncodedQuery.of(understand(trial.question, sources=view.source_names), models.encoder)
        ranked = rank(asked, 10, view)
        for held_out in (False, True):
            best = _choose(trial, asked, ranked, view, models, held_out=held_out)
            logits.append(models.weights.confidence.score(best.features._asdict()) if best else -30.0)
            right.append(best is not None and not held_out and _answers(best, trial))
            home.append(not held_out)
        if progress:
            progress(done, len(made))
    x, y, at_home = np.array(logits), np.array(right, float), np.array(home)
    scale, shift = _fitted(x, y)
    fitted = scale * x + shift
    refuse = float(np.quantile(_probability(fitted[at_home]), MAX_FALSE_REFUSALS))
    return Calibration(
        reader=models.weights.reader,
        scale=scale,
        shift=shift,
        refuse=refuse,
        questions=count,
        before=_quality(_probability(x), y, at_home, models.weights.refuse),
        after=_quality(_probability(fitted), y, at_home, refuse),
    )


def trials(articles: Sequence[Article], seed: int) -> Iterator[Trial]:
    """Make questions of articles, in a random order that the seed decides."""
    random = Random(seed)
    for article in random.sample(articles, len(articles)):
        if len(terms(article.title)) >= 3:
            yield Trial(article.title, article.id, None, article.title)
        spans = split(article.text)
        facts = (fact for at in random.sample(spans, len(spans)) if (fact := _fact(article, at, random)))
        yield from islice(facts, _PER_ARTICLE)


def _fact(article: Article, span: tuple[int, int], random: Random) -> Trial | None:
    """Ask for the day, figure or name in a sentence by some of its other words."""
    sentence = article.text[slice(*span)]
    for kind, asked in _ASKED.items():
        if found := find_answer(kind, sentence, ""):
            words = (sentence[: found[0]] + sentence[found[1] :]).split()
            kept = sorted(random.sample(range(len(words)), round(_KEPT_WORDS * len(words))))
            question = f"{asked} {' '.join(words[i] for i in kept).strip(' .,;:')}?"
            if len(terms(question)) >= 4 and sentence[slice(*found)] not in question:
                return Trial(question, article.id, span, sentence[slice(*found)])
    return None


def _choose(
    trial: Trial,
    asked: EncodedQuery,
    ranked: Sequence[RankedPassage],
    view: View,
    models: Models,
    *,
    held_out: bool,
) -> Candidate | None:
    if held_out:
        ranked = [entry for entry in ranked if entry.article != trial.article]
    passages = load_passages(ranked[: 2 * PASSAGES_READ], view)
    if held_out:  # another article may answer it too
        passages = [p for p in passages if trial.answer.casefold() not in p[1].text.casefold()]
    candidates = Selector(asked, view, models).select(passages[:PASSAGES_READ])
    return candidates[0] if candidates else None


def _answers(best: Candidate, trial: Trial) -> bool:
    if best.article.id != trial.article:
        return False
    return trial.span is None or (best.start < trial.span[1] and trial.span[0] < best.end)


def _fitted(logits: Floats, right: Floats) -> tuple[float, float]:
    """Platt scaling (Platt 1999), drawn towards leaving the logits as they are."""
    from scipy.optimize import minimize

    def loss(w: Floats) -> float:
        z = w[0] * logits + w[1]
        return float(np.mean(np.logaddexp(0, z) - right * z) + _PRIOR * ((w[0] - 1) ** 2 + w[1] ** 2) / 10)

    scale, shift = minimize(
        loss, np.array([1.0, 0.0]), method="L-BFGS-B", bounds=[(0.05, 20.0), (None, None)]
    ).x
    return float(scale), float(shift)


def _probability(logits: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -30, 30))))


def _quality(confidence: Floats, right: Floats, home: NDArray[np.bool_], refuse: float) -> Quality:
    bins = np.minimum((10 * confidence).astype(int), 9)
    error = sum(abs(float((confidence - right)[bins == b].sum())) for b in range(10)) / len(bins)
    return Quality(
        needless=float(np.mean(confidence[home] < refuse)),
        refused=float(np.mean(confidence[~home] < refuse)),
        error=error,
    )
