"""Weight matrices in 8 bits: how they are rounded, and how a graph takes them.

The CPU plugin multiplies such matrices in integers where the processor can (VNNI): it rounds the other factor,
too, row by row, in stretches with a scale each. That is about twice as fast as float32, and far closer to it
than one scale for all the values would be.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from embeddings.runtime.openvino import STRETCH, import_openvino


class Rounded(NamedTuple):
    """A matrix w of shape (rows, columns) as w ≈ ``steps`` · ``scales``, each stretch of a row with its own scale.

    Attributes:
        steps: int8, |step| ≤ 127, shape (rows, columns).
        scales: float32, shape (rows, stretches of a row).
    """

    steps: NDArray[np.int8]
    scales: NDArray[np.float32]

    def unfolded(self) -> NDArray[np.float32]:
        """The float32 matrix that it stands for, shape (rows, columns)."""
        cut = self.steps.reshape(*self.scales.shape, -1).astype(np.float32)
        return np.asarray((cut * self.scales[..., None]).reshape(self.steps.shape), dtype=np.float32)

    def node(self) -> Any:
        """The matrix as an OpenVINO node, in the form that its CPU plugin multiplies as it is."""
        op = import_openvino().opset13
        rows, stretches = self.scales.shape
        if stretches == 1:
            return op.multiply(op.convert(op.constant(self.steps), np.float32), op.constant(self.scales))
        cut = op.constant(self.steps.reshape(rows, stretches, -1))
        whole = op.multiply(op.convert(cut, np.float32), op.constant(self.scales[..., None]))
        return op.reshape(whole, op.constant(np.array(self.steps.shape, dtype=np.int64)), False)


def rounded(matrix: NDArray[np.float32], stretch: int | None = None) -> Rounded:
    """Round a matrix of shape (rows, columns), to at most half a step off.

    Args:
        matrix: Any finite values.
        stretch: Weights of a row that share a scale; a whole row where left out or no divisor of its length.
    """
    rows, columns = matrix.shape
    cut = matrix.reshape(rows, -1, stretch if stretch and columns % stretch == 0 else columns)
    scales = np.maximum(np.abs(cut).max(axis=2), 1e-12).astype(np.float32) / 127.0
    steps = np.rint(cut / scales[..., None]).astype(np.int8)
    return Rounded(steps.reshape(rows, columns), scales)


def round_weights(model: Any) -> None:
    """Round, in place, each constant matrix of an OpenVINO model that activations are multiplied with."""
    for multiplication in model.get_ordered_ops():
        if multiplication.get_type_name() != "MatMul":
            continue
        weights = multiplication.input_value(1).get_node()
        if weights.get_type_name() == "Convert":
            weights = weights.input_value(0).get_node()
        by_rows = multiplication.get_attributes()["transpose_b"]
        if weights.get_type_name() == "Constant" and by_rows and len(weights.shape) == 2:
            matrix = np.asarray(weights.get_data(), dtype=np.float32)
            multiplication.input(1).replace_source_output(rounded(matrix, STRETCH).node().output(0))
    model.validate_nodes_and_infer_types()
