"""Questions name sources and dates, and several articles at once: what they mean is found, and nothing more."""

import time
from datetime import date

import pytest

from qa.query.scope import find
from qa.retrieval.fusion import CONTENT_BOOST, PUBLISHED_BOOST, SOURCE_BOOST, boost

TODAY = date(2024, 1, 15)  # a Monday
SOURCES = (
    "TechCrunch",
    "The Verge",
    "Sporting News",
    "Fortune",
    "The Age",
    "Wired",
    "Time",
    "The New York Times",
    "CBSSports.com",
    "BBC News - Entertainment & Arts",
    "The Independent - Sports",
    "The Independent - Travel",
    "The Roar | Sports Writers Blog",
    "www.theguardian.com",
    "新华社",
)


def sources(question: str) -> tuple[str, ...]:
    return find(question, SOURCES, TODAY).sources


def periods(question: str) -> list[tuple[str, str, str, bool]]:
    found = find(question, SOURCES, TODAY).periods
    return [(str(p.start or ""), str(p.end or ""), p.how, p.hard) for p in found]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("What did the article from The Verge say?", ("The Verge",)),
        ("What did 'The Verge' article say?", ("The Verge",)),
        ("What is in the Verge report on Valve?", ("The Verge",)),
        ("What did techcrunch report about Gemini?", ("TechCrunch",)),
        ("How does Sporting News's coverage differ?", ("Sporting News",)),
        ("Who won, according to fortune?", ("Fortune",)),
        ("Who, as reported by Fortune and Wired, was fired?", ("Fortune", "Wired")),
        ("Who is covered by TechCrunch, Fortune, and The Age?", ("TechCrunch", "Fortune", "The Age")),
        ("What did the CBS Sports article say of Cousins?", ("CBSSports.com",)),
        ("Did the CBSSports.com article say so?", ("CBSSports.com",)),
        ("What did the NYT say?", ("The New York Times",)),
        ("What did the BBC report?", ("BBC News - Entertainment & Arts",)),
        ("What did The Guardian write?", ("www.theguardian.com",)),
        ("Did The Roar report it?", ("The Roar | Sports Writers Blog",)),
        ("Was it in The Independent - Travel?", ("The Independent - Travel",)),
        ("What did the Independent article say?", ("The Independent - Sports", "The Independent - Travel")),
        ("According to 新华社 who led it?", ("新华社",)),
    ],
)
def test_sources_are_found_however_they_are_written(question, expected):
    assert sources(question) == expected


@pytest.mark.parametrize(
    "question",
    [
        "Who made a fortune in crypto?",
        "What is the age of the universe?",
        "At the age of 16 she became famous; why?",
        "Who plays The Age of Empires?",
        "Time and again, who was wired differently?",
        "Which Fortune 500 company was founded first?",
        "Is there a real-time report?",
        "On the verge of war, what did they decide?",
        "nyt",
        "",
    ],
)
def test_ordinary_words_are_no_sources(question):
    assert sources(question) == ()


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("the report of 24 November 2023", ("2023-11-24", "2023-11-24", "on", True)),
        ("published on November 24th, 2023, by whom", ("2023-11-24", "2023-11-24", "on", True)),
        ("What happened on 2023-11-24?", ("2023-11-24", "2023-11-24", "on", False)),
        ("published at 2023-12-12T22:38:05+00:00", ("2023-12-12", "2023-12-12", "on", True)),
        ("What happened on 24/11/2023?", ("2023-11-24", "2023-11-24", "on", False)),
        ("articles from September 2022", ("2022-09-01", "2022-09-30", "in", True)),
        ("What did it earn in September 2022?", ("2022-09-01", "2022-09-30", "in", False)),
        ("What did it earn in 2022?", ("2022-01-01", "2022-12-31", "in", False)),
        ("articles since 2023", ("2023-01-01", "", "after", True)),
        ("articles after 2022", ("2023-01-01", "", "after", True)),
        ("Who led it before 2020?", ("", "2019-12-31", "before", False)),
        ("the report from The Verge on 7 October 2023", ("2023-10-07", "2023-10-07", "on", True)),
        ("After TechCrunch reported on October 7, 2023, that", ("2023-10-07", "2023-10-07", "on", True)),
        ("the November 1, 2023, article", ("2023-11-01", "2023-11-01", "on", True)),
        ("between October 4 and November 1, 2023", ("2023-10-04", "2023-11-01", "between", False)),
        (
            "reported after May 4, 2023, and before June 1, 2023",
            ("2023-05-04", "2023-06-01", "between", True),
        ),
        ("What was reported last month?", ("2023-12-01", "2023-12-31", "in", True)),
        ("What was in yesterday's news?", ("2024-01-14", "2024-01-14", "on", True)),
        ("What has changed since last year?", ("2023-01-01", "", "after", False)),
        ("Who visited last week?", ("2024-01-08", "2024-01-14", "in", False)),
        ("Who visited in the past two months?", ("2023-11-15", "2024-01-15", "in", False)),
        ("Who visited two days ago?", ("2024-01-13", "2024-01-13", "on", False)),
        ("2023年9月以来的报道", ("2023-09-01", "", "after", True)),
        ("2023年11月24日谁去了?", ("2023-11-24", "2023-11-24", "on", False)),
        ("去年发生了什么", ("2023-01-01", "2023-12-31", "in", False)),
    ],
)
def test_a_time_is_read_with_its_preposition(question, expected):
    assert periods(question) == [expected]


@pytest.mark.parametrize(
    "question",
    [
        "Who trained before the Olympics?",
        "Who won the 2022 World Cup?",
        "What may the march of progress bring?",
        "Who earned 2023 dollars?",
        "What was fashionable in the 1990s?",
        "published on a date other than November 9, 2023",
        "Who signed on 04/05/2023?",
        "Who was it after the meeting?",
        "Why did $2,023 go missing 999999999 years ago?",
    ],
)
def test_what_is_no_date_is_left_alone(question):
    assert periods(question) == []


def test_a_day_without_a_year_is_that_day_of_any_year():
    (period,) = find("the report on October 28", SOURCES, TODAY).periods
    assert period.any_year
    assert [period.holds(date(2021, 10, 28)), period.holds(date(2021, 10, 27))] == [True, False]
    (winter,) = find("the reports between December 20 and January 5", SOURCES, TODAY).periods
    assert [winter.holds(date(2021, m, 2)) for m in (1, 6)] == [True, False]


def test_a_span_gives_the_words_the_time_was_read_from():
    question = "What was published in September 2022?"
    (period,) = find(question, SOURCES, TODAY).periods
    assert question[slice(*period.span)] == "in September 2022"


def test_a_question_over_two_articles_is_cut_into_parts_with_their_own_mentions():
    found = find(
        "Between the report from The Verge published on October 12, 2023, regarding a romance, and the TechCrunch "
        "report on its end published on December 6, 2023, was there a change?",
        SOURCES,
        TODAY,
    )
    assert [(part.sources, [str(p.start) for p in part.periods]) for part in found.clauses] == [
        (("The Verge",), ["2023-10-12"]),
        (("TechCrunch",), ["2023-12-06"]),
    ]
    assert "romance" in found.clauses[0].text
    assert found.clauses[1].text.startswith("the TechCrunch report on its end")


def test_a_comparison_is_cut_between_its_articles():
    found = find(
        "Does the TechCrunch article suggest a new law on AI, while the Wired article denies any need of it?",
        SOURCES,
        TODAY,
    )
    assert [part.text for part in found.clauses] == [
        "Does the TechCrunch article suggest a new law on AI, while",
        "the Wired article denies any need of it?",
    ]


@pytest.mark.parametrize(
    "question",
    [
        "Along with admission, exhaust and compression, what is an event in the engine cycle?",
        "If two integers are multiplied and output a value, what is this expression set called?",
        "What did The Verge report about Valve?",
    ],
)
def test_a_question_about_one_article_has_no_parts(question):
    assert find(question, SOURCES, TODAY).clauses == ()


def test_an_article_gains_by_its_source_and_by_its_date():
    found = find("What did the Verge article of 7 October 2023 say?", SOURCES, TODAY)
    there, elsewhen = date(2023, 10, 7), date(2023, 10, 8)
    assert boost(found, "The Verge", there) == SOURCE_BOOST + PUBLISHED_BOOST
    assert boost(found, "The Verge", elsewhen) == boost(found, "The Verge", None) == SOURCE_BOOST
    assert boost(found, None, there) == PUBLISHED_BOOST
    assert boost(found, "Wired", elsewhen) == 0.0


def test_a_time_of_the_content_counts_for_less_than_one_of_publication():
    assert boost(find("What did it earn in 2022?", SOURCES, TODAY), None, date(2022, 5, 1)) == CONTENT_BOOST
    assert boost(find("Who led it before 2020?", SOURCES, TODAY), None, date(2010, 5, 1)) == 0.0


def test_the_source_of_one_part_does_not_go_with_the_date_of_another():
    found = find(
        "Between the Verge report on Valve published on 1 May 2023, and the Wired report on Apple published on 2 May 2023, who was right?",
        SOURCES,
        TODAY,
    )
    first, second = date(2023, 5, 1), date(2023, 5, 2)
    assert boost(found, "The Verge", first) == boost(found, "Wired", second) == SOURCE_BOOST + PUBLISHED_BOOST
    assert boost(found, "The Verge", second) == SOURCE_BOOST


def test_an_ordinary_question_gains_nothing():
    found = find("Who led the delegation?", SOURCES, TODAY)
    assert found == ((), (), ())
    assert boost(found, "The Verge", TODAY) == boost(found, None, None) == 0.0


@pytest.mark.parametrize(
    "question",
    ["a, " * 700, "\x00" * 2000, "on 1 May 2023 " * 140, "The Verge, " * 180, "'\"“" * 600, "and the " * 250],
)
def test_hostile_questions_cost_little(question):
    start = time.perf_counter()
    found = find(question, SOURCES, TODAY)
    assert time.perf_counter() - start < 0.5
    assert len(found.clauses) <= 8
