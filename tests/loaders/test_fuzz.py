"""Whatever bytes a file holds: reading gives articles or reasons, and passages are slices of their articles."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

import qa
from qa.loaders.encoding import decode
from qa.loaders.input_file import InputFile
from qa.loaders.limits import Budget
from qa.loaders.loaded import LoadedArticle
from qa.loaders.registry import LOADERS, load_file, load_paths
from qa.loaders.sandbox import request
from qa.loaders.sandbox_worker import parsed
from qa.text.chunking import chunk
from qa.types import Skipped
from tests.loaders.test_formats import as_parquet, page, pdf, warc, zstd

STORY = (
    "The mayor said on Monday that the mill would be rebuilt. “It will stand by winter”, she said. 市长说。 "
)


def parse_here(loader: Any, file: InputFile, data: bytes, _: int) -> list[LoadedArticle | Skipped]:
    """Parse without the sandbox, so that a thousand examples take seconds."""
    return parsed(request(loader, file), data)


def load_bytes(extension: str, data: bytes) -> list[LoadedArticle | Skipped]:
    file = InputFile(
        name=f"x{extension}",
        id="x",
        where="x",
        open=lambda: io.BytesIO(data),
        budget=Budget(len(data)),
        parse_apart=parse_here,
    )
    return list(load_file(file, None))


def tokens(text: str) -> list[tuple[int, int]]:
    return [m.span() for m in re.finditer(r"\w+|[^\w\s]", text)]


def check(items: list[LoadedArticle | Skipped]) -> None:
    assert items
    for item in items:
        if isinstance(item, Skipped):
            assert item.why.strip()
            continue
        article = item.article
        assert article.text.strip()
        assert qa.Article.model_validate_json(article.model_dump_json()) == article, "it can be stored"
        covered: set[int] = set()
        for start, end in chunk(article.text, tokens, 80):
            passage = qa.Passage(
                id=1, article_id=article.id, start=start, end=end, text=article.text[start:end]
            )
            assert passage.text.strip() == passage.text
            covered.update(range(start, end))
        assert {i for a, b in tokens(article.text) for i in range(a, b)} <= covered


ROWS = [{"id": str(n), "text": STORY * 3, "date": "2023-09-11", "tags": "a"} for n in range(3)]


def docx() -> bytes:
    from docx import Document

    document, file = Document(), io.BytesIO()
    document.add_heading("The mill", 0)
    document.add_paragraph(STORY * 3)
    document.save(file)
    return file.getvalue()


def zipped(data: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.txt", data)
        archive.writestr("b.jsonl", json.dumps(ROWS[0]))
    return file.getvalue()


TEXT = (STORY * 5).encode()
TABLE = "id,text,date\n" + "".join(f'{n},"{STORY}",2023-09-11\n' for n in range(3))
LINES = "\n".join(map(json.dumps, ROWS)).encode()
SAMPLES: dict[str, bytes] = {
    ".txt": TEXT,
    ".md": b"# The mill\n\n" + TEXT,
    **dict.fromkeys(
        (".html", ".htm", ".xhtml", ".shtml"), page('<meta name="date" content="2023-09-11">').encode()
    ),
    ".pdf": pdf(["The mill burnt down on Monday.", "Nobody was hurt."]),
    ".docx": docx(),
    ".jsonl": LINES,
    ".ndjson": LINES,
    ".json": json.dumps(ROWS).encode(),
    ".csv": TABLE.encode(),
    ".tsv": TABLE.replace(",", "\t").encode(),
    ".parquet": as_parquet(ROWS),
    ".warc": warc(("https://a.example/", b"200 OK\nContent-Type: text/html", page().encode()), gzipped=False),
    ".zip": zipped(TEXT),
    ".gz": gzip.compress(TEXT),
    ".bz2": bz2.compress(TEXT),
    ".xz": lzma.compress(TEXT),
    ".zst": zstd(TEXT),
}
NAMES = {".gz": ".txt.gz", ".bz2": ".txt.bz2", ".xz": ".txt.xz", ".zst": ".txt.zst"}


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """Cut, repeat, overwrite and insert: what disks, transfers and people do to files."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 64)))
        match draw(st.sampled_from(["drop", "noise", "copy", "cut"])):
            case "drop":
                del data[start:end]
            case "noise":
                data[start:end] = draw(st.binary(max_size=16))
            case "copy":
                data[start:start] = data[start:end] * draw(st.integers(1, 40))
            case "cut" if draw(st.booleans()):
                del data[start:]
    return bytes(data)


def test_every_loader_has_a_sample_that_loads():
    assert set(SAMPLES) == set(LOADERS)
    for extension, data in SAMPLES.items():
        items = load_bytes(NAMES.get(extension, extension), data)
        assert all(isinstance(item, LoadedArticle) for item in items), extension
        check(items)


def test_no_warning_reaches_the_user(tmp_path):
    for extension, data in SAMPLES.items():
        (tmp_path / f"x{NAMES.get(extension, extension)}").write_bytes(data)
    (tmp_path / "dated.jsonl").write_text(json.dumps({"text": STORY, "date": "11 Sep 2023 23:30 BRST"}))
    code = (
        "import sys\nfrom qa.loaders.registry import load_paths\n"
        "for item in load_paths(sys.argv[1:]): print(item.article.published)"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, tmp_path / "dated.jsonl", tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0] == "2023-09-11"
    assert len(done.stdout.splitlines()) > len(SAMPLES)


@pytest.mark.parametrize("extension", sorted(SAMPLES))
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(st.data())
def test_damaged_files_give_articles_or_reasons(extension, data):
    check(load_bytes(NAMES.get(extension, extension), data.draw(damaged(SAMPLES[extension]))))


@pytest.mark.parametrize("extension", sorted(SAMPLES))
@settings(max_examples=15, deadline=None)
@given(data=st.binary(max_size=300))
def test_arbitrary_bytes_give_articles_or_reasons(extension, data):
    check(load_bytes(NAMES.get(extension, extension), data))


texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=200).filter(str.strip)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["id", "title", "text", "url", "date", "source", "author", "x", "\ud800"]),
            values,
            max_size=6,
        ),
        max_size=4,
    )
)
def test_any_json_rows_give_articles_or_reasons(rows):
    data = "\n".join(json.dumps(row) for row in rows).encode()
    for extension, content in ((".jsonl", data), (".json", json.dumps(rows).encode())):
        items = load_bytes(extension, content)
        check(items)
        assert len(items) == max(len(rows), 1)


@settings(max_examples=100, deadline=None)
@given(st.lists(texts, min_size=1, max_size=5))
def test_tables_of_each_format_give_back_the_same_texts(stories):
    rows = [{"id": str(n), "text": text} for n, text in enumerate(stories)]
    table = io.StringIO(newline="")
    writer = csv.DictWriter(table, ["id", "text"])
    writer.writeheader()
    writer.writerows(rows)
    for extension, data in (
        (".jsonl", "\n".join(map(json.dumps, rows)).encode()),
        (".json", json.dumps(rows, ensure_ascii=False, indent=1).encode()),
        (".parquet", as_parquet(rows)),
        (".csv", table.getvalue().encode("utf-8-sig")),
    ):
        items = load_bytes(extension, data)
        assert [(item.article.id, item.article.text) for item in items] == [
            (r["id"], r["text"]) for r in rows
        ], extension


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1, max_size=12), texts
        ),
        max_size=5,
        unique_by=lambda file: file[0],
    )
)
def test_every_file_of_a_zip_is_read_or_named_or_hidden(files):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, text in files:
            archive.writestr(f"{name}.txt", text)
    items = load_bytes(".zip", file.getvalue())
    shown = [
        name
        for name, _ in files
        if not any(
            part.startswith(".") and part != ".." for part in f"{name}.txt".replace("\\", "/").split("/")
        )
    ]
    assert len(items) == max(len(shown), 1)


CHINESE = (
    "九月六日，南陵县人民检察院检察长带队赴杭州市临安区人民检察院考察学习，双方就数字检察、公益诉讼检察、党建与业务融合等"
    "工作进行了深入交流。考察组一行参观了检察文化展厅和未成年人法治教育基地，听取了情况介绍。座谈会上，大家围绕大数据法律"
    "监督模型的建立与运用展开热烈讨论，表示将把学到的好经验、好做法带回去，结合本地实际抓好落实，推动各项工作再上新台阶。"
)
TAIWANESE = (
    "臺北市政府今日舉行記者會，說明捷運新線的規劃與經費來源。市長表示，工程將於明年動工，預計五年內完成，沿線居民可望縮短通勤"
    "時間。交通局長則指出，施工期間將調整公車路線，並設置臨時停車場，請民眾提前規劃行程，配合交通管制措施。"
)


@settings(max_examples=150, deadline=None)
@given(
    story=st.sampled_from([(CHINESE, "gb18030"), (CHINESE, "gbk"), (TAIWANESE, "big5"), (CHINESE, "utf-16-le"), (TAIWANESE, "utf-16-be"), (CHINESE, "utf-16"), (TAIWANESE, "utf-8"), (STORY * 2, "utf-16-le")]),
    start=st.integers(0, 40),
    length=st.integers(32, 100),
)  # fmt: skip
def test_encodings_of_this_field_are_told_from_a_line_of_text(story, start, length):
    text, encoding = story
    text = text[start : start + length]
    assert decode(text.encode(encoding)) == text


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stories=st.lists(texts, min_size=1, max_size=4))
def test_stored_passages_are_slices_of_their_articles(stories, tmp_path_factory, request):
    folder = Path(tempfile.mkdtemp(dir=tmp_path_factory.getbasetemp()))
    for number, text in enumerate(stories):
        (folder / f"{number}.txt").write_text(text, "utf-8", newline="")
    own = request.getfixturevalue("settings")
    with qa.Archive.create(folder / "archive", settings=own) as archive:
        readable = [item for item in load_paths(folder.glob("*.txt")) if isinstance(item, LoadedArticle)]
        if not readable:
            return
        archive.add(folder.glob("*.txt"))
        for hit in archive.search("story", k=10):
            assert archive.get(hit.article_id).text[hit.passage.start : hit.passage.end] == hit.text
        assert {a.id for a in archive} == {item.article.id for item in readable}
