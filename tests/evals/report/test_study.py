"""What is left out of an archive is left out, and nothing else."""

from __future__ import annotations

import pytest

import qa
from embeddings.reading.reader import Reader
from evals.dataset import Question
from evals.internals import WithoutScope, names_articles
from evals.report.study import RememberingReader, reopened

PLAIN = "When was the old harbour bridge opened?"
NAMING = "What did the Harbour Gazette report about the bridge that was opened?"


def question(text: str) -> Question:
    return Question(id="q", question=text, answerable=True, type="t")


@pytest.fixture
def harbour(archive, article):
    """The Wire says more of what is asked; the Gazette is the one that may be named."""
    archive.add(
        [
            article("wire", "The report about the bridge that was opened. It was opened.", source="Wire"),
            article("gazette", "The mayor opened a bridge.", source="Harbour Gazette", title="Zanzibar"),
            *(article(f"n{i}", f"A cat number {i} sat on the old mat.") for i in range(8)),
        ]
    )
    return archive


def order(archive: qa.Archive, text: str) -> list[tuple[str, float]]:
    return [(hit.article_id, pytest.approx(hit.score, abs=1e-4)) for hit in archive.search(text)]


class CountingReader(RememberingReader):
    """A real reader underneath that tells what it was made to read."""

    def __init__(self, reader: Reader) -> None:
        super().__init__(reader)
        self.asked: list[tuple[str, ...]] = []

    def read(self, question, passages, titles=None):
        self.asked.append(tuple(passages))
        return self._reader.read(question, passages, titles)


@pytest.mark.model
def test_nothing_is_read_twice_and_readings_are_the_readers_own():
    reader = Reader.load()
    counting = CountingReader(reader)
    remembering = RememberingReader(counting)
    texts = ["Ada Quill led the works.", "The bridge is 84 metres long.", "It rained."]
    titles = ["Harbour", "Bridge", "Weather"]
    first = remembering.read("Who led the works?", texts[:2], titles[:2])
    again = remembering.read(
        "Who led the works?", [texts[1], texts[2], texts[0]], [titles[i] for i in (1, 2, 0)]
    )
    assert counting.asked == [tuple(texts[:2]), (texts[2],)]
    assert again[0] is first[1]
    assert again[2] is first[0]
    [alone] = reader.read("Who led the works?", [texts[2]], [titles[2]])
    assert again[1].relevance_logit == pytest.approx(alone.relevance_logit, abs=0.05)
    remembering.read("Who led the works?", texts[:1], ["Another header"])
    remembering.read("Who paid?", texts[:1], titles[:1])
    assert counting.asked[2:] == [(texts[0],), (texts[0],)]


def test_a_question_that_names_nothing_is_searched_as_ever_without_its_scope(harbour):
    with reopened(harbour, WithoutScope) as no_scope:
        assert order(no_scope, PLAIN) == order(harbour, PLAIN)
        assert not names_articles(harbour, question(PLAIN))


def test_a_source_that_is_named_counts_for_nothing_without_its_scope(harbour):
    assert names_articles(harbour, question(NAMING))
    assert harbour.search(NAMING)[0].article_id == "gazette"
    with reopened(harbour, WithoutScope) as no_scope:
        hits = no_scope.search(NAMING)
        assert hits[0].article_id == "wire"
        assert len(hits) == 10
        assert len(no_scope.search(NAMING, k=3, filters=qa.Filters(sources=("Wire",)))) == 1


@pytest.mark.model
def test_without_scope_the_reader_still_reads(settings, tmp_path, article):
    with qa.Archive.create(
        tmp_path / "read", settings=settings.model_copy(update={"reader": "bundled"})
    ) as archive:
        archive.add([article("a", "Ada Quill led the works."), article("b", "The works were led badly.")])
        with reopened(archive, WithoutScope) as no_scope:
            assert order(no_scope, "Who led the works?") == order(archive, "Who led the works?")
            assert order(no_scope, "Who led the works?") != [
                (h.article_id, pytest.approx(h.score, abs=1e-4))
                for h in archive.search("Who led the works?", read=False)
            ]


def test_an_archive_opened_again_answers_under_the_other_settings(harbour):
    assert harbour.ask("What is the capital of Mongolia?").abstained
    with reopened(harbour, refuse=0.0) as refuse_off:
        assert not refuse_off.ask("What is the capital of Mongolia?").abstained
        assert refuse_off.settings.model_copy(update={"refuse": harbour.settings.refuse}) == harbour.settings
