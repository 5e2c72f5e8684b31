"""Passages are runs of whole sentences within the budget, with exact offsets."""

import re
from itertools import pairwise

import hypothesis.strategies as st
import pytest
from hypothesis import given

from qa.text.chunking import TARGET_TOKENS, chunk
from qa.text.sentences import split
from qa.types import Article, header


def words(text: str) -> list[tuple[int, int]]:
    return [m.span() for m in re.finditer(r"\w+|[^\w\s]", text)]


def test_passages_are_whole_sentences_within_the_budget(seed_articles):
    for article in seed_articles.values():
        sentences = split(article.text)
        starts, ends = {a for a, _ in sentences}, {b for _, b in sentences}
        for start, end in chunk(article.text, words, 256):
            assert start in starts
            assert end in ends
            assert len(words(article.text[start:end])) <= TARGET_TOKENS


def test_every_sentence_lies_in_a_passage_and_neighbours_share_sentences(seed_articles):
    text = seed_articles["004"].text
    passages = chunk(text, words, 256)
    assert all(any(a <= s and e <= b for a, b in passages) for s, e in split(text))
    short = "The mayor spoke. " * 60
    overlapping = chunk(short, words, 256)
    assert all(b[0] < a[1] for a, b in pairwise(overlapping))


def test_a_small_window_makes_small_passages():
    text = "One two three four five six seven. " * 30
    assert max(len(words(text[a:b])) for a, b in chunk(text, words, 100)) <= 100 - 64 - 2


def test_a_sentence_longer_than_a_passage_is_cut_between_words():
    text = "word " * 1000
    passages = chunk(text, words, 256)
    assert all(set(text[a:b].split()) == {"word"} for a, b in passages)
    assert sum(len(text[a:b].split()) for a, b in passages) == 1000


@pytest.mark.parametrize("text", ["", " \n ", "x", "😀" * 500, "字" * 2000, "a" * 5000])
def test_odd_texts(text):
    passages = chunk(text, words, 256)
    assert bool(passages) == bool(text.strip())
    assert "".join(text[a:b] for a, b in passages) == text.strip()


@given(st.text(max_size=400))
def test_passages_lose_nothing_but_white_space(text):
    covered = set()
    for a, b in chunk(text, words, 80):
        assert 0 <= a < b <= len(text)
        covered.update(range(a, b))
    tokens = {i for a, b in words(text) for i in range(a, b)}
    assert tokens <= covered


def test_the_header_names_title_source_and_day(seed_articles):
    assert header(seed_articles["001"]).endswith(
        "Return to zero and restart cohesion | Wuhu City | 28 February 2024"
    )
    assert header(Article(id="x", text="y")) == ""
