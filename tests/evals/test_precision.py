"""The comparison of the encoder with the same in float32."""

from __future__ import annotations

import numpy as np

from embeddings.encoding.tiny import TinyEncoder
from evals.dataset import Dataset
from evals.precision import compare


class Blurred(TinyEncoder):
    """Its passages are half noise."""

    def encode(self, texts):
        rows = super().encode(texts) + np.random.default_rng(0).normal(0, 1 / 8, (len(texts), self.dim))
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)

    def encode_queries(self, texts):
        return super().encode(texts)


def test_an_encoder_differs_in_nothing_from_itself():
    head, hits, gain, common = compare(Dataset.load(), TinyEncoder(), TinyEncoder())
    assert head.startswith("seeds: 1")
    assert head.endswith("5 articles")
    assert "+0.00 points (+0.00 – +0.00)" in hits
    assert "+0.00 points (+0.00 – +0.00)" in gain
    assert common == "  best 10 in common 1.000; cosine 1.00000, least 1.00000"


def test_a_worse_one_is_told_from_it():
    _, hits, gain, common = compare(Dataset.load(), TinyEncoder(), Blurred())
    assert "+0.00 points" not in hits
    assert " -" in gain, "fewer right articles come first"
    assert "cosine 0.6" in common or "cosine 0.7" in common
