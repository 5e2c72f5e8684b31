"""Fusion and search: exact scores, exactly k, filters before the cut."""

from itertools import pairwise

import numpy as np
import pytest

import qa
from qa.retrieval.fusion import fuse


def test_fusion_by_hand():
    """Two candidates are one deviation above and below their mean, whatever the scale of a score."""
    cosines, bm25 = np.array([[0.9, 0.1]], np.float32), np.array([[3.0, 7.0]], np.float32)
    fused = fuse(cosines, bm25, np.array([1.0], np.float32))
    assert fused == pytest.approx([0.6 * 1 + 0.4 * -1, 0.6 * -1 + 0.4 * 1])


def test_a_search_that_finds_nothing_has_no_say():
    cosines, bm25 = np.array([[0.9, 0.1]], np.float32), np.zeros((1, 2), np.float32)
    assert fuse(cosines, bm25, np.array([1.0], np.float32)) == pytest.approx([0.6, -0.6])


def test_texts_weigh_in_as_told():
    cosines = np.array([[0.9, 0.1], [0.1, 0.9]], np.float32)
    fused = fuse(cosines, np.zeros_like(cosines), np.array([1.0, 0.5], np.float32))
    assert fused == pytest.approx([0.6 * (1 - 0.5), -0.6 * (1 - 0.5)])


def test_search_returns_exactly_k_where_k_exist(archive, article):
    archive.add(article(f"n{i}", f"Report {i} on the harbour. " * 30) for i in range(40))
    archive.add(article("other", "A cat sat."))
    for k in (1, 10, 41, 100):
        hits = archive.search("harbour report", k=k)
        assert len(hits) == min(k, 41)
        assert [h.rank for h in hits] == list(range(1, len(hits) + 1))
        assert len({h.article_id for h in hits}) == len(hits)
        assert all(a.score >= b.score for a, b in pairwise(hits))


def test_filters_leave_exactly_what_matches(archive, article):
    archive.add(
        article(
            f"n{i}",
            f"The harbour in year {i}. " * 20,
            published=f"20{i:02}-06-01",
            source="Gull" if i % 2 else "Wire",
        )
        for i in range(20)
    )
    archive.add(article("undated", "The harbour."))
    hits = archive.search("harbour", k=50, filters=qa.Filters(after="2005", before="2008-06-01"))
    assert {h.article_id for h in hits} == {"n5", "n6", "n7", "n8"}
    hits = archive.search("harbour", k=3, filters=qa.Filters(sources=["gull"], after="2010"))
    assert len(hits) == 3
    assert all(int(h.article_id[1:]) % 2 and int(h.article_id[1:]) >= 10 for h in hits)
    assert archive.search("harbour", filters=qa.Filters(after="2050")) == []


def test_every_hit_is_a_slice_of_its_article(seed_archive):
    for hit in seed_archive.search("procuratorate work", k=5):
        passage = hit.passage
        assert seed_archive.get(hit.article_id).text[passage.start : passage.end] == passage.text == hit.text


@pytest.mark.parametrize("k", [0, -1])
def test_no_hits_asked_for(seed_archive, k):
    assert seed_archive.search("procuratorate", k=k) == []
