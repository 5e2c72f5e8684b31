"""Values are frozen and checked: a citation that does not span its quote cannot be made."""

from datetime import date, datetime

import pytest
from pydantic import ValidationError

import qa


def test_a_citation_spans_its_quote():
    good = {
        "n": 1,
        "article_id": "a",
        "title": "",
        "quote": "the mayor",
        "start": 5,
        "end": 14,
        "text_sha256": "",
    }
    assert qa.Citation(**good, answer_start=9, answer_end=14).answer == "mayor"
    assert qa.Citation(**good).answer is None
    for bad in (
        {"end": 13},
        {"answer_start": 9},
        {"answer_start": 4, "answer_end": 9},
        {"answer_start": 9, "answer_end": 9},
    ):
        with pytest.raises(ValidationError):
            qa.Citation(**{**good, **bad})


def test_a_passage_spans_its_text():
    with pytest.raises(ValidationError, match="does not span"):
        qa.Passage(id=1, article_id="a", start=0, end=3, text="four")


@pytest.mark.parametrize(
    ("after", "before", "expected"),
    [
        ("2023", "2023", (date(2023, 1, 1), date(2023, 12, 31))),
        ("2024-02", "2024-02", (date(2024, 2, 1), date(2024, 2, 29))),
        ("2023-09-11", date(2023, 9, 12), (date(2023, 9, 11), date(2023, 9, 12))),
        (datetime(2023, 9, 11, 5), None, (date(2023, 9, 11), None)),
        ("", None, (None, None)),
    ],
)
def test_filters_take_days_and_periods(after, before, expected):
    filters = qa.Filters(after=after, before=before)
    assert (filters.after, filters.before) == expected
    assert filters.active == any(expected)


@pytest.mark.parametrize(
    "wrong",
    [{"after": "2023-13"}, {"before": "soon"}, {"after": "2024", "before": "2023"}, {"since": "2023"}],
)
def test_wrong_filters_are_refused(wrong):
    with pytest.raises(ValidationError):
        qa.Filters(**wrong)


def test_values_are_frozen():
    with pytest.raises(ValidationError):
        qa.Turn(role="user", content="x").content = "y"


def test_an_article_names_its_revision_and_takes_a_time_of_day():
    article = qa.Article(id="a", text="x", published="2023-09-26T17:01:22+00:00", url=" ")
    assert article.published == date(2023, 9, 26)
    assert article.url is None
    assert article.text_sha256 == "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"


def test_settings_are_read_from_the_environment(tmp_path):
    settings = qa.Settings.from_environ(
        {"QA_PORT": "8000", "QA_ARCHIVE": str(tmp_path), "QA_MODEL": "", "OTHER": "x"}
    )
    assert (settings.port, settings.archive, settings.model) == (8000, tmp_path, None)
    with pytest.raises(qa.QAError, match="QA_PORT='http'"):
        qa.Settings.from_environ({"QA_PORT": "http"})
