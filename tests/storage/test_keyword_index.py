"""BM25 over passages: stemmed, folded, filtered, and deaf to query syntax."""

from datetime import date

import pytest

from qa.storage.keyword_index import KeywordIndex, Row
from qa.text.tokens import terms
from qa.types import Filters

ROWS = [
    Row(10**12, "Harbour | The Gull", "The ferries were running late.", (date(2020, 5, 5),), ("The Gull",)),
    Row(7, "Weather", "A ferry ran aground in fog.", (), (None,)),
    Row(9, "Markets", "检察长带队考察临安。Café prices rose.", (date(2021, 1, 1),), ("Wire",)),
]


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keywords")
    KeywordIndex.build(ROWS, folder)
    return KeywordIndex.open(folder)


def found(index, text, k=10, **filters):
    return index.search(text, k, Filters(**filters))[0].tolist()


def test_words_are_stemmed_and_folded(index):
    assert set(found(index, "ferry")) == {10**12, 7}
    assert found(index, "runs") == [10**12]
    assert found(index, "cafe") == [9]


def test_the_header_is_searched(index):
    assert found(index, "harbour") == [10**12]
    assert found(index, "gull") == [10**12]


def test_chinese_is_found_by_pairs_of_characters(index):
    assert found(index, "谁带队去临安？") == [9]
    assert found(index, "南陵") == []


@pytest.mark.parametrize(
    "query", ['"', "ferry:(", "body:ferry AND", "ferry~ [a TO b]", "^ferry\\", "/ferry/", "-ferry"]
)
def test_query_syntax_is_only_text(index, query):
    assert set(found(index, query)) in ({10**12, 7}, set())


def test_filters_apply_inside_the_search(index):
    assert found(index, "ferry", after="2020-05-05", before="2020-05-05") == [10**12]
    assert found(index, "ferry", after="2020-05-06") == []
    assert found(index, "ferry", sources=["the gull"]) == [10**12]
    assert found(index, "ferry cafe", k=1, sources=["WIRE"]) == [9]


def test_stop_words_count_only_where_nothing_else_is_asked(index):
    assert terms("Who was the captain of the ferry?") == ["captain", "ferri"]
    assert terms("Who was it?") != []


def test_nothing_in_nothing_out(index, tmp_path):
    assert found(index, "") == found(index, "?!") == found(index, "zebra") == []
    KeywordIndex.build([], tmp_path)
    assert found(KeywordIndex.open(tmp_path), "ferry") == []


def test_scores_fall_and_frequency_is_counted(index):
    ids, scores = index.search("ferry running late", 10, Filters())
    assert ids.tolist() == [10**12, 7]
    assert scores[0] > scores[1] > 0
    assert index.document_frequency("ferri") == 2
    assert index.document_frequency("zebra") == 0
