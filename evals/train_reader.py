"""Trains the reader: one pass over (question, passage) for relevance, answer span and answerability.

    python -m evals.train_reader train --data DIR --out DIR --minutes 80
    python -m evals.train_reader export --data DIR --out DIR --weights embeddings/weights/reader

`train` continues from the checkpoint in --out if there is one. Only time spent in steps counts towards the
budget, so a paused process loses nothing, and the learning rate reaches zero exactly at its end.
"""

from __future__ import annotations

import json
import logging
import math
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

from evals import reader_data, reader_mining
from evals.reader_model import embed_texts, loss_of, pair_encoder, pretrained_folder, pretrained_model
from evals.reader_sampler import Example, Sampler

if TYPE_CHECKING:
    import torch

_log = logging.getLogger(__name__)
_KEPT_AT = 0.7
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
    relevance_weight: float = 1.0
    dropout: float = 0.0
    weight_decay: float = 0.01
    ema: float = 0.995
    seed: int = 3


def rate_at(progress: float, warmup: float) -> float:
    """Share of the peak learning rate: linear up to `warmup`, then linear down to zero at progress 1."""
    return min(progress / warmup, max(0.0, 1.0 - progress) / (1.0 - warmup))


def mined(data: reader_data.ReadingData, out: Path) -> dict[str, list[str]]:
    """Hard negatives, from the cache in `out` where it is of the same split."""
    path = out / "negatives.json"
    if path.exists():
        cached = json.loads(path.read_text(encoding="utf-8"))
        if cached["held_out"] == list(data.held_out):
            negatives: dict[str, list[str]] = cached["negatives"]
            return negatives
    _log.info("mining hard negatives")
    negatives = reader_mining.mine_negatives(data, embed_texts)
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

    def step(self, batch: Sequence[Example]) -> tuple[float, float]:
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

    def blend(self, path: Path) -> None:
        """Replaces the averaged weights by their mean with those of another `save`."""
        import torch

        other = torch.load(path, weights_only=True)["average"]
        self.average = {n: torch.lerp(p, other[n], 0.5) for n, p in self.average.items()}

    def use_average(self) -> torch.nn.Module:
        """The model with the averaged weights, for measuring and export."""
        self.model.load_state_dict(self.average, strict=False)
        return self.model.eval()


def train_loop(run: Run, batches: Iterator[list[Example]], out: Path, *, save_every: float = 300.0) -> None:
    """Steps until the budget is used up, saving every `save_every` seconds of stepping and at the end.

    The state at 70 % of the budget is kept as earlier.pt: averaged with the end, it reads unseen articles a little
    better than either (Wortsman et al. 2022, "Model soups").
    """
    saved = logged = run.seconds
    losses: list[tuple[float, float]] = []
    examples = 0
    earlier = run.progress
    run.model.train()
    while run.progress < 1.0:
        batch = next(batches)
        losses.append(run.step(batch))
        examples += len(batch)
        if not math.isfinite(sum(losses[-1])):
            raise click.ClickException(f"the loss is not finite at step {run.steps}: lower the learning rate")
        if run.steps % 50 == 0:
            span, relevance = np.mean(losses, axis=0)
            speed = examples / (run.seconds - logged)
            _log.info(
                "step %d, %.1f %%: span %.3f, relevance %.3f, %.1f examples/s",
                run.steps, 100 * run.progress, span, relevance, speed,
            )  # fmt: skip
            losses, examples, logged = [], 0, run.seconds
        if earlier < _KEPT_AT <= run.progress:
            run.save(out / "earlier.pt")
        earlier = run.progress
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
    sampler = Sampler(data, negatives, pair_encoder(), seed=seed + run.steps)
    train_loop(run, sampler.batches(size=training.batch, pool=12, progress=lambda: run.progress), out)


@main.command()
@click.option("--data", "root", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--out", type=click.Path(path_type=Path, exists=True), required=True, help="Folder of the run.")
@click.option("--weights", type=click.Path(path_type=Path), required=True, help="Folder to write.")
@click.option("--threads", default=2, show_default=True)
@click.option("--questions", default=0, help="Measure on so many questions only; 0 means all.")
@click.option("--measure/--no-measure", default=True, show_default=True)
@click.option(
    "--note", "notes", multiple=True, help="What the settings do not tell about the run; for the card."
)
def export(
    root: Path, out: Path, weights: Path, threads: int, questions: int, measure: bool, notes: tuple[str, ...]
) -> None:
    """Convert the run in --out, averaged with its earlier state; measure it and write the card."""
    import torch

    from embeddings.reader import Reader
    from evals import reader_export

    torch.set_num_threads(threads)
    training = json.loads((out / "training.json").read_text(encoding="utf-8"))
    run = Run(pretrained_model(0.0), Training(**training))
    run.restore(out / "checkpoint.pt")
    if (out / "earlier.pt").exists():
        run.blend(out / "earlier.pt")
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
    reader_export.write_card(weights, root, data, training, measured, notes)
    click.echo(json.dumps(measured, indent=1))


if __name__ == "__main__":
    main()
