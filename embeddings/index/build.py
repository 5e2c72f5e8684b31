"""Writing a vector index: every vector, batch by batch, in the form that its number asks for.

Up to ``EXACT_UP_TO`` vectors are stored as float16 and scanned. More are stored as bytes (SQ8), and a second
file holds codes of 4 bits for every 4 dimensions (PQ fast scan), by which candidates are found first.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embeddings.index.index_file import import_faiss, sync_folder, write_sealed

EXACT_UP_TO = 50_000
"""Vectors of an index that is scanned exactly, in 2 ms; twice as many took 5 to 9 ms, by their codes less than one."""
TRAINED_ON = 16_384
"""Vectors that the codes of a larger one are trained on."""
CANDIDATES_SUFFIX = ".pq"
_ROWS = 16_384
_DIMS_PER_CODE, _CODE_BITS = 4, 4

Batches = Iterable[tuple[NDArray[np.int64], NDArray[Any]]]


def write_index(
    batches: Batches, path: Path, *, count: int, dim: int, sample: Callable[[int], NDArray[Any]]
) -> None:
    """Publish an index file at ``path``; one already there is replaced in one step.

    Args:
        batches: Ids (n,) and vectors (n, dim), finite, the ids ascending throughout.
        path: The file; its folder must exist.
        count: How many vectors there are in all.
        dim: Length of a vector.
        sample: Returns about as many of the vectors as it is told to, at random.

    Raises:
        ValueError: The ids do not ascend, the count is wrong, or a number does not fit float16.
        OSError: A file cannot be written.
    """
    exact = count <= EXACT_UP_TO or dim % _DIMS_PER_CODE != 0
    faiss = import_faiss()
    kind = faiss.ScalarQuantizer.QT_fp16 if exact else faiss.ScalarQuantizer.QT_8bit
    quantizer = faiss.IndexScalarQuantizer(dim, kind, faiss.METRIC_INNER_PRODUCT)
    indexes = [faiss.IndexIDMap(quantizer)]
    if not exact:
        codes = dim // _DIMS_PER_CODE
        indexes.append(faiss.IndexPQFastScan(dim, codes, _CODE_BITS, faiss.METRIC_INNER_PRODUCT))
        learned = _finite(sample(TRAINED_ON))
        for index in indexes:
            index.train(learned)
    for ids, rows in _checked(batches):
        indexes[0].add_with_ids(rows, ids)
        for index in indexes[1:]:
            index.add(rows)
    if indexes[0].ntotal != count:
        raise ValueError(f"{indexes[0].ntotal} vectors came instead of {count}")
    path = Path(path)
    for index in reversed(indexes):  # the file that is opened first comes last
        stored = index is indexes[0]
        _publish(
            index,
            path if stored else path.with_name(path.name + CANDIDATES_SUFFIX),
            codes=count * quantizer.sq.code_size if stored else index.codes.size(),
            tail=8 + 8 * count if stored else 0,
        )


def _publish(index: Any, path: Path, **parts: int) -> None:
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        write_sealed(index, aside, **parts)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    sync_folder(path.parent)


def _checked(batches: Batches) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    last: int | None = None
    for ids, vectors in batches:
        if len(ids) and ((ids[1:] <= ids[:-1]).any() or (last is not None and ids[0] <= last)):
            raise ValueError("the ids do not ascend")
        last = int(ids[-1]) if len(ids) else last
        for start in range(0, len(ids), _ROWS):
            yield ids[start : start + _ROWS], _finite(vectors[start : start + _ROWS])


def _finite(vectors: NDArray[Any]) -> NDArray[np.float32]:
    """Round to float16 as NumPy does (to even; FAISS rounds halves away from zero)."""
    with np.errstate(over="ignore"):
        rows = np.ascontiguousarray(vectors.astype(np.float16).astype(np.float32))
    if not np.isfinite(rows).all():
        raise ValueError("a vector holds a number that is not finite or does not fit float16")
    return rows
