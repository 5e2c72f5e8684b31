"""Every format people have, as real files: what is read of each, and what is said of what cannot be."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path

import pytest

from qa.errors import InputError
from qa.loaders.input_file import InputFile
from qa.loaders.loaded import LoadedArticle
from qa.loaders.registry import LOADERS, load_paths
from qa.types import Article, Skipped

PAGE = """<!doctype html><html lang="en"><head><title>The mill burnt down | The Gazette</title>
<link rel="canonical" href="https://gazette.example/mill"><meta property="og:site_name" content="The Gazette">
<meta name="author" content="Ann Miller">{head}</head><body><nav><a href="/">Home</a> <a href="/x">News</a></nav>
<article><h1>The mill burnt down</h1>{body}<p>The old mill on the river burnt down on Monday night, the fire brigade said.
Nobody was hurt in the fire, which began in the attic.</p><p>The mayor, Jane Roe, said that the mill would be
rebuilt. "It is the heart of our town," she told reporters outside the town hall.</p></article>
<footer>Copyright 2019 The Gazette. Updated 3 May 2018</footer></body></html>"""
STORY = (
    "The mayor said on Monday that the mill would be rebuilt before the winter, at the expense of the town."
)


def read(*paths: Path | str, **options: object) -> tuple[list[Article], list[Skipped]]:
    everything = list(load_paths(paths, **options))
    return (
        [item.article for item in everything if isinstance(item, LoadedArticle)],
        [item for item in everything if isinstance(item, Skipped)],
    )


def only(path: Path, **options: object) -> Article:
    articles, skipped = read(path, **options)
    assert skipped == []
    (article,) = articles
    return article


def page(head: str = "", body: str = "") -> str:
    return PAGE.format(head=head, body=body)


# -- web pages --------------------------------------------------------------------------------


def test_a_page_gives_its_main_text_and_what_it_says_of_itself(tmp_path):
    path = tmp_path / "mill.html"
    path.write_text(page('<meta property="article:published_time" content="2023-09-11T22:30:00-05:00">'))
    article = only(path)
    assert (article.id, article.title) == ("mill", "The mill burnt down")
    assert (article.author, article.source) == ("Ann Miller", "The Gazette")
    assert article.url == "https://gazette.example/mill"
    assert article.published == date(2023, 9, 11)
    assert article.lang == "en"
    assert article.text.startswith("The old mill on the river")
    assert article.text.endswith("outside the town hall.")


@pytest.mark.parametrize(
    ("head", "body", "day"),
    [
        ("", "", None),  # a footer is no dateline
        ('<meta name="date" content="2023-09">', "", None),
        ('<meta name="PubDate" content="2023-09-11 10:20">', "", date(2023, 9, 11)),
        (
            '<script type="application/ld+json">{"@graph": [{"datePublished": "2020-02-03"}]}</script>',
            "",
            date(2020, 2, 3),
        ),
        ("", '<time datetime="2021-05-06">May 6</time>', date(2021, 5, 6)),
        ("", '<time datetime="2021-05-06">x</time><time datetime="2021-05-07">y</time>', None),
        ("", '<span class="date">6 May 2021</span>', date(2021, 5, 6)),
        ("", '<span class="date">05/06/2021</span>', None),
        ("", '<div class="pub-date">2021-05-06 08:30</div>', date(2021, 5, 6)),
        ("", "<p>The mill was built on 3 March 1850 and opened in May of that year.</p>", None),
    ],
)
def test_a_page_is_dated_only_where_it_says_so(tmp_path, head, body, day):
    (tmp_path / "x.html").write_text(page(head, body))
    assert only(tmp_path / "x.html").published == day


@pytest.mark.parametrize("declared", ["gb2312", ""])
def test_a_chinese_page_in_its_own_encoding(tmp_path, declared):
    meta = f'<meta http-equiv="Content-Type" content="text/html; charset={declared}">' if declared else ""
    text = (
        "9月6日，南陵县人民检察院检察长带队赴杭州市临安区检察院考察学习，双方就数字检察工作进行了深入交流。"
        * 3
    )
    (tmp_path / "x.htm").write_bytes(
        f"<html><head>{meta}<title>南陵县检察院赴临安考察</title></head><body><h1>南陵县检察院赴临安考察</h1>"
        f'<div class="info">发布时间：2023-09-11 来源：芜湖市人民检察院 作者：张三</div><p>{text}</p></body></html>'.encode(
            "gb18030"
        )
    )
    article = only(tmp_path / "x.htm")
    assert article.title == "南陵县检察院赴临安考察"
    assert (article.published, article.source, article.author) == (
        date(2023, 9, 11),
        "芜湖市人民检察院",
        "张三",
    )
    assert article.text == text
    assert article.lang == "zh"


def test_a_page_without_an_article_is_named(tmp_path):
    (tmp_path / "x.html").write_text("<html><body></body></html>")
    assert read(tmp_path / "x.html")[1] == [Skipped(str(tmp_path / "x.html"), "no article found on the page")]


def test_pages_are_told_by_their_first_bytes_where_the_name_does_not_tell(tmp_path):
    for name in ("article.php", "article.asp?id=5", "article", "index.html?page=2"):
        (tmp_path / name).write_text("\n<!-- saved --> " + page())
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    (tmp_path / "LICENSE").write_text("All rights reserved.")
    articles, skipped = read(tmp_path)
    assert [a.id for a in articles] == ["article", "article.asp?id=5", "article.php", "index.html?page=2"]
    assert sorted(s.why.split(" (")[0] for s in skipped) == [
        "no loader for .png",
        "no loader for files without an extension",
    ]


# -- documents --------------------------------------------------------------------------------


def pdf(*pages: list[str], **properties: str) -> bytes:
    from reportlab.lib.pagesizes import A4
    from reportlab.pdfgen.canvas import Canvas

    file = io.BytesIO()
    canvas = Canvas(file, pagesize=A4, encrypt=properties.pop("encrypt", None))
    for name, value in properties.items():
        getattr(canvas, f"set{name.title()}")(value)
    for lines in pages:
        text = canvas.beginText(72, 720)
        for line in lines:
            text.textLine(line)
        canvas.drawText(text)
        canvas.showPage()
    canvas.save()
    return file.getvalue()


def test_a_pdf_gives_paragraphs_without_page_furniture(tmp_path):
    first = [
        "The Mill Gazette 1",
        "The old mill on the river burnt down on Monday night, said the fire bri-",
        "gade. Nobody was hurt in the fire, which began in the attic, where dry",
        "hay was kept.",
        "The mayor of the town said to reporters who had gathered outside the",
        "town hall that the mill would be rebuilt before the winter comes, and",
    ]
    second = [
        "The Mill Gazette 2",
        "that Ann Roe would lead the works.",
        "The end of the story is not known.",
    ]
    third = ["The Mill Gazette 3", "Nothing else has happened since."]
    (tmp_path / "x.pdf").write_bytes(pdf(first, second, third, title="The mill", author="Jane Doe"))
    article = only(tmp_path / "x.pdf")
    assert (article.title, article.author, article.published) == ("The mill", "Jane Doe", None)
    assert article.text.split("\n") == [
        "The old mill on the river burnt down on Monday night, said the fire brigade. Nobody was hurt in the "
        "fire, which began in the attic, where dry hay was kept.",
        "The mayor of the town said to reporters who had gathered outside the town hall that the mill would be "
        "rebuilt before the winter comes, and that Ann Roe would lead the works.",
        "The end of the story is not known.",
        "Nothing else has happened since.",
    ]


def test_pdfs_without_text_or_with_a_password_are_named(tmp_path):
    (tmp_path / "a.pdf").write_bytes(pdf([], []))
    (tmp_path / "b.pdf").write_bytes(pdf([STORY], encrypt="secret"))
    assert [s.why.split(";")[0].split(":")[0] for s in read(tmp_path)[1]] == ["holds no text", "encrypted"]


def test_a_docx_gives_paragraphs_tables_and_title(tmp_path):
    from docx import Document

    document = Document()
    document.core_properties.author = "Jane Doe"
    document.add_heading("The mill", 0)
    document.add_paragraph(STORY)
    table = document.add_table(2, 2)
    for cell, text in zip(table._cells, ["Year", "Mills", "1900", "3"], strict=True):
        cell.text = text
    document.add_paragraph("That was all.")
    document.save(str(tmp_path / "x.docx"))
    article = only(tmp_path / "x.docx")
    assert (article.title, article.author, article.published) == ("The mill", "Jane Doe", None)
    assert article.text == f"{STORY}\nYear | Mills\n1900 | 3\nThat was all."


# -- tables -----------------------------------------------------------------------------------

ROWS = [
    {"key": 1, "body": "First story.", "published_at": "2023-09-11", "views": 5},
    {"key": 2, "body": "Second, with a comma\nand “quotes”.", "published_at": "September", "views": 6},
    {"key": 3, "body": "", "published_at": "2023-09-12", "views": 7},
]
MAP = {"id": "key", "text": "body", "date": "published_at"}


def as_csv(rows: list[dict], delimiter: str) -> str:
    import csv

    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0], delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def as_parquet(rows: list[dict]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), file, row_group_size=2)
    return file.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.jsonl", "\n".join(map(json.dumps, ROWS)).encode()),
        ("x.ndjson", "\n".join(map(json.dumps, ROWS)).encode()),
        ("lines.json", "\n".join(map(json.dumps, ROWS)).encode()),
        ("x.json", json.dumps(ROWS).encode()),
        ("pretty.json", ("\ufeff" + json.dumps(ROWS, indent=2)).encode()),
        ("x.csv", as_csv(ROWS, ",").encode()),
        ("marked.csv", as_csv(ROWS, ",").encode("utf-8-sig")),
        ("excel.csv", as_csv(ROWS, ";").encode("cp1252")),
        ("wide.csv", as_csv(ROWS, "\t").encode("utf-16")),
        ("x.tsv", as_csv(ROWS, "\t").encode()),
        ("x.parquet", as_parquet(ROWS)),
    ],
)
def test_columns_are_mapped_and_what_is_not_mapped_is_kept(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    articles, skipped = read(tmp_path / name, map=MAP)
    assert [(a.id, a.text, a.published) for a in articles] == [
        ("1", "First story.", date(2023, 9, 11)),
        ("2", "Second, with a comma\nand “quotes”.", None),
    ]
    assert {k: str(v) for k, v in articles[0].extra.items()} == {"views": "5"}
    assert articles[1].extra["published_at"] == "September"
    assert [s.why for s in skipped] == ['the article has no "body"']


@pytest.mark.parametrize("name", ["x.csv", "x.parquet"])
def test_a_table_without_the_text_column_says_which_it_has(tmp_path, name):
    (tmp_path / name).write_bytes(as_parquet(ROWS) if name == "x.parquet" else as_csv(ROWS, ",").encode())
    ((where, why),) = read(tmp_path / name)[1]
    assert where == str(tmp_path / name)
    assert why.startswith('no column "text" among key, body, published_at, views')
    assert "--map text=COLUMN" in why


def test_an_unknown_field_in_the_map_is_an_error():
    with pytest.raises(InputError, match="no field 'txt'"):
        load_paths(["."], map={"txt": "body"})


def test_a_csv_row_with_too_many_values_is_named_and_the_next_is_read(tmp_path):
    (tmp_path / "x.csv").write_text("id,text\n1,One, two\n2,Three\n")
    articles, skipped = read(tmp_path / "x.csv")
    assert [a.id for a in articles] == ["2"]
    assert skipped[0].where.endswith("x.csv:2")
    assert skipped[0].why.startswith("3 values for 2 columns")


def test_a_csv_field_may_be_as_long_as_an_article(tmp_path):
    (tmp_path / "x.csv").write_text(f'text\n"{"long " * 100_000}"\n')
    assert len(only(tmp_path / "x.csv").text) > 400_000


def test_values_of_parquet_that_json_has_not_are_kept_as_text(tmp_path):
    rows = [
        {
            "text": STORY,
            "date": datetime(2023, 9, 11, 8),
            "author": ["A", "B"],
            "raw": b"\xff",
            "score": float("nan"),
            "at": datetime(2020, 1, 2),
        }
    ]
    (tmp_path / "x.parquet").write_bytes(as_parquet(rows))
    article = only(tmp_path / "x.parquet")
    assert (article.published, article.author) == (date(2023, 9, 11), "A, B")
    assert article.extra == {"raw": "_w==", "score": None, "at": "2020-01-02T00:00:00"}


def test_a_json_list_is_read_to_its_first_fault(tmp_path):
    (tmp_path / "x.json").write_text(
        '[{"text": "One."}, 5, {"text": "Two."}, {"text": Three}, {"text": "Four."}]'
    )
    articles, skipped = read(tmp_path / "x.json")
    assert [a.text for a in articles] == ["One.", "Two."]
    assert skipped[0] == Skipped(f"{tmp_path / 'x.json'}:2", "a JSON int, not an object")
    assert skipped[1].why.startswith("element 4 is not valid JSON")


def test_a_json_object_is_an_article(tmp_path):
    (tmp_path / "x.json").write_text(json.dumps({"text": STORY, "title": "The mill"}, indent=1))
    assert only(tmp_path / "x.json").title == "The mill"


def test_a_json_list_longer_than_what_is_read_at_once(tmp_path):
    rows = [{"id": n, "text": f"Story {n}. " * 50} for n in range(1000)]
    (tmp_path / "x.json").write_text(json.dumps(rows))
    assert [a.id for a in read(tmp_path / "x.json")[0]] == [str(n) for n in range(1000)]


# -- archives and compression -----------------------------------------------------------------


def warc(*records: tuple[str, bytes, bytes], gzipped: bool) -> bytes:
    from warcio.statusandheaders import StatusAndHeaders
    from warcio.warcwriter import WARCWriter

    file = io.BytesIO()
    writer = WARCWriter(file, gzip=gzipped)
    writer.write_record(writer.create_warcinfo_record("x.warc", {"software": "test"}))
    for url, head, body in records:
        status, *fields = head.decode().split("\n")
        headers = StatusAndHeaders(status, [tuple(f.split(": ")) for f in fields], protocol="HTTP/1.1")
        writer.write_record(
            writer.create_warc_record(
                url,
                "response",
                payload=io.BytesIO(body),
                http_headers=headers,
                warc_headers_dict={"WARC-Date": "2024-01-02T03:04:05Z"},
            )
        )
    return file.getvalue()


@pytest.mark.parametrize("name", ["x.warc", "x.warc.gz"])
def test_the_pages_of_a_warc_are_articles(tmp_path, name):
    chinese = page(
        body="<p>南陵县人民检察院检察长带队赴杭州市临安区检察院考察学习，双方就数字检察工作进行了交流。</p>"
    )
    records = [
        ("https://a.example/1", b"200 OK\nContent-Type: text/html", page().encode()),
        ("https://a.example/2", b"200 OK\nContent-Type: image/png", b"\x89PNG"),
        ("https://a.example/3", b"404 Not Found\nContent-Type: text/html", page().encode()),
        ("https://a.example/4", b"200 OK\nContent-Type: text/html; charset=gbk", chinese.encode("gbk")),
        ("https://a.example/5", b"200 OK\nContent-Type: text/html\nContent-Encoding: gzip", gzip.compress(page().encode())),
        ("https://a.example/6", b"200 OK\nContent-Type: text/html", b"<html></html>"),
        ("https://a.example/7", b"200 OK\nContent-Type: text/html\nContent-Encoding: gzip", b"\x1f\x8b garbage"),
        ("https://a.example/8", b"200 OK\nContent-Type: TEXT/HTML", page().encode()),
    ]  # fmt: skip
    (tmp_path / name).write_bytes(warc(*records, gzipped=name.endswith("gz")))
    articles, skipped = read(tmp_path / name)
    assert [a.id[-1] for a in articles] == ["1", "4", "5", "8"]
    assert articles[0].id == "https://a.example/1"
    assert articles[0].url == "https://gazette.example/mill"
    assert articles[0].extra == {"captured": "2024-01-02T03:04:05Z"}
    assert articles[0].text == articles[2].text
    assert "南陵县人民检察院" in articles[1].text
    assert [s.where[-1] for s in skipped] == ["6", "7"]
    assert str(tmp_path / name) in skipped[0].where


def test_a_warc_cut_off_gives_what_comes_before(tmp_path):
    data = warc(*[(f"https://a.example/{n}", b"200 OK\nContent-Type: text/html", page().encode()) for n in range(3)], gzipped=True)  # fmt: skip
    (tmp_path / "x.warc.gz").write_bytes(data[:-200])
    articles, skipped = read(tmp_path)
    assert [a.id[-1] for a in articles] == ["0", "1"]
    assert "damaged" in skipped[0].why


def test_the_files_of_a_zip_are_read_each_by_its_own_loader(tmp_path):
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("deep.txt", STORY)
    with zipfile.ZipFile(tmp_path / "all.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/one.txt", STORY)
        archive.writestr("a/one.md", f"# One\n\n{STORY}")
        archive.writestr("b/page.html", page())
        archive.writestr("b/rows.jsonl.gz", gzip.compress(b'{"id": "row", "text": "A row."}\n'))
        archive.writestr("b/mill.pdf", pdf([STORY]))
        archive.writestr("inner.zip", inner.getvalue())
        archive.writestr("table.parquet", as_parquet([{"id": "cell", "text": STORY}]))
        archive.writestr("picture.png", b"\x89PNG")
        archive.writestr("__MACOSX/a/._one.txt", b"\0\1")
        archive.writestr(".hidden.txt", "x")
    articles, skipped = read(tmp_path)
    assert [a.id for a in articles] == [
        "all.zip/a/one.txt",
        "all.zip/a/one.md",
        "all.zip/b/page",
        "row",
        "all.zip/b/mill",
        "all.zip/inner.zip/deep",
        "cell",
    ]
    assert [(s.where, s.why[:18]) for s in skipped] == [
        (f"{tmp_path}/all.zip/picture.png", "no loader for .png")
    ]
    origins = {f.origin for f in load_paths([tmp_path]) if isinstance(f, LoadedArticle)}
    assert origins == {None, str((tmp_path / "all.zip").resolve())}


@pytest.mark.parametrize(
    ("name", "encoding"),
    [("新闻/南陵县.txt", "gb18030"), ("新闻/南陵县.txt", "utf-8"), ("Über/Müller.txt", "cp437")],
)
def test_a_name_in_a_zip_is_read_in_the_encoding_it_has(tmp_path, name, encoding):
    packed = name.encode(encoding)
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("x" * len(packed), STORY)
    data = (tmp_path / "x.zip").read_bytes().replace(b"x" * len(packed), packed)
    (tmp_path / "x.zip").write_bytes(data)
    assert only(tmp_path / "x.zip").id == f"x.zip/{name.removesuffix('.txt')}"


def zstd(data: bytes) -> bytes:
    from backports import zstd

    half = len(data) // 2
    return zstd.compress(data[:half]) + zstd.compress(data[half:])


@pytest.mark.parametrize(
    ("extension", "compress"),
    [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress), ("zst", zstd)],
)
def test_compressed_files_are_read_by_the_name_inside(tmp_path, extension, compress):
    (tmp_path / f"story.txt.{extension}").write_bytes(compress(STORY.encode()))
    (tmp_path / f"rows.csv.{extension}").write_bytes(compress(as_csv(ROWS, ",").encode()))
    (tmp_path / f"torn.txt.{extension}").write_bytes(compress(STORY.encode() * 100)[:-30])
    articles, skipped = read(tmp_path, map=MAP)
    assert [a.id for a in articles] == ["1", "2", "story"]
    assert articles[-1].text == STORY
    assert [(Path(s.where).name.split(".")[0], s.why[:7]) for s in skipped] == [
        ("rows", "the art"),
        ("torn", "damaged"),
    ]


# -- paths, patterns, standard input ----------------------------------------------------------


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("a.txt", "b.md", "sub/c.txt", "sub/deeper/d.txt", ".hidden/e.txt", "sub/.f.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"{name}: {STORY}")
    return tmp_path


@pytest.mark.parametrize(
    ("pattern", "ids"),
    [
        ("", ["a", "b", "sub/c", "sub/deeper/d"]),
        ("*.txt", ["a"]),
        ("**/*.txt", ["a", "sub/c", "sub/deeper/d"]),
        ("**", ["a", "b", "sub/c", "sub/deeper/d"]),
        ("su?", ["sub/c", "sub/deeper/d"]),
        ("sub/*.txt", ["c"]),
        ("[ab].*", ["a", "b"]),
    ],
)
def test_folders_and_patterns(tree, pattern, ids):
    articles, skipped = read(tree / pattern)
    assert sorted(a.id for a in articles) == ids
    assert skipped == []


def test_a_pattern_that_matches_nothing_is_named(tree):
    assert read(tree / "*.pdf")[1] == [Skipped(str(tree / "*.pdf"), "no file matches")]


def test_a_pattern_that_makes_no_sense_is_named(tree):
    ((_, why),) = read(tree / "a**b")[1]
    assert why.startswith("cannot be matched")


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(tmp_path):
    (tmp_path / "a[1].txt").write_text(STORY)
    assert only(tmp_path / "a[1].txt").id == "a[1]"


def piped(data: bytes, **options: object) -> list:
    code = (
        "import json, sys\nfrom qa.loaders.registry import load_paths\n"
        "for f in load_paths(['-'], **json.loads(sys.argv[1])):\n"
        "    print(json.dumps(list(f) if hasattr(f, 'why') else [f.article.id, f.article.text, f.origin]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(options)], input=data, capture_output=True, check=True
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_standard_input_is_told_by_its_first_bytes():
    rows = b'{"id": "a", "text": "One."}\n{"id": "b", "text": "Two."}\n'
    assert [item[0] for item in piped(rows)] == ["a", "b"]
    assert [item[0] for item in piped(gzip.compress(rows))] == ["a", "b"]
    assert [item[0] for item in piped(as_parquet([{"id": "p", "text": STORY}]))] == ["p"]
    assert piped(page().encode())[0][1].startswith("The old mill")
    assert piped(pdf([STORY]))[0][1] == STORY
    ((text_id, text, origin),) = piped(f"[Notice] {STORY}".encode())
    assert (text, origin) == (f"[Notice] {STORY}", None)
    assert text_id != piped(b"Another text.")[0][0], "named by its content"
    assert piped(b"") == [["standard input", "the file is empty"]]


def test_the_format_of_standard_input_can_be_said():
    table = b"id,text\na,One.\n"
    assert piped(table, format="csv")[0][:2] == ["a", "One."]
    assert piped(gzip.compress(table), format=".CSV")[0][:2] == ["a", "One."]
    with pytest.raises(InputError, match=r"\.doc is not known"):
        load_paths(["-"], format="doc")


def test_the_format_of_files_without_an_extension_can_be_said(tmp_path):
    (tmp_path / "notes").write_text(STORY)
    (tmp_path / "b.jsonl").write_text('{"id": "row", "text": "A row."}')
    assert [a.id for a in read(tmp_path, format="txt")[0]] == ["row", "notes"]


def test_the_docs_name_every_format():
    text = (Path(__file__).parents[2] / "docs" / "FORMATS.md").read_text("utf-8")
    assert [extension for extension in LOADERS if f"`{extension}`" not in text] == []


def test_the_loader_that_contributing_shows_works(tmp_path, monkeypatch):
    text = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text("utf-8")
    (example,) = re.findall(r"```python\n(def load_note.*?)```", text, re.S)
    assert len(example.splitlines()) <= 10
    names: dict = {
        "InputFile": InputFile,
        "LoadedArticle": LoadedArticle,
        "Skipped": Skipped,
        "Iterator": Iterator,
    }
    exec(example, names)
    monkeypatch.setitem(LOADERS, ".note", names["load_note"])
    (tmp_path / "a.note").write_text(f"The mill\n{STORY}", "gb18030")
    (tmp_path / "b.note.gz").write_bytes(gzip.compress(b"The mill"))
    (article,), skipped = read(tmp_path)
    assert (article.id, article.title, article.text, article.lang) == ("a", "The mill", STORY, "en")
    assert skipped == [Skipped(str(tmp_path / "b.note.gz"), "nothing but a title")]


def test_a_name_that_is_no_text_is_read_and_reported(tmp_path):
    for name in (b"caf\xe9.txt", b"caf\xe9.xyz"):
        (tmp_path / os.fsdecode(name)).write_text(STORY)
    (found, skipped) = load_paths([tmp_path])
    assert found.article.id == "caf\ufffd.txt"
    assert skipped.where.endswith("caf\\udce9.xyz")
    found.origin.encode()
