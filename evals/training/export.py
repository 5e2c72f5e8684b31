"""Measures a trained reader on the held-out articles, converts it, and writes its model card."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from embeddings.reading.graph import pack
from embeddings.reading.inputs import PairEncoder
from embeddings.reading.reader import MANIFEST, READER_FORMAT, TOKENIZER, WEIGHTS, Reader
from embeddings.reading.reading import Reading
from evals.baselines import reciprocal_rank_fusion
from evals.metrics import Values, auroc, token_f1
from evals.training.data import SETS, Embed, Question, ReadingData, family_of, keyword_index
from evals.training.sampler import PHASES

if TYPE_CHECKING:
    import torch

CARD = "MODEL_CARD.md"
RERANKED = 12
"""Passages of a ranking that are read."""
RANK_PRICE = 0.3
"""Logits that each place further down in the ranking costs."""
TEMPLATE = Path(__file__).with_name("card.md")
"""The model card, with fields in braces."""


def confidence(reading: Reading) -> float:
    """How sure the reader is of an answer: the mean of its relevance logit and half its span score."""
    return 0.5 * reading.relevance_logit + 0.25 * max(reading.span_score, -40.0)


def write_weights(model: torch.nn.Module, tokenizer: Path, folder: Path, config: dict[str, Any]) -> None:
    """Write int8 weights, tokenizer and manifest; `config` needs layers, heads, epsilon and max_tokens."""
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

    @property
    def f1(self) -> float:
        """F1 against the closest accepted answer; against silence where there is none."""
        return token_f1(self.text, self.answers) if self.answers else float(not self.text)


def measure_reading(reader: Reader, data: ReadingData, questions: Sequence[Question]) -> dict[str, float]:
    """`reading_scores` of each question read against its own document, as sure as `confidence` says."""
    replies = []
    for question in questions:
        doc = data.documents[question.doc_id]
        [reading] = reader.read(question.text, [doc.text], [doc.title])
        marked = doc.text[reading.start : reading.end] if reading.best else ""
        replies.append(Reply(question.answers, marked, confidence(reading)))
    return reading_scores(replies)


def reading_scores(replies: Sequence[Reply]) -> dict[str, float]:
    """Token F1 on answerable questions, AUROC, and SQuAD 2.0 F1 on each half at the other half's best threshold."""
    answerable = [r for r in replies if r.answers]
    silent = [r for r in replies if not r.answers]
    even, odd = replies[::2], replies[1::2]
    crossed = f1_at(even, best_threshold(odd)) * len(even) + f1_at(odd, best_threshold(even)) * len(odd)
    return {
        "token_f1_answerable": float(np.mean([r.f1 for r in answerable])),
        "squad2_f1": crossed / len(replies),
        "auroc": float(auroc(_confidences(answerable), _confidences(silent))),
    }


def f1_at(replies: Sequence[Reply], threshold: float) -> float:
    """SQuAD 2.0 F1: below `threshold` the reader is silent, which is right where there is no answer."""
    scores = [r.f1 if r.confidence >= threshold else float(not r.answers) for r in replies]
    return float(np.mean(scores))


def best_threshold(replies: Sequence[Reply]) -> float:
    """The confidence at which `f1_at` is highest on `replies`."""
    ordered = sorted(replies, key=lambda r: -r.confidence)
    gains = [(r.f1 if r.answers else 0.0) - float(not r.answers) for r in ordered]
    cut = int(np.argmax([0.0, *np.cumsum(gains)]))
    if cut == 0:
        return float("inf")
    last = ordered[cut - 1].confidence
    return last if cut == len(ordered) else (last + ordered[cut].confidence) / 2.0


def _confidences(replies: Sequence[Reply]) -> Values:
    return np.array([reply.confidence for reply in replies])


def measure_reranking(
    reader: Reader,
    data: ReadingData,
    questions: Sequence[Question],
    embed: Embed,
) -> dict[str, float]:
    """hit@1 and MRR of BM25 + dense RRF over all squad2 paragraphs, before and after reading its top 12."""
    documents = [d for d in data.documents.values() if d.family == "squad2"]
    asked = [q for q in questions if q.answerable]
    search = keyword_index(documents)
    similarity = embed([q.text for q in asked]) @ embed([f"{d.title}\n{d.text}" for d in documents]).T
    reciprocal_ranks: dict[str, list[float]] = {"rrf": [], "read": []}
    for question, row in zip(asked, similarity, strict=True):
        dense = np.argsort(-row)[:100].tolist()
        top = [documents[p] for p in reciprocal_rank_fusion([search(question.text, 100), dense])[:RERANKED]]
        readings = reader.read(question.text, [d.text for d in top], [d.title for d in top])
        prices = [RANK_PRICE * place - confidence(reading) for place, reading in enumerate(readings)]
        for name, order in (("rrf", range(len(top))), ("read", np.argsort(prices, kind="stable"))):
            ids = [top[place].id for place in order]
            found = question.doc_id in ids
            reciprocal_ranks[name].append(1.0 / (1 + ids.index(question.doc_id)) if found else 0.0)
    scores = {f"recall_at_{RERANKED}": float(np.mean(np.array(reciprocal_ranks["rrf"]) > 0))}
    for name, ranks in reciprocal_ranks.items():
        scores |= {
            f"hit1_{name}": float(np.mean(np.array(ranks) == 1.0)),
            f"mrr_{name}": float(np.mean(ranks)),
        }
    return scores


def agreement(
    model: torch.nn.Module,
    encoder: PairEncoder,
    reader: Reader,
    data: ReadingData,
    questions: Sequence[Question],
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


def write_card(
    folder: Path,
    root: Path,
    data: ReadingData,
    training: dict[str, Any],
    measured: dict[str, dict[str, float]],
    notes: Sequence[str] = (),
) -> None:
    """Write the model card: data and licences, settings, held-out articles, metrics."""
    rows = []
    for name in SETS:
        count = sum(q.family == family_of(name) for q in data.train)
        source = (root / name / "SOURCE.md").read_text(encoding="utf-8").splitlines()
        licence = next((line.strip("- ") for line in source if "licence" in line.lower()), "")
        rows.append(f"| {name} | {count} | {licence} |")
    tables = []
    for part, scores in measured.items():
        tables += [f"### {part}", "", "| measure | value |", "|---|---|"]
        tables += [f"| {name} | {value:.3f} |" for name, value in scores.items()]
        tables.append("")
    card = TEMPLATE.read_text(encoding="utf-8").format(
        data="\n".join(rows),
        held_out=", ".join(data.held_out),
        questions=len(data.dev),
        settings="\n".join(f"- {name}: {value}" for name, value in training.items()),
        phases="\n".join(f"- until {until:.0%} of the run: {shares}" for until, shares in PHASES),
        notes="".join(f"\n- {note}" for note in notes),
        measured="\n".join(tables).strip(),
    )
    (folder / CARD).write_text(card, encoding="utf-8")
