"""Fits the coefficients in ``weights.json`` on public questions: ``python -m evals.training fit --data DIR …``.

Two models from the same evidence: which sentence to choose, a conditional logit over the sentences of a
question (McFadden 1974), and how sure to be of the choice, a logistic regression over the chosen ones.
Unanswerable questions, and questions asked of another set's archive, teach the second what silence looks like.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

import click
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

import qa
from embeddings.encoding.load import MULTILINGUAL
from embeddings.reading.load import BUNDLED_NAME
from evals import metrics
from evals.archives import archive_of
from evals.dataset import Dataset, Question
from evals.internals import select_sentences
from evals.outcomes import gold_spans
from evals.summary import MAX_FALSE_REFUSALS
from qa.answering import weights
from qa.answering.models import Models, SentenceVectors
from qa.answering.selector import Candidate, Features
from qa.settings import Settings

REGULARISATION = 1e-4
ELSEWHERE = 60
"""Questions of each set that are asked of another set's archive."""
CHOICE = ("words", "context", "passage", "first", "kind", "fragment", "cosine")
CHOICE_READING = ("words", "context", "passage", "first", "kind", "fragment", "relevance", "span")
"""With a reader sentences are compared with the question after they are chosen."""
CONFIDENCE = ("words", "context", "passage", "kind", "unknown", "cosine", "relevance", "span")

Floats = NDArray[np.float64]


class Example(NamedTuple):
    """The candidate sentences of one question."""

    dataset: str
    home: bool
    """Whether the question was asked of its own archive."""
    answerable: bool
    evidence: Floats
    """Shape (candidates, len(Features._fields))."""
    gold: NDArray[np.bool_]
    """Which candidates answer, shape (candidates,); all false where none does or nobody knows."""
    located: bool
    """Whether the gold answer's place is known, and not only its article."""


@click.command("fit")
@click.option("--data", "folders", type=click.Path(path_type=Path, exists=True), multiple=True, required=True)
@click.option(
    "--only", multiple=True, metavar="SET=PREFIX,…", help="Use only questions about these articles of a set."
)
@click.option(
    "--reader", default=BUNDLED_NAME, show_default=True, help="A reader's folder, bundled, or none."
)
@click.option("--limit", default=400, show_default=True, help="Questions of each set.")
@click.option("--out", type=click.Path(path_type=Path), default=weights.PATH, show_default=False)
def fit_command(folders: Sequence[Path], only: Sequence[str], reader: str, limit: int, out: Path) -> None:
    """Collect evidence on the public sets and the seeds, fit, write the coefficients, and print how good they are."""
    settings = Settings.from_environ().model_copy(update={"reader": reader})
    prefixes = {name: tuple(rest.split(",")) for name, _, rest in (entry.partition("=") for entry in only)}
    datasets = [_limited(Dataset.load(folder), prefixes, limit) for folder in [*folders, None]]
    examples: list[Example] = []
    used, encoder = None, ""
    for number, dataset in enumerate(datasets):
        with archive_of(dataset, settings) as archive:
            used = archive.reader.fingerprint if archive.reader else None
            encoder = archive.encoder.fingerprint
            examples += collect(archive, dataset.name, dataset.questions, home=True)
            away = datasets[number - 1]
            examples += collect(archive, away.name, away.questions[:ELSEWHERE], home=False)
        click.echo(f"{dataset.name}: {len(examples)} questions so far", err=True)
    fitted = fit(examples, used)
    block = _block(settings, used)
    if block == "multilingual":
        fitted = fitted.model_copy(update={"encoder": encoder})
    shipped = weights.load().model_copy(update={block: fitted})
    out.write_text(json.dumps(shipped.model_dump(), indent=1) + "\n", encoding="utf-8")
    for line in describe(examples, fitted):
        click.echo(line)


def _block(settings: Settings, reader: str | None) -> str:
    """Return the name in ``weights.json`` of the coefficients for a model and a reader."""
    if settings.model == MULTILINGUAL:
        return "multilingual"
    return "no_reader" if reader is None else "reader"


def _limited(dataset: Dataset, prefixes: dict[str, tuple[str, ...]], limit: int) -> Dataset:
    wanted = prefixes.get(dataset.name)
    kept = [
        q
        for q in dataset.questions
        if q.judged and (wanted is None or any(e.doc_id.startswith(wanted) for e in q.evidence))
    ]
    Random(0).shuffle(kept)
    return dataset.model_copy(update={"questions": tuple(kept[:limit])})


def collect(
    archive: qa.Archive, name: str, questions: Sequence[Question], *, home: bool
) -> Iterator[Example]:
    """Ask each question and yield the evidence for every sentence that was looked at."""
    reader = archive.reader
    used = reader.fingerprint if reader else None
    shipped: weights.Weights = getattr(weights.load(), _block(archive.settings, used))
    chosen = shipped.model_copy(update={"reader": used})
    models = Models(archive.encoder, SentenceVectors(archive.encoder), reader, chosen)
    for question in questions:
        found = select_sentences(archive, question, models, sure=2.0)
        if found:
            gold, located = _gold(archive, question, found) if home and question.answerable else (None, True)
            yield Example(
                dataset=name,
                home=home,
                answerable=home and question.answerable,
                evidence=np.array([c.features for c in found]),
                gold=np.zeros(len(found), bool) if gold is None else gold,
                located=located,
            )


def _gold(
    archive: qa.Archive, question: Question, found: Sequence[Candidate]
) -> tuple[NDArray[np.bool_], bool]:
    places: dict[str, list[metrics.Span]] = {}
    for evidence in question.evidence:
        for spans in gold_spans(evidence, archive.get(evidence.doc_id)):
            places.setdefault(evidence.doc_id, []).extend(s for s in spans if s[1] > s[0])
    located = any(places.values())
    articles = {evidence.doc_id for evidence in question.evidence}

    def answers(candidate: Candidate) -> bool:
        if not located:
            return candidate.article.id in articles
        span = candidate.start, candidate.end
        return any(metrics.overlap(span, place) > 0 for place in places.get(candidate.article.id, ()))

    return np.array([answers(c) for c in found], np.bool_), located


def fit(examples: Sequence[Example], reader: str | None) -> weights.Weights:
    """Fit both models, each set weighing the same, and the threshold.

    It refuses at most ``MAX_FALSE_REFUSALS`` of any set's answerable questions.

    Args:
        examples: The evidence.
        reader: Fingerprint of the reader that gave its part of it.
    """
    known = [e for e in examples if e.located and e.gold.any()]
    choice = _fit_choice(known, CHOICE_READING if reader else CHOICE)
    fitted = weights.Weights(
        reader=reader, choice=choice, confidence=_fit_confidence(examples, choice), refuse=0.0
    )
    sure: dict[str, list[float]] = {}
    for example in examples:
        if example.home and example.answerable:
            sure.setdefault(example.dataset, []).append(_confidence(example, fitted))
    refuse = min(float(np.quantile(values, MAX_FALSE_REFUSALS)) for values in sure.values())
    return fitted.model_copy(update={"refuse": round(refuse, 3)})


def _columns(evidence: Floats, names: Sequence[str]) -> Floats:
    return np.asarray(evidence[:, [Features._fields.index(name) for name in names]])


def _used(examples: Sequence[Example], names: Sequence[str]) -> list[str]:
    """Leave out evidence that is the same everywhere, as the reader's is without a reader."""
    everything = np.concatenate([_columns(e.evidence, names) for e in examples])
    return [name for name, spread in zip(names, everything.std(axis=0), strict=True) if spread > 1e-9]


def _balance(examples: Sequence[Example]) -> Floats:
    groups = [(e.dataset, e.home, e.answerable) for e in examples]
    counts = {group: groups.count(group) for group in set(groups)}
    share = np.array([1 / counts[group] for group in groups])
    return np.asarray(share / share.sum())


def _fit_choice(examples: Sequence[Example], of: Sequence[str]) -> weights.Linear:
    names = _used(examples, of)
    rows = [_columns(e.evidence, names) for e in examples]
    share = _balance(examples)

    def loss(w: Floats) -> tuple[float, Floats]:
        total, gradient = REGULARISATION * float(w @ w), 2 * REGULARISATION * w
        for x, example, weight in zip(rows, examples, share, strict=True):
            scores = x @ w
            p = np.exp(scores - scores.max())
            p /= p.sum()
            right = p[example.gold].sum() + 1e-12
            total -= weight * float(np.log(right))
            gradient -= weight * (x[example.gold].T @ p[example.gold] / right - x.T @ p)
        return total, gradient

    found = minimize(loss, np.zeros(len(names)), jac=True, method="L-BFGS-B")
    return weights.Linear(weights={n: round(float(v), 4) for n, v in zip(names, found.x, strict=True)})


def _chosen(example: Example, choice: weights.Linear) -> int:
    scores = [choice.score(dict(zip(Features._fields, row, strict=True))) for row in example.evidence]
    return int(np.argmax(scores))


def _fit_confidence(examples: Sequence[Example], choice: weights.Linear) -> weights.Linear:
    """Fit on whether the archive answers, which tells silence best; then scale to how often the choice is right."""
    picks = [_chosen(e, choice) for e in examples]
    right = np.array([e.gold[pick] for e, pick in zip(examples, picks, strict=True)], float)
    answerable = np.array([e.answerable for e in examples], float)
    names = _used(examples, CONFIDENCE)
    x = np.stack([_columns(e.evidence, names)[pick] for e, pick in zip(examples, picks, strict=True)])
    share = _balance(examples)
    bias, *slopes = _logistic(x, answerable, share)
    shift, scale = _logistic((x @ np.array(slopes) + bias)[:, None], right, share)
    return weights.Linear(
        bias=round(float(scale * bias + shift), 4),
        weights={n: round(float(scale * v), 4) for n, v in zip(names, slopes, strict=True)},
    )


def _logistic(x: Floats, y: Floats, share: Floats) -> Floats:
    """Fit a logistic regression: the bias, then a weight for each column; shape (1 + columns,)."""
    x = np.hstack([np.ones((len(x), 1)), x])

    def loss(w: Floats) -> tuple[float, Floats]:
        logits = x @ w
        p = 1 / (1 + np.exp(-logits))
        cross = np.logaddexp(0, logits) - y * logits
        ridge = REGULARISATION * np.concatenate([[0], w[1:]])
        return float(share @ cross + ridge @ w), x.T @ (share * (p - y)) + 2 * ridge

    return np.asarray(minimize(loss, np.zeros(x.shape[1]), jac=True, method="L-BFGS-B").x)


def _confidence(example: Example, fitted: weights.Weights) -> float:
    row = example.evidence[_chosen(example, fitted.choice)]
    return float(1 / (1 + np.exp(-fitted.confidence.score(dict(zip(Features._fields, row, strict=True))))))


def describe(examples: Sequence[Example], fitted: weights.Weights) -> Iterator[str]:
    """Say, set by set, how often the right sentence is chosen and what the threshold refuses."""
    sure: dict[tuple[str, bool, bool], list[float]] = {}
    right: dict[str, list[bool]] = {}
    for example in examples:
        group = example.dataset, example.home, example.answerable
        sure.setdefault(group, []).append(_confidence(example, fitted))
        if example.answerable:
            right.setdefault(example.dataset, []).append(bool(example.gold[_chosen(example, fitted.choice)]))
    for name, values in right.items():
        own = np.quantile(sure[name, True, True], MAX_FALSE_REFUSALS)
        yield f"{name}: right sentence {np.mean(values):.3f} of {len(values)}; 8 % needless below {own:.3f}"
    yield f"threshold: {fitted.refuse:.3f}"
    for (name, home, is_answerable), confidences in sure.items():
        what = "answerable" if is_answerable else "unanswerable" if home else "asked elsewhere"
        refused = np.mean(np.array(confidences) < fitted.refuse)
        yield f"{name}, {what}: refused {refused:.3f}, n {len(confidences)}"
