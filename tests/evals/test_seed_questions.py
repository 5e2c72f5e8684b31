"""The questions over the seeds are what issue 2 asks for, and their gold is in the articles."""

from collections import Counter

import pytest

from evals import metrics
from evals.dataset import SEED_ARTICLES, Dataset, Question
from qa.loaders.registry import load_paths
from qa.types import Article, Skipped

FEWEST = {"two_article": 10, "unanswerable_near": 15, "unanswerable_far": 15, "follow_up": 12, "metadata": 10}


@pytest.fixture(scope="module")
def seeds() -> Dataset:
    return Dataset.load()


@pytest.fixture(scope="module")
def articles() -> dict[str, Article]:
    found = [item for item in load_paths([SEED_ARTICLES]) if not isinstance(item, Skipped)]
    return {item.article.id: item.article for item in found}


def gold(question: Question) -> list[str]:
    return [e.quote for e in question.evidence if e.quote]


def test_there_are_enough_questions_of_each_type(seeds: Dataset) -> None:
    counts = Counter(q.type for q in seeds.questions)
    assert counts.total() >= 100
    assert {kind: counts[kind] for kind in FEWEST if counts[kind] < FEWEST[kind]} == {}
    assert counts["unanswerable_near"] + counts["unanswerable_far"] >= 30


def test_each_article_has_at_least_twelve_questions_of_its_own(
    seeds: Dataset, articles: dict[str, Article]
) -> None:
    single = Counter(
        q.evidence[0].doc_id for q in seeds.questions if q.type in {"extractive", "list", "yes_no"}
    )
    assert single.keys() == articles.keys()
    assert min(single.values()) >= 12


def test_no_question_is_asked_twice(seeds: Dataset) -> None:
    asked = Counter((q.question.casefold(), q.history) for q in seeds.questions)
    assert [question for question, times in asked.items() if times > 1] == []


def test_evidence_stands_where_it_says(seeds: Dataset, articles: dict[str, Article]) -> None:
    astray = [
        (q.id, e.quote)
        for q in seeds.questions
        for e in q.evidence
        if e.start is None or articles[e.doc_id].text[e.start : e.end] != e.quote
    ]
    assert astray == []


def test_each_accepted_answer_stands_in_the_evidence(seeds: Dataset) -> None:
    missing = [
        (q.id, answer)
        for q in seeds.questions
        if q.answerable and q.type != "metadata"
        for answer in q.answers
        if not any(metrics.contains(quote, answer) for quote in gold(q))
    ]
    assert missing == []


def test_each_answerable_question_can_be_scored(seeds: Dataset) -> None:
    answerable = [q for q in seeds.questions if q.answerable]
    assert [q.id for q in answerable if not q.evidence or not q.answers] == []
    assert [q.id for q in answerable if q.type != "metadata" and len(gold(q)) != len(q.evidence)] == []
    assert [q.id for q in answerable if not any(metrics.is_short(a) for a in q.answers)] == []


def test_metadata_answers_are_the_articles_fields(seeds: Dataset, articles: dict[str, Article]) -> None:
    for question in (q for q in seeds.questions if q.type == "metadata"):
        article = articles[question.evidence[0].doc_id]
        fields = " | ".join(map(str, (article.published, article.source, article.author, article.section)))
        assert any(metrics.contains(fields, a) for a in question.answers) or (
            article.published is not None and question.answers == (str(article.published.year),)
        ), question.id


def test_unanswerable_questions_have_no_answer_and_no_evidence(seeds: Dataset) -> None:
    unanswerable = [q for q in seeds.questions if not q.answerable]
    assert {q.type for q in unanswerable} == {"unanswerable_near", "unanswerable_far"}
    assert [q.id for q in unanswerable if q.answers or q.evidence] == []


def test_two_article_questions_need_two_articles(seeds: Dataset) -> None:
    two = [q for q in seeds.questions if q.type == "two_article"]
    assert [q.id for q in two if len({e.doc_id for e in q.evidence}) != 2] == []


def test_qrels_agree_with_the_evidence(seeds: Dataset) -> None:
    named = {q.id: frozenset(e.doc_id for e in q.evidence) for q in seeds.questions if q.evidence}
    assert seeds.qrels == named


def test_histories_alternate_and_end_with_an_answer(seeds: Dataset) -> None:
    for question in seeds.questions:
        roles = [turn.role for turn in question.history]
        assert roles == ["user", "assistant"] * (len(roles) // 2), question.id
    assert all(q.history for q in seeds.questions if q.type == "follow_up")
