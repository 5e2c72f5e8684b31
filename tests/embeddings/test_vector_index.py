"""The vector index against a NumPy oracle: the same ids and scores, whatever is asked."""

import threading

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import embeddings
from embeddings import IndexDamaged, VectorIndex
from embeddings.index import build as index_build

ROUNDING = 2e-6  # float32 sums of at most 96 products, in another order
BIG = 2**40


def unit_rows(rng, count, dim):
    rows = rng.standard_normal((count, dim)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def oracle_scores(vectors, queries):
    return queries @ vectors.astype(np.float16).astype(np.float32).T


def assert_exact(index, ids, vectors, queries, k, allowed=None):
    """Compare with a full sort; where scores are equal but for rounding, either order will do."""
    found, scores = index.search(queries, k, allowed)
    keep = np.ones(len(ids), bool) if allowed is None else np.isin(ids, allowed)
    candidates, expected = ids[keep], oracle_scores(vectors, queries)[:, keep]
    width = min(k, len(candidates))
    assert found.shape == scores.shape == (len(queries), width)
    assert found.dtype == np.int64
    assert scores.dtype == np.float32
    for row in range(len(queries)):
        by_id = dict(zip(candidates.tolist(), expected[row], strict=True))
        best = np.sort(expected[row])[::-1][:width]
        assert len(set(found[row].tolist())) == width
        assert np.allclose(scores[row], best, atol=ROUNDING)
        assert np.allclose([by_id[i] for i in found[row].tolist()], scores[row], atol=ROUNDING)
        assert (np.diff(scores[row]) <= 0).all()
        equal = np.diff(scores[row]) == 0
        assert (np.diff(found[row])[equal] > 0).all()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "vectors.faiss"


@pytest.mark.parametrize("seed", range(12))
def test_finds_what_a_full_sort_finds(path, seed):
    rng = np.random.default_rng(seed)
    count, dim = int(rng.integers(1, 400)), int(rng.integers(1, 97))
    ids = rng.choice(10 * count, count, replace=False).astype(np.int64) + BIG * (seed % 2)
    vectors = unit_rows(rng, count, dim)
    if seed % 3 == 0:
        vectors[rng.integers(0, count, count // 2)] = vectors[0]  # many ties
    VectorIndex.build(ids, vectors if seed % 4 else vectors.astype(np.float16), path)
    index = VectorIndex.open(path)
    assert (len(index), index.dim) == (count, dim)
    queries = np.concatenate([unit_rows(rng, 5, dim), vectors[:1]])
    for k in (1, 3, count, count + 7):
        assert_exact(index, ids, vectors, queries, k)
        assert_exact(index, ids, vectors, queries, k, rng.choice(ids, count // 2 + 1))
        assert_exact(index, ids, vectors, queries, k, ids[:1])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_ids_any_filter_any_k(path, data):
    small = st.integers(-5, 40)
    ids = np.array(
        data.draw(st.lists(st.one_of(small, st.integers(-(2**63), 2**63 - 1)), unique=True, max_size=30)),
        dtype=np.int64,
    )
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    dim = data.draw(st.integers(1, 9))
    vectors = rng.integers(-2, 3, (len(ids), dim)).astype(np.float32)  # exact in float16: ties are exact
    VectorIndex.build(ids, vectors, path)
    index = VectorIndex.open(path)
    queries = rng.integers(-2, 3, (3, dim)).astype(np.float32)
    k = data.draw(st.integers(0, 35))
    allowed = data.draw(
        st.none() | st.lists(st.one_of(small, st.sampled_from(ids.tolist() or [0]))).map(np.array)
    )
    found, scores = index.search(queries, k, allowed)
    keep = np.ones(len(ids), bool) if allowed is None else np.isin(ids, allowed.astype(np.int64))
    candidates, expected = ids[keep], (queries @ vectors.T)[:, keep]
    order = np.array([np.lexsort((candidates, -row)) for row in expected], dtype=np.int64)[:, :k]
    assert found.tolist() == candidates[order].tolist()
    assert scores.tolist() == np.take_along_axis(expected, order, 1).tolist()


def test_ties_break_by_id_across_the_cut(path):
    vectors = np.tile(np.float32([[0.6, 0.8]]), (500, 1))
    ids = np.random.default_rng(0).permutation(500).astype(np.int64)
    VectorIndex.build(ids, vectors, path)
    found, _ = VectorIndex.open(path).search(np.float32([[1, 0]]), 7)
    assert found.tolist() == [[0, 1, 2, 3, 4, 5, 6]]
    found, _ = VectorIndex.open(path).search(np.float32([[1, 0]]), 3, np.arange(100, 500))
    assert found.tolist() == [[100, 101, 102]]


def test_an_empty_index_finds_nothing(path):
    VectorIndex.build(np.empty(0, np.int64), np.empty((0, 8), np.float32), path)
    index = VectorIndex.open(path)
    found, scores = index.search(np.ones((2, 8), np.float32), 5)
    assert (len(index), index.dim, found.shape, scores.shape) == (0, 8, (2, 0), (2, 0))
    assert index.search(np.ones((2, 8), np.float32), 5, np.array([1]))[0].shape == (2, 0)


def test_no_queries_no_allowed_ids_and_k_zero_give_empty_results(path):
    VectorIndex.build(np.arange(4), np.eye(4, dtype=np.float32), path)
    index = VectorIndex.open(path)
    assert index.search(np.empty((0, 4), np.float32), 3)[0].shape == (0, 3)
    assert index.search(np.eye(4, dtype=np.float32), 3, np.array([], np.int64))[0].shape == (4, 0)
    assert index.search(np.eye(4, dtype=np.float32), 3, np.array([77, -1]))[0].shape == (4, 0)
    assert index.search(np.eye(4, dtype=np.float32), 0)[0].shape == (4, 0)


def test_accepts_strided_arrays_and_other_integer_types(path):
    rng = np.random.default_rng(1)
    wide = unit_rows(rng, 40, 16)
    ids = np.arange(80, dtype=np.int32)[::2]
    VectorIndex.build(ids, wide[:, ::2], path)
    found, _ = VectorIndex.open(path).search(np.asfortranarray(wide[:, ::2]), 1)
    own = oracle_scores(wide[:, ::2], wide[:, ::2])
    assert found[:, 0].tolist() == ids[own.argmax(axis=1)].tolist()


@pytest.mark.parametrize(
    ("ids", "vectors", "message"),
    [
        ([1, 2, 1], np.eye(3, dtype=np.float32), "id 1 occurs more than once"),
        ([1, 2], np.eye(3, dtype=np.float32), "3 vectors need as many ids"),
        ([1, 2, 3], np.eye(3), "float32 or float16, not float64"),
        ([1.0, 2.0, 3.0], np.eye(3, dtype=np.float32), "ids must be int64, not float64"),
        ([1, 2, 2**63], np.eye(3, dtype=np.float32), "ids must be int64"),
        ([1], np.float32([[np.nan]]), "not finite"),
        ([1], np.float32([[70000]]), "does not fit float16"),
        ([1], np.float32([1]), "shape"),
        ([1], np.empty((1, 0), np.float32), "shape"),
    ],
)
def test_refuses_what_cannot_be_indexed_and_leaves_nothing_behind(path, ids, vectors, message):
    with pytest.raises(ValueError, match=message):
        VectorIndex.build(np.array(ids), vectors, path)
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("queries", "k", "allowed", "message"),
    [
        (np.ones(4, np.float32), 1, None, "do not fit"),
        (np.ones((1, 5), np.float32), 1, None, "do not fit"),
        (np.float32([[np.nan] * 4]), 1, None, "not finite"),
        (np.ones((1, 4), np.float32), -1, None, "negative"),
        (np.ones((1, 4), np.float32), 1, np.ones((1, 1), np.int64), "one row"),
        (np.ones((1, 4), np.float32), 1, np.array([0.5]), "int64"),
    ],
)
def test_refuses_what_cannot_be_searched(path, queries, k, allowed, message):
    VectorIndex.build(np.arange(4), np.eye(4, dtype=np.float32), path)
    with pytest.raises(ValueError, match=message):
        VectorIndex.open(path).search(queries, k, allowed)


def test_publishing_again_leaves_open_readers_their_version(path):
    VectorIndex.build(np.array([1]), np.float32([[1, 0]]), path)
    old = VectorIndex.open(path)
    VectorIndex.build(np.array([2]), np.float32([[1, 0]]), path)
    assert old.search(np.float32([[1, 0]]), 1)[0].tolist() == [[1]]
    assert VectorIndex.open(path).search(np.float32([[1, 0]]), 1)[0].tolist() == [[2]]
    assert list(path.parent.iterdir()) == [path]


def test_a_closed_index_says_so(path):
    VectorIndex.build(np.arange(2), np.eye(2, dtype=np.float32), path)
    index = VectorIndex.open(path)
    index.close()
    index.close()
    with pytest.raises(ValueError, match="closed"):
        index.search(np.eye(2, dtype=np.float32), 1)


def test_threads_search_at_once_and_the_thread_count_is_put_back(path):
    import faiss

    rng = np.random.default_rng(2)
    vectors = unit_rows(rng, 2000, 32)
    VectorIndex.build(np.arange(2000), vectors, path)
    index = VectorIndex.open(path)
    expected = index.search(vectors[:50], 5)[0].tolist()
    results = []

    def search():
        faiss.omp_set_num_threads(2)
        results.append(index.search(vectors[:50], 5, threads=1)[0].tolist())
        results.append(faiss.omp_get_max_threads())

    threads = [threading.Thread(target=search) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [r for r in results if r == expected] == [expected] * 4
    assert [r for r in results if r != expected] == [2] * 4


def built(path, count=60, dim=12):
    rng = np.random.default_rng(3)
    VectorIndex.build(np.arange(count), unit_rows(rng, count, dim), path)
    return path.read_bytes()


def assert_damaged(path):
    with pytest.raises(IndexDamaged, match="Build it again"):
        VectorIndex.open(path)


def test_a_missing_file_or_a_folder_is_reported(path):
    assert_damaged(path)
    path.mkdir()
    assert_damaged(path)


def test_a_file_cut_short_or_grown_anywhere_is_reported(path):
    whole = built(path)
    for size in [0, 1, 4, 60, 126, len(whole) // 2, len(whole) - 130, len(whole) - 1]:
        path.write_bytes(whole[:size])
        assert_damaged(path)
    path.write_bytes(whole + b"\0")
    assert_damaged(path)


def test_a_changed_byte_anywhere_is_reported(path):
    whole = built(path)
    for place in range(0, len(whole), 13):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x40]) + whole[place + 1 :])
        assert_damaged(path)


@pytest.mark.parametrize("seed", range(20))
def test_noise_is_reported_and_never_crashes(path, seed):
    rng = np.random.default_rng(seed)
    whole = bytearray(built(path))
    start = int(rng.integers(0, len(whole) - 64)) if seed % 2 else 0
    length = int(rng.integers(8, 400))
    whole[start : start + length] = rng.bytes(length)
    path.write_bytes(bytes(whole))
    assert_damaged(path)


def test_a_damaged_header_is_reported_even_where_the_vectors_are_not_checked(path, monkeypatch):
    monkeypatch.setattr(index_build, "_CHECKED_BYTES", 0)
    whole = built(path)
    for place in [0, 4, 8, 20, 40, 60, 100, 117, len(whole) - 590, len(whole) - 200]:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert_damaged(path)


def test_a_sound_file_of_another_kind_is_reported(path):
    import faiss

    faiss.write_index(faiss.IndexFlatL2(4), str(path))
    assert_damaged(path)
    path.write_text("not an index" * 50)
    assert_damaged(path)


def test_the_errors_are_of_one_family():
    assert issubclass(IndexDamaged, embeddings.EmbeddingError)


def test_readers_never_see_a_half_published_file(path):
    rng = np.random.default_rng(4)
    versions = [unit_rows(rng, count, 8) for count in (3, 40, 700)]
    VectorIndex.build(np.arange(3), versions[0], path)
    failures = []

    def read():
        for _ in range(60):
            try:
                found, _ = (index := VectorIndex.open(path)).search(versions[0], 3)
                assert len(index) in (3, 40, 700)
                assert found.shape == (3, 3)
            except (IndexDamaged, AssertionError) as error:
                failures.append(error)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for turn in range(40):
        vectors = versions[turn % 3]
        VectorIndex.build(np.arange(len(vectors)), vectors, path)
    for reader in readers:
        reader.join()
    assert failures == []
