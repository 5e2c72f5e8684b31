"""Words for other words, from a WordNet of a few synsets in its own file format (man 5 wndb)."""

import click
import pytest

from evals.reader_words import Words

LICENCE = "  1 This software and database is being provided to you.\n"
FILES = {
    "index.noun": """
        day n 1 1 @ 1 1 00000001
        night n 1 1 @ 1 1 00000002
        eventide n 1 1 @ 1 0 00000003
        dusk n 1 1 @ 1 1 00000003
        twilight n 1 1 @ 1 1 00000003
    """,
    "data.noun": """
        00000001 28 n 01 day 0 001 @ 00000009 n 0000 | time of light
        00000002 28 n 01 night 0 001 @ 00000009 n 0000 | time of dark
        00000003 28 n 03 dusk 0 twilight 0 eventide 0 001 @ 00000009 n 0000 | the time between
        00000009 28 n 01 time_of_day 0 000 | clock time
    """,
    "index.verb": "win v 1 1 ! 1 1 00000011\nlose v 1 1 ! 1 1 00000012",
    "data.verb": """
        00000011 33 v 01 win 0 001 ! 00000012 v 0101 01 + 08 00 | be the winner
        00000012 33 v 01 lose 0 001 ! 00000011 v 0101 01 + 08 00 | fail to win
    """,
    "index.adj": """
        rigid a 1 1 & 1 1 00000021
        stiff a 1 1 ! 1 1 00000022
        pliant a 1 1 ! 1 1 00000023
        common a 1 0 1 1 00000024
        uncommon a 1 0 1 1 00000025
    """,
    "data.adj": """
        00000021 00 s 01 rigid 0 001 & 00000022 a 0000 | hard to bend
        00000022 00 a 01 stiff(p) 0 002 & 00000021 s 0000 ! 00000023 a 0101 | not pliant
        00000023 00 a 01 pliant 0 001 ! 00000022 a 0101 | that bends
        00000024 00 a 01 common 0 000 | often seen
        00000025 00 a 01 uncommon 0 000 | seldom seen
    """,
    "index.adv": "",
    "data.adv": "",
}


@pytest.fixture
def words(tmp_path):
    for name, rows in FILES.items():
        lines = [line.strip() + "  " for line in rows.strip().splitlines()]
        (tmp_path / name).write_text(LICENCE + "\n".join(lines), encoding="utf-8")
    return Words(tmp_path)


@pytest.mark.parametrize(
    ("word", "opposites"),
    [
        ("win", ["lose"]),
        ("winning", ["losing"]),
        ("wins", ["loses"]),
        ("stiff", ["pliant"]),
        ("rigid", ["pliant"]),
        ("common", ["uncommon"]),
        ("uncommon", ["common"]),
        ("day", []),
        ("zebra", []),
    ],
)
def test_opposites_are_inflected_alike(words, word, opposites):
    assert words.opposites(word) == opposites


def test_sisters_are_common_words_of_the_same_sort_that_mean_something_else(words):
    assert sorted(words.sisters("day")) == ["dusk", "night", "twilight"]
    assert "nights" in words.sisters("days")
    assert sorted(words.sisters("dusk")) == ["day", "night"]


def test_synonyms_are_common_words_that_mean_the_same(words):
    assert words.synonyms("dusk") == ["twilight"]
    assert words.synonyms("day") == []


def test_a_missing_wordnet_is_said_in_one_sentence(tmp_path):
    with pytest.raises(
        click.ClickException, match=r"index\.noun cannot be read .*apt-get install wordnet-base"
    ):
        Words(tmp_path)
