"""Every mention of a term: none missed, none invented, each where it says; as a page and as files."""

from __future__ import annotations

import csv
import io
import json
import re
from html.parser import HTMLParser
from urllib.parse import parse_qs, urlsplit

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given
from hypothesis import settings as bounds
from hypothesis import strategies as st
from starlette.testclient import TestClient

import qa
from qa.cli import cli
from qa.export import csv_lines, json_text
from qa.query.intent import asked_term
from qa.retrieval.occurrences import ordered
from qa.web import app

EVIL = "<script>alert(1)</script>"


def places(found: qa.Occurrences) -> list[tuple[str, str, int]]:
    return sorted((o.article_id, o.field, o.start) for o in found.occurrences)


class TestFinding:
    @pytest.mark.parametrize(
        ("term", "pattern"),
        [
            ("Lu Yueping", r"\bLu\s+Yueping\b"),
            ("public interest litigation", r"\bpublic interest litigation\b"),
            ("Lin'an", r"\bLin['’]an\b"),
            ("the", r"\bthe\b"),
            ("Nanling County Procuratorate", r"\bNanling County Procuratorate\b"),
        ],
    )
    def test_the_seeds_hold_what_a_plain_search_of_their_texts_finds(self, seed_archive, term, pattern):
        expected = [
            (article.id, field, match.start())
            for article in seed_archive
            for field in ("text", "title")
            for match in re.finditer(pattern, getattr(article, field), re.I)
        ]
        found = seed_archive.mentions(term, exact=True)
        assert places(found) == sorted(expected)
        assert found.articles == len({article_id for article_id, _, _ in expected})

    def test_each_place_is_verbatim_and_inside_its_sentence(self, seed_archive):
        found = seed_archive.mentions("procuratorate")
        assert len(found) > 20
        for o in found.occurrences:
            text = getattr(seed_archive.get(o.article_id), o.field)
            assert text[o.start : o.end] == o.quote
            end = o.sentence_start + len(o.sentence)
            assert text[o.sentence_start : end] == o.sentence
            assert o.sentence_start <= o.start < o.end <= end

    def test_forms_of_a_word_count_unless_they_must_not(self, archive, article):
        archive.add([article("a", "The Prosecutor met PROSECUTORS. A prosecution followed.")])
        assert [o.quote for o in archive.mentions("prosecutors").occurrences] == ["Prosecutor", "PROSECUTORS"]
        assert [o.quote for o in archive.mentions("prosecutor", exact=True).occurrences] == ["Prosecutor"]

    def test_words_must_follow_one_another(self, archive, article):
        archive.add([article("a", "Yueping Lu and Lu, said Yueping. Lu\n Yueping, lu-yueping. Luyueping.")])
        assert [o.quote for o in archive.mentions("Lu Yueping").occurrences] == ["Lu\n Yueping", "lu-yueping"]

    @pytest.mark.parametrize(
        ("term", "quotes"),
        [("公益诉讼", ["公益诉讼"] * 2), ("诉", ["诉"] * 3), ("A股", ["A股"]), ("股", ["股"] * 2), ("公益", ["公益"] * 3)],
    )  # fmt: skip
    def test_chinese_needs_no_spaces(self, archive, article, term, quotes):
        archive.add(
            [article("a", "检察院开展公益诉讼工作。他们公益，诉A股市场。"), article("b", "谈公益诉讼和股")]
        )
        assert [o.quote for o in archive.mentions(term).occurrences] == quotes

    def test_a_phrase_over_the_cut_in_an_endless_sentence_is_found(self, archive, article):
        words = [f"word{i}" for i in range(1500)]
        archive.add([article("a", " ".join(words))])
        passages = archive.describe()["passages"]
        assert passages > 3
        for i in range(0, 1498, 7):
            assert len(archive.mentions(" ".join(words[i : i + 3]))) == 1, i

    def test_a_title_is_looked_through_too(self, archive, article):
        archive.add([article("a", "Nothing here.", title="Ann Lee wins", source="Lee")])
        assert places(archive.mentions("Lee")) == [("a", "title", 4)]

    def test_filters_leave_out_articles(self, archive, article):
        archive.add(
            [
                article("a", published="2023-01-01"),
                article("b", published="2024-01-01", source="X"),
                article("c"),
            ]
        )
        assert archive.mentions("mayor", qa.Filters(after="2024")).articles == 1
        found = archive.mentions("mayor", qa.Filters(sources=("x",)))
        assert [o.article_id for o in found.occurrences] == ["b"]
        assert found.coverage.articles == 1
        assert archive.mentions("mayor").articles == 3

    def test_more_than_any_top_k(self, archive, article):
        archive.add([article(str(i), f"Item {i} of Ann. Ann!") for i in range(1300)])
        found = archive.mentions("ann")
        assert (len(found), found.articles) == (2600, 1300)

    @pytest.mark.parametrize("term", ["", " ", "?!", "\u202e", "—", "x" * 150, "x " * 120])
    def test_a_term_without_words_is_one_clear_line(self, seed_archive, term):
        with pytest.raises(qa.QuestionError, match=r"There is no word|may have 200"):
            seed_archive.mentions(term)

    @pytest.mark.parametrize("term", ["field:body", "mayor AND (", '"zanzibar', "mayor* x", "[1 TO 2]"])
    def test_query_syntax_is_only_words(self, seed_archive, term):
        assert len(seed_archive.mentions(term)) == 0

    @given(
        texts=st.lists(
            st.lists(st.sampled_from("ann lee Bank banks 公 益诉 ! . \n x".split(" ")), max_size=30),
            min_size=1,
            max_size=4,
        ),
        term=st.lists(st.sampled_from(["ann", "lee", "bank", "公益", "益"]), min_size=1, max_size=2),
    )
    @bounds(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    def test_it_agrees_with_reading_everything(self, tmp_path_factory, settings, texts, term):
        wanted = " ".join(term)
        tokens = re.compile(r"[公益诉]|[a-z]+")
        stem = {"banks": "bank"}

        def words(text: str) -> list[tuple[str, int, bool]]:
            found = list(tokens.finditer(text.lower()))
            ends = [None, *(m.end() for m in found)]
            return [
                (stem.get(m[0], m[0]), m.start(), m.start() == end)
                for m, end in zip(found, ends, strict=False)
            ]

        keys = words(wanted)
        with qa.Archive.create(tmp_path_factory.mktemp("a") / "x", settings=settings) as archive:
            articles = [
                qa.Article(id=str(i), text=" ".join(["Start.", *parts])) for i, parts in enumerate(texts)
            ]
            archive.add(articles)
            expected = []
            for article in articles:
                spans = words(article.text)
                last = -1
                for i in range(len(spans)):
                    here = spans[i : i + len(keys)]
                    same = [key for key, *_ in here] == [key for key, *_ in keys]
                    joined = all(h[2] >= k[2] for h, k in zip(here[1:], keys[1:], strict=False))
                    if same and joined and i > last:
                        expected.append((article.id, "text", spans[i][1]))
                        last = i + len(keys) - 1
            assert places(archive.mentions(wanted)) == sorted(expected)


class TestOrder:
    def test_by_date_source_or_title_with_the_unknown_last(self, archive, article):
        archive.add(
            [
                article("a", title="Zeta", published="2023-05-01"),
                article("b", title="alpha", source="Y"),
                article("c", title="Mid", source="x", published="2024-01-01"),
            ]
        )
        found = archive.mentions("mayor")

        def ids(**how):
            return "".join(o.article_id for o in ordered(found, **how).occurrences)

        assert ids(by="date") == "acb"
        assert ids(by="date", descending=True) == "cab"
        assert ids(by="source") == "cba"
        assert ids(by="title", descending=True) == "acb"


@pytest.mark.parametrize(
    ("question", "term"),
    [
        ("List every article that mentions Lu Yueping", "Lu Yueping"),
        ("Which articles mention “public interest litigation”?", "public interest litigation"),
        ("how many reports mention Nanling?", "Nanling"),
        ("Show me all the stories containing 'rule of law'.", "rule of law"),
        ("every mention of Lin'an", "Lin'an"),
        ("列出所有提到公益诉讼的文章", "公益诉讼"),
        ("哪些文章提到了公益诉讼？", "公益诉讼"),
        ("Which articles mention IT?", "IT"),
        ("Which articles mention him?", None),
        ("哪些文章提到他？", None),
        ("Who mentions him?", None),
        ("Which article mentions the mayor's speech, and who wrote it?", None),
        ("What did every article say about the mayor?", None),
        ("When was the article that mentions Nanling published?", None),
    ],
)
def test_a_question_for_every_mention_is_told_from_others(question, term):
    assert asked_term(question) == term


class TestAnswer:
    def test_it_counts_and_quotes_the_newest_of_each_article(self, seed_archive):
        answer = seed_archive.ask("Which articles mention Lu Yueping?")
        assert answer.lead == "“Lu Yueping” is mentioned 3 times in 2 articles."
        assert answer.text.startswith(f"{answer.lead} “At the meeting, Lu Yueping")
        assert [str(c.published) for c in answer.citations] == ["2024-02-28", "2023-09-11"]
        for c in answer.citations:
            assert c.answer == "Lu Yueping"
            assert seed_archive.get(c.article_id).text[c.start : c.end] == c.quote
        assert not answer.abstained
        assert answer.closest is None

    def test_filters_hold(self, seed_archive):
        answer = seed_archive.ask("Which articles mention Lu Yueping?", filters=qa.Filters(after="2024"))
        assert answer.lead == "“Lu Yueping” is mentioned once in 1 article."

    def test_it_speaks_the_questions_language(self, archive, article):
        archive.add([article("桥", "市长王小明主持了通车仪式。王小明讲话。")])
        assert archive.ask("哪些文章提到王小明？").lead == "1篇文章提到“王小明”，共2处。"

    def test_what_was_said_before_changes_nothing(self, seed_archive):
        asked = "Which articles mention litigation?"
        history = [qa.Turn(role="user", content="Who led the Nanling delegation?")]
        assert seed_archive.ask(asked, history=history).text == seed_archive.ask(asked).text

    def test_a_term_that_is_nowhere_is_not_claimed(self, seed_archive):
        answer = seed_archive.ask("Which articles mention Zanzibar?")
        assert answer.abstained
        assert answer.lead == ""

    def test_the_text_is_quoted_before_the_title_and_the_beginning_for_want_of_it(self, archive, article):
        archive.add(
            [
                article("a", "The king came. The mayor left.", title="The mayor", published="2024-01-01"),
                article("b", "The queen came. The pope left.", title="A mayor", published="2023-01-01"),
            ]
        )
        answer = archive.ask("Which articles mention “mayor”?")
        assert answer.lead == "“mayor” is mentioned 3 times in 2 articles."
        assert [c.quote for c in answer.citations] == ["The mayor left.", "The queen came."]

    def test_a_sentence_without_end_is_quoted_around_the_mention(self, archive, article):
        archive.add([article("a", f"{'x ' * 4000}mayor{' y' * 4000}")])
        [c] = archive.ask("Which articles mention “mayor”?").citations
        assert c.answer == "mayor"
        assert len(c.quote) <= 1200

    def test_a_term_that_is_a_sentence_is_told_from_its_quote(self, archive, article):
        archive.add([article("a", "Mayor.")])
        answer = archive.ask("Which articles mention “Mayor.”?")
        assert (answer.lead, answer.citations[0].quote) == (
            "“Mayor.” is mentioned once in 1 article.",
            "Mayor.",
        )


class TestFiles:
    @pytest.mark.parametrize(
        "text",
        [
            "=1+1",
            "+cmd|' /C calc'!A0",
            "-2+3",
            "@SUM(A1)",
            "\t=1",
            "\r=1",
            " =1",
            "＝1+1",
            "%0A=1",
            "\ufeff=1",
            "\n=1",
        ],
    )
    def test_no_cell_is_a_formula(self, archive, article, text):
        archive.add([article("=a", f"{text} mayor", title=text, source=text)])
        for row in csv.DictReader(io.StringIO("".join(csv_lines(archive.mentions("mayor"))))):
            for name, cell in row.items():
                assert not re.match(r"[\s\ufeff]*[=+\-@＝\t\r%]", cell), (name, cell)
        assert json.loads(json_text(archive.mentions("mayor")))["occurrences"][0]["article_id"] == "=a"

    def test_the_csv_has_every_place_as_it_is(self, seed_archive):
        found = seed_archive.mentions("procuratorate")
        rows = list(csv.DictReader(io.StringIO("".join(csv_lines(found)))))
        assert len(rows) == len(found)
        for row, o in zip(rows, found.occurrences, strict=True):
            assert (row["article_id"], int(row["start"]), row["quote"]) == (o.article_id, o.start, o.quote)
            assert row["text_sha256"] == o.text_sha256

    def test_the_json_counts(self, seed_archive):
        data = json.loads(json_text(seed_archive.mentions("Lu Yueping")))
        assert (data["term"], data["count"], data["articles"]) == ("Lu Yueping", 3, 2)


class TestCommand:
    def run(self, archive, *args):
        return CliRunner().invoke(
            cli, ["mentions", *args, "--archive", str(archive.path)], standalone_mode=False
        )

    def test_it_lists_and_counts(self, seed_archive):
        said = self.run(seed_archive, "Lu Yueping")
        assert said.output.endswith("3 mentions in 2 articles; 5 looked through.\n")
        assert said.return_value == 0
        assert self.run(seed_archive, "Zanzibar").return_value == 3

    def test_it_writes_files(self, seed_archive):
        assert (
            len(list(csv.DictReader(io.StringIO(self.run(seed_archive, "Lu Yueping", "--csv").output)))) == 3
        )
        assert json.loads(self.run(seed_archive, "Lu Yueping", "--json").output)["count"] == 3

    def test_an_article_does_not_steer_the_terminal(self, archive, article):
        archive.add([article("a", "The mayor \x1b[31m\u202e left.", title="\x1b]0;x\x07")])
        assert not re.search(r"[\x1b\x07\u202e]", self.run(archive, "mayor").output)


class TestPage:
    @pytest.fixture
    def client(self, seed_archive, article):
        seed_archive.add(
            [article(f"../../{i}", f"{EVIL} Zed mayor {i}.", title=EVIL, source='"><b>') for i in range(250)]
        )
        with TestClient(app.create_app(seed_archive)) as client:
            yield client

    def links(self, page: str) -> list[tuple[str, dict[str, str | None]]]:
        found = []

        class Reader(HTMLParser):
            def handle_starttag(self, tag, attrs):
                found.append((tag, dict(attrs)))

        Reader().feed(page)
        return found

    def test_it_counts_lists_and_links_to_the_place(self, client):
        response = client.get("/mentions", params={"q": "Lu Yueping"})
        assert response.status_code == 200
        assert "<strong>3 mentions in 2 articles.</strong>" in response.text
        urls = [
            a["href"]
            for tag, a in self.links(response.text)
            if tag == "a" and "/article/" in a.get("href", "")
        ]
        assert len(urls) == 3
        article = client.get(urls[0].partition("#")[0])
        assert '<mark class="answer">Lu Yueping</mark>' in article.text

    def test_it_is_sorted_by_links_that_say_so(self, client):
        page = client.get("/mentions", params={"q": "procuratorate", "sort": "title", "order": "asc"}).text
        heads = [attrs["aria-sort"] for tag, attrs in self.links(page) if "aria-sort" in attrs]
        assert heads == ["none", "none", "ascending"]
        again = next(a["href"] for tag, a in self.links(page) if "sort=title" in (a.get("href") or ""))
        assert parse_qs(urlsplit(again).query)["order"] == ["desc"]

    def test_many_go_on_further_pages(self, client):
        first = client.get("/mentions", params={"q": "zed"}).text
        assert "250 mentions in 250 articles" in first
        assert first.count("<tr>") == 201
        second = client.get(next(a["href"] for _, a in self.links(first) if a.get("rel") == "next")).text
        assert second.count("<tr>") == 51
        assert client.get("/mentions", params={"q": "zed", "page": "999"}).text.count("<tr>") == 51

    def test_words_of_articles_and_addresses_are_inert(self, client):
        page = client.get("/mentions", params={"q": f"zed {EVIL}"}).text
        page += client.get(
            "/mentions", params={"q": "zed", "source": ['"><b>'], "sort": EVIL, "page": EVIL}
        ).text
        assert not {tag for tag, _ in self.links(page)} & {"script", "b", "img", "style"}
        assert not any(
            name.startswith("on") or name == "style" for _, attrs in self.links(page) for name in attrs
        )

    def test_it_may_load_stylesheets_and_send_its_form_and_nothing_else(self, client):
        policy = client.get("/mentions").headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'self'")

    def test_files_are_downloads(self, client):
        table = client.get("/mentions.csv", params={"q": "Lu Yueping"})
        assert table.headers["content-disposition"] == 'attachment; filename="mentions.csv"'
        assert table.text.startswith("\ufeffarticle_id,")
        assert len(table.text.strip().splitlines()) == 4
        assert client.get("/mentions.json", params={"q": "Lu Yueping", "after": "2024"}).json()["count"] == 1

    def test_a_bad_term_is_one_clear_line(self, client):
        for path in ("/mentions", "/mentions.csv", "/mentions.json"):
            response = client.get(path, params={"q": "?!"})
            assert response.status_code == 422
            assert "There is no word to look for" in response.text

    def test_asking_too_often_is_refused(self, seed_archive, settings):
        with TestClient(app.create_app(seed_archive, settings.model_copy(update={"rate": 1}))) as client:
            assert client.get("/mentions.json?q=mayor").status_code == 200
            refused = client.get("/mentions.json?q=mayor")
        assert refused.status_code == 429
        assert 55 <= int(refused.headers["retry-after"]) <= 61

    def test_a_question_for_every_mention_leads_to_the_list(self, client):
        told = client.post("/turn", json={"question": "Which articles mention “Lu Yueping”?"}).json()
        link = next(
            a["href"] for tag, a in self.links(told["html"]) if a.get("href", "").startswith("/mentions")
        )
        assert '“Lu Yueping” is mentioned 3 times in 2 articles.</bdi></p><p class="every">' in told["html"]
        assert "The archive does not say" not in told["html"]
        assert "<strong>3 mentions in 2 articles.</strong>" in client.get(link).text
        assert (
            "/mentions"
            not in client.post("/turn", json={"question": "Who led the delegation?"}).json()["html"]
        )
