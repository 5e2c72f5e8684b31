"""Large indexes and those in several segments, against a full sort."""

import numpy as np
import pytest

from embeddings import IndexDamaged, SegmentedIndex, VectorIndex
from embeddings.index import build as index_build
from embeddings.index import vector_index as index
from tests.embeddings.test_vector_index import assert_exact, unit_rows

DIM = 32


def clustered(rng, count):
    """Vectors as texts have them: around some centres."""
    centres = unit_rows(rng, 40, DIM)
    rows = centres[rng.integers(0, 40, count)] + 0.15 * rng.standard_normal((count, DIM)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture
def large(tmp_path, monkeypatch):
    """An index of 9,000 vectors in the form of those with more than 200,000."""
    monkeypatch.setattr(index_build, "EXACT_UP_TO", 1000)
    monkeypatch.setattr(index, "SCAN_COSTS", 4)
    rng = np.random.default_rng(1)
    ids, vectors = np.arange(5, 27_005, 3), clustered(rng, 9000)
    VectorIndex.build(ids, vectors, tmp_path / "v")
    queries = vectors[::450] + 0.02 * rng.standard_normal((20, DIM)).astype(np.float32)
    return tmp_path / "v", ids, vectors, queries


def nearest(ids, vectors, queries, k):
    return ids[np.argsort(-(queries @ vectors.T), axis=1)[:, :k]]


def recall(found, expected):
    return np.mean(
        [len(set(a) & set(b)) / len(b) for a, b in zip(found.tolist(), expected.tolist(), strict=True)]
    )


def test_a_large_index_finds_nearly_all_there_is_to_find(large):
    path, ids, vectors, queries = large
    opened = VectorIndex.open(path)
    assert path.with_name(path.name + index_build.CANDIDATES_SUFFIX).exists()
    assert (len(opened), opened.dim) == (9000, DIM)
    found, scores = opened.search(queries, 10)
    assert found.shape == scores.shape == (20, 10)
    assert recall(found, nearest(ids, vectors, queries, 10)) >= 0.95
    own = dict(zip(ids.tolist(), vectors, strict=True))
    cosines = [[own[i] @ q for i in row] for row, q in zip(found.tolist(), queries, strict=True)]
    assert np.allclose(cosines, scores, atol=0.01)
    assert (np.diff(scores) <= 0).all()
    assert [len(set(row)) for row in found.tolist()] == [10] * 20


@pytest.mark.parametrize("k", [1, 700, 9000, 10_000])
def test_any_number_can_be_asked_of_a_large_index(large, k):
    path, ids, vectors, queries = large
    found, _ = VectorIndex.open(path).search(queries, k)
    assert found.shape == (20, min(k, 9000))
    assert recall(found, nearest(ids, vectors, queries, k)) >= 0.95


@pytest.mark.parametrize("share", [0.9, 0.5, 0.1, 0.01])
def test_a_large_index_searches_only_what_is_allowed(large, share):
    path, ids, vectors, queries = large
    rows = np.sort(np.random.default_rng(3).choice(9000, int(share * 9000), replace=False))
    found, _ = VectorIndex.open(path).search(queries, 20, ids[rows])
    assert found.shape == (20, 20)
    assert np.isin(found, ids[rows]).all()
    assert recall(found, nearest(ids[rows], vectors[rows], queries, 20)) >= 0.95


def test_a_large_index_finds_nothing_among_what_it_does_not_hold(large):
    path, _, _, queries = large
    assert VectorIndex.open(path).search(queries, 20, np.array([1, 2]))[0].shape == (20, 0)


@pytest.mark.parametrize("share", [0.05, 0.6, 0.999])
def test_what_is_gone_is_not_found(large, share):
    path, ids, vectors, queries = large
    near = np.argsort(-(queries[:1] @ vectors.T))[0]
    gone = np.sort(ids[near[: int(share * 9000)]])
    opened = VectorIndex.open(path, gone=gone)
    kept = ~np.isin(ids, gone)
    assert len(opened) == kept.sum()
    assert opened.ids.tolist() == ids[kept].tolist()
    found, _ = opened.search(queries, 5)
    assert found.shape == (20, 5)
    assert not np.isin(found, gone).any()
    assert recall(found, nearest(ids[kept], vectors[kept], queries, 5)) >= 0.9


@pytest.mark.parametrize("name", ["v", "v.pq"])
@pytest.mark.parametrize("how", ["missing", "short", "header", "codes"])
def test_damage_to_either_file_of_a_large_index_is_reported(large, name, how):
    path = large[0].with_name(name)
    whole = path.read_bytes()
    if how == "missing":
        path.unlink()
    else:
        at = 20 if how == "header" else len(whole) // 2
        path.write_bytes(whole[:at] + (b"" if how == "short" else bytes([whole[at] ^ 1])) + whole[at + 1 :])
    with pytest.raises(IndexDamaged, match="Build it again"):
        VectorIndex.open(large[0])


def test_a_dimension_that_no_codes_fit_is_scanned(tmp_path, monkeypatch):
    monkeypatch.setattr(index_build, "EXACT_UP_TO", 10)
    rng = np.random.default_rng(2)
    vectors = unit_rows(rng, 50, 7)
    VectorIndex.build(np.arange(50), vectors, tmp_path / "v")
    opened = VectorIndex.open(tmp_path / "v")
    assert [file.name for file in tmp_path.iterdir()] == ["v"]
    assert_exact(opened, np.arange(50), vectors, vectors[:4], 5)


def test_batches_must_ascend_and_be_as_many_as_was_said(tmp_path):
    rows = np.eye(4, dtype=np.float32)
    given = {"dim": 4, "sample": lambda n: rows}
    one, two = (np.arange(2), rows[:2]), (np.arange(1, 3), rows[:2])
    with pytest.raises(ValueError, match="do not ascend"):
        index_build.write_index([one, two], tmp_path / "v", count=4, **given)
    with pytest.raises(ValueError, match="2 vectors came instead of 3"):
        index_build.write_index([one], tmp_path / "v", count=3, **given)
    assert list(tmp_path.iterdir()) == []


# -- segments ------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(8))
def test_segments_find_what_one_index_finds(tmp_path, seed):
    rng = np.random.default_rng(seed)
    count = int(rng.integers(3, 500))
    ids = np.sort(rng.choice(10 * count, count, replace=False)).astype(np.int64)
    vectors = unit_rows(rng, count, 16)
    if seed % 2:
        vectors[rng.integers(0, count, count // 2)] = vectors[0]  # ties, within segments and between them
    gone = np.sort(rng.choice(ids, count // 4, replace=False))
    kept = ~np.isin(ids, gone)
    cuts = np.sort(rng.integers(0, count, 3))
    segments = []
    for n, rows in enumerate(np.split(np.arange(count), cuts)):
        VectorIndex.build(ids[rows], vectors[rows], tmp_path / str(n))
        segments.append(VectorIndex.open(tmp_path / str(n), gone=gone))
    whole = SegmentedIndex(segments, 16)
    assert len(whole) == kept.sum()
    assert whole.ids_between(ids[0], ids[-1]).tolist() == ids[kept].tolist()
    assert whole.ids_between(ids[1], ids[-2]).tolist() == [
        i for i in ids[1:-1].tolist() if i in set(ids[kept].tolist())
    ]
    queries = np.concatenate([unit_rows(rng, 4, 16), vectors[:1]])
    for k in (0, 1, 7, count):
        assert_exact(whole, ids[kept], vectors[kept], queries, k)
        assert_exact(whole, ids[kept], vectors[kept], queries, k, rng.permutation(ids)[: count // 2])


def test_no_segments_find_nothing():
    none = SegmentedIndex([], 8)
    found, scores = none.search(np.ones((2, 8), np.float32), 5)
    assert (len(none), found.shape, scores.shape) == (0, (2, 0), (2, 0))
    assert none.ids_between(0, 9).tolist() == []
    assert (found.dtype, scores.dtype) == (np.int64, np.float32)


def test_a_scan_takes_over_where_codes_would_save_nothing(large, monkeypatch):
    path, ids, vectors, queries = large
    monkeypatch.setattr(index, "K_FACTOR", 10_000)
    found, _ = VectorIndex.open(path).search(queries, 10)
    assert recall(found, nearest(ids, vectors, queries, 10)) >= 0.97
