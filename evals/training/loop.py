"""A training run of the reader: its settings, its state, and the steps until the last one."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

from evals.training.data import SPLIT_SEED, Embed, ReadingData, mine_negatives
from evals.training.model import exported, loss_of
from evals.training.sampler import Example

if TYPE_CHECKING:
    import torch

_log = logging.getLogger(__name__)
CHECKPOINT, EARLIER = "checkpoint.pt", "earlier.pt"
KEPT_AT = 0.7
"""Share of the steps after which the weights are kept beside those of the end."""


@dataclass(frozen=True)
class Training:
    """What a run depends on besides its data.

    Attributes:
        steps: updates of the weights.
        batch: examples in a step.
        rate: peak learning rate of the encoder.
        head_rate: peak learning rate of the fresh heads.
        warmup: fraction of the steps until the peak.
        relevance_weight: weight of the relevance loss beside the span loss.
        dropout: of the encoder's hidden states.
        ema: decay of the averaged weights per step.
        seed: of the split, the stream of examples and the fresh weights.
        stream: added to the seed of the stream alone: another number, other examples of the same split.
    """

    steps: int = 4400
    batch: int = 16
    rate: float = 1.5e-4
    head_rate: float = 5e-4
    warmup: float = 0.04
    relevance_weight: float = 1.0
    dropout: float = 0.1
    weight_decay: float = 0.01
    ema: float = 0.995
    seed: int = SPLIT_SEED
    stream: int = 0


def rate_at(progress: float, warmup: float) -> float:
    """Share of the peak learning rate: linear up to `warmup`, then linear down to zero at progress 1."""
    return min(progress / warmup, max(0.0, 1.0 - progress) / (1.0 - warmup))


def mined(data: ReadingData, out: Path, embed: Embed) -> dict[str, list[str]]:
    """Hard negatives, from the file in `out` if it is of the same split."""
    path = out / "negatives.json"
    if path.exists():
        cached = json.loads(path.read_text(encoding="utf-8"))
        if cached["held_out"] == list(data.held_out):
            negatives: dict[str, list[str]] = cached["negatives"]
            return negatives
    _log.info("mining hard negatives")
    negatives = mine_negatives(data, embed)
    path.write_text(json.dumps({"held_out": data.held_out, "negatives": negatives}), encoding="utf-8")
    return negatives


class Run:
    """A training run: model, averaged weights, optimizer and the steps it has done."""

    def __init__(self, model: torch.nn.Module, training: Training) -> None:
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
        self.steps = 0

    @property
    def progress(self) -> float:
        """Share of the steps that are done."""
        return self.steps / self.training.steps

    def step(self, batch: Sequence[Example]) -> tuple[float, float]:
        """One update; returns the span and the relevance loss."""
        import torch

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
        return span.item(), relevance.item()

    def save(self, path: Path) -> None:
        """Write the whole state to a file beside, then move that file to its place."""
        import torch

        state = {
            "model": self.model.state_dict(),
            "average": self.average,
            "optimizer": self.optimizer.state_dict(),
            "steps": self.steps,
        }
        aside = path.with_suffix(".tmp")
        torch.save(state, aside)
        aside.replace(path)

    def restore(self, path: Path) -> None:
        """Continue from what `save` wrote; only tensors are loaded, never code."""
        import torch

        state = torch.load(path, weights_only=True)
        self.model.load_state_dict(state["model"])
        self.average = state["average"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.steps = state["steps"]

    def start_from(self, folder: Path) -> None:
        """Begin with the weights that `export` wrote to `folder`."""
        import torch

        stored = exported(folder)
        self.average = {n: torch.from_numpy(stored[n]) for n in self.average}
        self.model.load_state_dict(self.average, strict=False)

    def restore_average(self, folder: Path) -> None:
        """Read the averaged weights of a run: the mean of its end and its earlier state."""
        import torch

        states = [folder / CHECKPOINT, folder / EARLIER]
        read = [torch.load(path, weights_only=True)["average"] for path in states if path.exists()]
        self.average = {n: torch.stack([r[n] for r in read]).mean(0) for n in read[0]}

    def use_average(self) -> torch.nn.Module:
        """The model with the averaged weights, for measuring and export."""
        self.model.load_state_dict(self.average, strict=False)
        return self.model.eval()


def train_loop(run: Run, batches: Iterator[list[Example]], out: Path, *, save_every: int = 200) -> None:
    """Steps until the last one, saving every `save_every` steps and at the end.

    The weights that the run began with, or those at 70 % of the steps, are kept: averaged with the end, they read
    unseen articles better than either (Wortsman et al. 2022, "Robust fine-tuning of zero-shot models").
    """
    kept_at = round(KEPT_AT * run.training.steps)
    losses: list[tuple[float, float]] = []
    examples, since = 0, time.monotonic()
    run.model.train()
    while run.progress < 1.0:
        batch = next(batches)
        losses.append(run.step(batch))
        examples += len(batch)
        if not math.isfinite(sum(losses[-1])):
            raise click.ClickException(f"the loss is not finite at step {run.steps}: lower the learning rate")
        if run.steps % 50 == 0:
            span, relevance = np.mean(losses, axis=0)
            speed = examples / (time.monotonic() - since)
            _log.info(
                "step %d, %.1f %%: span %.3f, relevance %.3f, %.1f examples/s",
                run.steps, 100 * run.progress, span, relevance, speed,
            )  # fmt: skip
            losses, examples, since = [], 0, time.monotonic()
        if run.steps == kept_at and not (out / EARLIER).exists():
            run.save(out / EARLIER)
        if run.steps % save_every == 0:
            run.save(out / CHECKPOINT)
    run.save(out / CHECKPOINT)
