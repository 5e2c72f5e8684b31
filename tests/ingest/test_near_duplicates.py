"""Copies and near duplicates: stored once, found by every id and filter, shown once, the same in any order."""

from __future__ import annotations

import random
from itertools import combinations, permutations

import pytest

import qa
from qa.ingest.near_duplicates import alike, bands

STORY = (
    "The old mill by the river burnt down on Sunday night, and the mayor of Lin'an said that nobody was hurt. "
    "Firefighters from three towns came with eight engines and fought the flames until the morning. "
    "The miller, who had left for his daughter's wedding, learnt of it by telephone. "
    "What set the roof on fire is not known; the police are questioning two boys who were seen nearby. "
    "The council wants to rebuild the mill as a museum, for which the province has promised half of the money. "
    "Until the middle of the last century the mill ground the wheat of all villages along the river, and in dry "
    "summers the farmers waited for days in front of its gate. Its wheel was taken for a film some years ago. "
    "A collection for the miller's family was opened in the town hall, where the names of the givers are read out."
)
OTHER = "The bridge over the river was opened on Monday by the governor, who walked over it first."


def near(story: str = STORY) -> str:
    return story.replace("learnt of it by telephone", "learnt of it by phone")


@pytest.fixture
def copied(archive, article):
    archive.add(
        [
            article(
                "late", STORY, title="Mill burns", source="Gull", published="2021-05-03", url="https://g/1"
            ),
            article("early", STORY, title="Fire at mill", source="Wire", published="2021-05-01"),
            article("undated", STORY, source="Echo"),
            article("bridge", OTHER, source="Gull", published="2021-05-02"),
        ]
    )
    return archive


def texts_stored(archive: qa.Archive) -> list[str]:
    with archive._database.read() as transaction:
        return [
            t
            for (t,) in transaction.query("SELECT text FROM article WHERE current AND text != '' ORDER BY 1")
        ]


def ids(hits: list[qa.Hit]) -> list[str]:
    return [hit.article_id for hit in hits]


# -- copies --------------------------------------------------------------------------------------


def test_a_copy_is_counted_and_stored_once_and_found_by_either_id(archive, article):
    report = archive.add(
        [article("a", STORY, title="One"), article("b", STORY, title="Two"), article("c", OTHER)]
    )
    assert report == qa.IngestReport(added=2, duplicates=1)
    assert texts_stored(archive) == sorted([STORY, OTHER])
    assert (archive.get("a").title, archive.get("b").title) == ("One", "Two")
    assert archive.get("a").text == archive.get("b").text == STORY
    assert len(archive) == 3
    assert [a.id for a in archive] == ["a", "b", "c"]
    assert archive.add(
        [article("a", STORY, title="One"), article("b", STORY, title="Two")]
    ) == qa.IngestReport(unchanged=2)


def test_a_copy_in_a_later_run_is_recognised(archive, article):
    archive.add(article("a", STORY))
    assert archive.add(article("b", STORY)) == qa.IngestReport(duplicates=1)
    assert texts_stored(archive) == [STORY]


def test_each_story_is_shown_once_under_its_earliest_place(copied):
    (mill, bridge) = copied.search("mill fire", k=9)
    assert (mill.article_id, bridge.article_id) == ("early", "bridge")
    assert [(c.article_id, c.source, str(c.published)) for c in mill.also] == [
        ("late", "Gull", "2021-05-03"),
        ("undated", "Echo", "None"),
    ]
    assert mill.also[0].url == "https://g/1"
    assert bridge.also == ()
    assert [c.article_id for c in copied.copies("late")] == ["early", "undated"]


def test_without_collapsing_every_article_is_found(copied):
    hits = copied.search("mill fire", k=9, collapse=False)
    assert ids(hits) == ["early", "late", "undated", "bridge"]
    assert [hit.rank for hit in hits] == [1, 2, 3, 4]
    assert ids(copied.search("mill fire", k=2, collapse=False)) == ["early", "late"]
    for hit in hits:
        assert copied.get(hit.article_id).text[hit.passage.start : hit.passage.end] == hit.text


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        (qa.Filters(sources=("gull",)), ["late", "bridge"]),
        (qa.Filters(sources=("Echo",)), ["undated"]),
        (qa.Filters(after="2021-05-03"), ["late"]),
        (qa.Filters(before="2021-05-01"), ["early"]),
        (qa.Filters(before="2021-05-01", sources=("Gull",)), []),
    ],
)
def test_a_filter_finds_the_copy_that_it_leaves(copied, filters, found):
    assert ids(copied.search("mill fire", k=9, filters=filters)) == found
    answer = copied.ask("What burnt down on Sunday night?", filters=filters)
    assert {c.article_id for c in answer.citations} <= set(found)


def test_the_titles_of_all_copies_are_searched(copied):
    with copied._database.read() as transaction:
        name = transaction.meta("derived")
    snapshot = copied._generations._current(name)
    for word in ("burns", "fire"):
        assert len(snapshot.keywords.search(word, 9, qa.Filters())[0]) >= 1


def test_an_answer_cites_one_and_names_the_others(copied, settings):
    sure = settings.model_copy(update={"refuse": 0.0})
    with qa.Archive.open(copied.path, settings=sure) as archive:
        answer = archive.ask("Who is the police questioning about the mill?")
    (citation, *_) = answer.citations
    assert citation.article_id == "early"
    assert [c.article_id for c in citation.also] == ["late", "undated"]
    assert [c.article_id for c in answer.hits[0].also] == ["late", "undated"]


def test_the_shell_says_where_else_it_stands(copied, settings):
    from qa.cli.terminal import render

    sure = settings.model_copy(update={"refuse": 0.0})
    with qa.Archive.open(copied.path, settings=sure) as archive:
        question = "Who is the police questioning about the mill?"
        assert "    also in 2 others\n" in render(archive.ask(question), width=90) + "\n"
        late_answer = archive.ask(question, filters=qa.Filters(sources=("Gull",)))
        assert late_answer.citations[0].first_told.article_id == "early"
        assert "also in 2 others, first published 2021-05-01 by Wire" in render(late_answer, width=90)


def test_every_mention_is_listed_in_every_copy(copied):
    found = copied.mentions("telephone")
    assert sorted(o.article_id for o in found.occurrences) == ["early", "late", "undated"]
    assert [
        o.article_id for o in copied.mentions("telephone", qa.Filters(sources=("Gull",))).occurrences
    ] == ["late"]


@pytest.mark.parametrize("first", ["late", "early", "undated"])
def test_a_text_outlives_the_article_that_brought_it(copied, first):
    copied.remove(first)
    rest = [name for name in ("early", "late", "undated") if name != first]
    assert ids(copied.search("mill fire", k=9)) == [rest[0], "bridge"]
    assert texts_stored(copied) == sorted([STORY, OTHER])
    copied.remove(rest[0])
    assert ids(copied.search("mill fire", k=9)) == [rest[1], "bridge"]
    copied.remove(rest[1])
    assert ids(copied.search("mill fire", k=9)) == ["bridge"]
    assert texts_stored(copied) == [OTHER]
    assert copied.check().ok


@pytest.mark.parametrize("changed", ["late", "early", "undated"])
def test_a_copy_that_changes_its_text_goes_its_own_way(copied, article, changed):
    assert copied.add(article(changed, "The tower fell.")) == qa.IngestReport(updated=1)
    assert copied.get(changed).text == "The tower fell."
    assert texts_stored(copied) == sorted([STORY, OTHER, "The tower fell."])
    assert len(copied.search("mill", k=9)) == 3
    assert copied.check().ok
    back = article(changed, STORY)
    assert copied.add(back) == qa.IngestReport(updated=1)
    assert texts_stored(copied) == sorted([STORY, OTHER])
    assert copied.check().ok


@pytest.mark.parametrize("changed", ["late", "early", "undated"])
def test_a_copy_that_changes_its_title_stays_a_copy(copied, article, changed):
    assert copied.add(article(changed, STORY, title="Windmill gone")) == qa.IngestReport(updated=1)
    assert copied.get(changed).title == "Windmill gone"
    assert texts_stored(copied) == sorted([STORY, OTHER])
    assert copied.check().ok


def test_an_article_and_its_copy_can_change_places_in_one_run(archive, article):
    archive.add([article("a", STORY), article("b", OTHER)])
    assert archive.add([article("a", OTHER), article("b", STORY)]) == qa.IngestReport(updated=2)
    assert (archive.get("a").text, archive.get("b").text) == (OTHER, STORY)
    assert texts_stored(archive) == sorted([STORY, OTHER])
    assert archive.check().ok


# -- near duplicates -----------------------------------------------------------------------------


def test_nearly_the_same_text_is_one_story(archive, article):
    archive.add(
        [
            article("a", STORY, published="2021-05-01"),
            article("b", near(), source="Gull"),
            article("c", OTHER),
        ]
    )
    hits = archive.search("mill fire telephone", k=9)
    assert sorted(ids(hits)) == ["a", "c"]
    assert [c.article_id for c in hits[0].also] == ["b"]
    assert sorted(ids(archive.search("mill fire", k=9, collapse=False))) == ["a", "b", "c"]
    archive.remove("a")
    assert ids(archive.search("mill fire", k=9)) == ["b", "c"]
    assert archive.copies("b") == ()


def test_a_story_holds_copies_of_what_is_nearly_the_same(archive, article):
    archive.add([article("a", STORY), article("b", near()), article("c", near()), article("d", STORY)])
    (hit,) = archive.search("mill fire", k=9)
    assert sorted([hit.article_id, *(c.article_id for c in hit.also)]) == ["a", "b", "c", "d"]
    archive.remove(["a", "b"])
    (hit,) = archive.search("mill fire", k=9)
    assert sorted([hit.article_id, *(c.article_id for c in hit.also)]) == ["c", "d"]


def test_other_stories_are_shown_until_there_are_enough(archive, article):
    words = ["river", "mayor", "museum", "police", "wedding", "council"]
    archive.add(article(f"m{n}", near(STORY) + f" {w}" * n) for n, w in enumerate(words))
    archive.add(article(f"o{n}", f"The {w} was in the news about the mill.") for n, w in enumerate(words))
    assert len(archive.search("mill", k=5)) == 5


@pytest.mark.parametrize(
    ("change", "to"),
    [
        ("eight engines", "9 engines"),
        ("Sunday", "Monday"),
        ("Lin'an", "Nanling"),
        ("the police", "the Interpol"),
    ],
)
def test_texts_on_one_pattern_are_not_one_story(change, to):
    """A figure or a name that was exchanged for another one makes it another story, or another state of it."""
    story = STORY.replace("eight engines", "8 engines")
    other = story.replace(change.replace("eight", "8"), to)
    assert story != other
    assert alike(story, other) == (change == "the police"), "a name that is only added is no exchange"


def test_a_text_that_was_cut_short_is_the_same_story():
    assert alike(STORY * 3, STORY * 3 + " Reuters contributed.")
    assert not alike(STORY, STORY[: len(STORY) // 2])


def test_short_texts_are_not_compared():
    notice = "This article needs additional citations for verification . Please help improve this article ."
    assert bands(notice) == []
    assert len(bands(STORY)) == 16


def test_bands_of_near_duplicates_meet_and_stay_what_they_were():
    assert set(bands(STORY)) & set(bands(near()))
    assert not set(bands(STORY)) & set(bands(" ".join(reversed(STORY.split()))))
    assert bands(STORY)[0] == FIRST_BAND, "stored archives hold these hashes"


FIRST_BAND = 8873192225314323413


def test_the_seeds_are_five_stories(seed_archive):
    assert len(seed_archive.search("delegation", k=9)) == 5
    assert all(hit.also == () for hit in seed_archive.search("delegation", k=9))


# -- any order -----------------------------------------------------------------------------------


def state(archive: qa.Archive) -> tuple:
    articles = sorted(archive, key=lambda a: a.id)
    stories = {frozenset([a.id, *(c.article_id for c in archive.copies(a.id))]) for a in articles}
    hits = {
        (h.article_id, h.passage.start, h.passage.end) for h in archive.search("mill", k=99, collapse=False)
    }
    return articles, stories, sorted(texts_stored(archive)), hits


GIVEN = [qa.Article(id=id, text=text) for id, text in zip("abcd", (STORY, STORY, near(), OTHER), strict=True)]


@pytest.fixture(scope="module")
def at_once(tmp_path_factory, settings) -> tuple:
    """The state of an archive that was given all articles at once."""
    with qa.Archive.create(tmp_path_factory.mktemp("once") / "archive", settings=settings) as fresh:
        fresh.add(GIVEN)
        return state(fresh)


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_the_order_of_adding_does_not_matter(archive, at_once, order):
    for number in order:
        archive.add(GIVEN[number])
    assert state(archive) == at_once


@pytest.mark.parametrize("seed", range(6))
def test_any_history_ends_as_a_fresh_archive_of_what_is_left(archive, tmp_path, settings, seed):
    draw = random.Random(seed)
    words = [STORY, near(), STORY.replace("half of the money", "half the money"), OTHER, near() + " Really."]
    now: dict[str, qa.Article] = {}
    for _ in range(15):
        some = []
        for _ in range(draw.randint(1, 4)):
            made = qa.Article(
                id=draw.choice("abcdef"), text=draw.choice(words), source=draw.choice(["Gull", "Wire"])
            )
            now[made.id] = made
            some.append(made)
        archive.add(some)
        if draw.random() < 0.4:
            gone = draw.choice("abcdef")
            archive.remove(gone)
            now.pop(gone, None)
    with qa.Archive.create(tmp_path / "fresh", settings=settings) as fresh:
        fresh.add(now.values())
        assert state(archive) == state(fresh)
    report = archive.check()
    assert report.ok, report.problems


def test_stories_are_the_same_whichever_pair_came_first():
    versions = [STORY, near(), near() + " Really."]
    assert all(alike(a, b) == alike(b, a) for a, b in combinations(versions, 2))
