"""Files become articles: furniture is metadata, the rest is verbatim, what is unreadable is named."""

from datetime import date
from pathlib import Path

import pytest

from qa.loaders.encoding import decode
from qa.loaders.registry import load_paths
from qa.loaders.text import parse_page
from qa.types import Skipped


def read(path: Path) -> tuple[list, list]:
    everything = list(load_paths([path]))
    return (
        [f.article for f in everything if not isinstance(f, Skipped)],
        [s for s in everything if isinstance(s, Skipped)],
    )


def test_seed_dates_are_read_and_none_is_guessed(seed_articles):
    assert {key: a.published for key, a in seed_articles.items()} == {
        "000": date(2023, 9, 11),
        "001": date(2024, 2, 28),
        "002": date(2023, 9, 8),
        "003": None,
        "004": date(2022, 5, 26),
    }


def test_seed_titles_sections_and_sources(seed_articles):
    assert "delegation led by Nanling County Procuratorate" in seed_articles["000"].title
    assert "Return to zero and restart cohesion" in seed_articles["001"].title
    assert seed_articles["002"].title.startswith('Refine the "benefit"')
    assert seed_articles["003"].title == (
        "The Chengzhong District Procuratorate and Chengzhong District Court held a work exchange symposium "
        "on the two courts"
    )
    assert seed_articles["004"].title.endswith("held a ministerial meeting")
    assert [seed_articles[k].section for k in sorted(seed_articles)] == [
        "Procuratorial window",
        "Procuratorial window",
        "new media > video",
        None,
        None,
    ]
    assert {k: a.source for k, a in seed_articles.items() if a.source} == {"001": "Wuhu City"}


def test_seed_text_is_verbatim_and_without_headers(seed_articles):
    for path in (Path(__file__).parents[2] / "seeds").glob("*.txt"):
        text = seed_articles[path.name[:3]].text
        assert text in path.read_text(encoding="utf-8")
        assert "Font size" not in text
        assert "Current location" not in text
    assert seed_articles["003"].text.startswith("In order to further implement")
    assert seed_articles["003"].text.endswith("Review: Luo Weimin"), "credits stay quotable"


def test_chinese_page_furniture():
    page = parse_page(
        "当前位置：首页 >> 检察新闻\n检察新闻\n南陵县检察院赴临安考察\n"
        "时间：2023年9月11日 作者：张三 新闻来源：芜湖市 【字号：大 中 小\n\n9月6日，检察长带队考察。",
    )
    assert (page.section, page.title, page.author, page.source) == (
        "检察新闻",
        "南陵县检察院赴临安考察",
        "张三",
        "芜湖市",
    )
    assert page.published == date(2023, 9, 11)
    assert page.text == "9月6日，检察长带队考察。"


def test_a_text_without_headers_keeps_every_word():
    page = parse_page("Time and tide wait for none. They never did.\nSource code is text.")
    assert page.text == "Time and tide wait for none. They never did.\nSource code is text."
    assert page.published is None


def test_a_markdown_heading_is_the_title():
    page = parse_page("# The mill\n\nThe mill burnt down in 1900.")
    assert (page.title, page.text) == ("The mill", "The mill burnt down in 1900.")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
def test_encodings_of_chinese_pages_are_detected(encoding):
    text = "南陵县人民检察院检察长带队赴杭州市临安区检察院考察学习，双方就数字检察工作进行了交流。" * 3
    assert decode(text.encode(encoding)) == text


def test_binary_data_is_no_text():
    assert decode(bytes(range(256)) * 20) is None
    assert decode(b"\x89PNG\r\n\x1a\n" + b"\0" * 500) is None


def test_unreadable_files_are_named_and_the_rest_goes_on(tmp_path):
    (tmp_path / "a.txt").write_text("A fine article.")
    (tmp_path / "empty.txt").write_text(" \n")
    (tmp_path / "noise.txt").write_bytes(bytes(range(256)) * 9)
    (tmp_path / "x.xyz").write_text("?")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.txt").write_text("Another article.")
    articles, skipped = read(tmp_path)
    assert [a.id for a in articles] == ["a", "sub/b"]
    assert {Path(s.where).name: s.why.split(" (")[0] for s in skipped} == {
        "empty.txt": "the file is empty",
        "noise.txt": "binary data, not text",
        "x.xyz": "no loader for .xyz",
    }


def test_files_that_differ_in_the_extension_only_keep_it(tmp_path):
    (tmp_path / "a.txt").write_text("One article.")
    (tmp_path / "a.md").write_text("Another article.")
    assert [a.id for a in read(tmp_path)[0]] == ["a.md", "a.txt"]


def test_jsonl_lines_become_articles_and_bad_lines_are_named(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text(
        '{"id": 7, "text": "First.", "date": "2023-09-26T17:01:22+00:00", "source": "A", "category": "tech"}\n'
        "\n"
        '{"text": "Second.", "url": "https://example.org/2", "date": "September"}\n'
        '{"text": " "}\n'
        "{not json}\n"
        "[1]\n"
        '{"text": "Third."}\n'
        '{"id": "z", "text": "Fourth.", "title": 5}\n'
    )
    articles, skipped = read(path)
    assert articles[0].id == "7"
    assert articles[0].published == date(2023, 9, 26)
    assert articles[0].extra == {"category": "tech"}
    assert articles[1].id == "https://example.org/2"
    assert articles[1].published is None
    assert articles[1].extra == {"date": "September"}
    assert [s.where.rsplit(":", 1)[1] for s in skipped] == ["4", "5", "6", "8"]
    assert len(articles) == 3


def test_the_id_of_a_nameless_line_does_not_depend_on_its_place(tmp_path):
    a, b = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    a.write_text('{"text": "Same."}\n{"text": "Other."}\n')
    b.write_text('{"text": "Other."}\n{"text": "Same."}\n')
    assert {x.id for x in read(a)[0]} == {x.id for x in read(b)[0]}
