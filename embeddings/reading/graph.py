"""The reader's network as an OpenVINO graph, built from its stored weights.

Two-dimensional weights are stored as int8 rows with one float32 scale a row (``name`` and ``name.scale``), and
multiplied as such (:mod:`embeddings.runtime.int8`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from embeddings.runtime.int8 import Rounded, rounded
from embeddings.runtime.openvino import import_openvino

if TYPE_CHECKING:
    import openvino as ov

SCALE = ".scale"
"""Ends the name of the scales of a rounded weight."""


@dataclass(frozen=True)
class Shape:
    """The sizes of a BERT encoder that its weights do not tell.

    Attributes:
        layers: Transformer layers.
        heads: Attention heads in a layer.
        epsilon: Added to the variance in layer norms.
    """

    layers: int
    heads: int
    epsilon: float


def pack(weights: Mapping[str, NDArray[np.float32]]) -> dict[str, NDArray[Any]]:
    """Round each matrix to int8 by rows; vectors stay float32."""
    packed: dict[str, NDArray[Any]] = {}
    for name, weight in weights.items():
        if weight.ndim != 2:
            packed[name] = weight.astype(np.float32)
            continue
        packed[name], scales = rounded(weight)
        packed[name + SCALE] = scales[:, 0]
    return packed


def unfolded(packed: Mapping[str, NDArray[Any]], name: str) -> NDArray[np.float32]:
    """The float32 weight that `pack` stored under `name`."""
    return _matrix(packed, name).unfolded() if name + SCALE in packed else packed[name]


def _matrix(packed: Mapping[str, NDArray[Any]], name: str) -> Rounded:
    return Rounded(packed[name], packed[name + SCALE][:, None])


def build(packed: Mapping[str, NDArray[Any]], shape: Shape) -> ov.Model:
    """Build the graph from packed weights; word embeddings stay int8 and are unfolded as they are looked up.

    Inputs, each (batch, length): ``ids`` and ``types`` int32, ``mask`` float32, 1 where there is a token.
    Outputs: ``span`` (batch, length, 2), start and end logits, not masked; ``relevance`` (batch,), logits.
    """
    ov = import_openvino()
    from openvino import opset13 as op

    def constant(value: NDArray[Any] | float | list[int], kind: type = np.float32) -> Any:
        return op.constant(np.asarray(value, dtype=kind))

    def weight(name: str) -> Any:
        return constant(unfolded(packed, name))

    def linear(node: Any, name: str) -> Any:
        product = op.matmul(node, _matrix(packed, f"{name}.weight").node(), False, True)
        return op.add(product, weight(f"{name}.bias"))

    def norm(node: Any, name: str) -> Any:
        centred = op.mvn(node, constant([-1], np.int64), True, shape.epsilon, "inside_sqrt")
        return op.add(op.multiply(centred, weight(f"{name}.weight")), weight(f"{name}.bias"))

    def split_heads(node: Any) -> Any:
        parts = op.reshape(node, constant([0, 0, shape.heads, -1], np.int64), True)
        return op.transpose(parts, constant([0, 2, 1, 3], np.int64))

    ids = op.parameter([-1, -1], np.int32, name="ids")
    types = op.parameter([-1, -1], np.int32, name="types")
    mask = op.parameter([-1, -1], np.float32, name="mask")
    first_axis, second_axis = constant(0, np.int64), constant([1], np.int64)
    zero, one = constant([0], np.int64), constant([1], np.int64)

    length = op.gather(op.shape_of(ids), one, first_axis)
    vocabulary = "encoder.embeddings.word_embeddings.weight"
    rows = op.gather(constant(packed[vocabulary], np.int8), ids, first_axis)
    scales = op.gather(constant(packed[vocabulary + SCALE]), ids, first_axis)
    words = op.multiply(op.convert(rows, np.float32), op.unsqueeze(scales, constant([2], np.int64)))
    sides = op.gather(weight("encoder.embeddings.token_type_embeddings.weight"), types, first_axis)
    places = op.slice(weight("encoder.embeddings.position_embeddings.weight"), zero, length, one, zero)
    hidden = norm(op.add(op.add(words, sides), places), "encoder.embeddings.LayerNorm")
    away = op.multiply(op.subtract(mask, constant(1.0)), constant(1e4))
    away = op.unsqueeze(away, constant([1, 2], np.int64))
    for layer in range(shape.layers):
        name = f"encoder.encoder.layer.{layer}"
        query, key, value = (
            split_heads(linear(hidden, f"{name}.attention.self.{part}")) for part in ("query", "key", "value")
        )
        seen = op.scaled_dot_product_attention(query, key, value, away)
        joined = op.reshape(
            op.transpose(seen, constant([0, 2, 1, 3], np.int64)), constant([0, 0, -1], np.int64), True
        )
        hidden = norm(
            op.add(hidden, linear(joined, f"{name}.attention.output.dense")),
            f"{name}.attention.output.LayerNorm",
        )
        inner = op.gelu(linear(hidden, f"{name}.intermediate.dense"), "erf")
        hidden = norm(op.add(hidden, linear(inner, f"{name}.output.dense")), f"{name}.output.LayerNorm")

    span = linear(hidden, "span")
    there = op.unsqueeze(mask, constant([2], np.int64))
    total = op.reduce_sum(op.multiply(hidden, there), second_axis)
    mean = op.divide(total, op.reduce_sum(there, second_axis))
    whole = op.squeeze(op.slice(hidden, zero, one, one, one), second_axis)
    pooled = op.tanh(linear(op.concat([whole, mean], -1), "pool"))
    relevance = op.squeeze(linear(pooled, "relevance"), second_axis)
    results = [op.result(span, name="span"), op.result(relevance, name="relevance")]
    return ov.Model(results, [ids, types, mask], "reader")
