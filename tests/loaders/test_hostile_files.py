"""Files made to hang, swell, crash or escape: each is skipped with its reason, in bounded time and memory."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import random
import signal
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from qa.loaders.limits import MAX_TEXT
from qa.loaders.loaded import LoadedArticle
from qa.loaders.registry import LOADERS, MAX_SKIPS, load_paths
from qa.loaders.sandbox import Sandbox, apart
from qa.types import Skipped

GOOD = "The mill burnt down in 1900, and the mayor said that it would be rebuilt."
MIB = 1 << 20
MEMORY = 700 * MIB
"""What reading may take at most: the interpreter, its libraries, and one article at a time."""

READ = """
import json, os, resource, sys
from pathlib import Path
import qa.loaders.html, qa.loaders.pdf
from qa.loaders.registry import LOADERS, language, load_paths
from qa.loaders.sandbox import apart
LOADERS[".html"] = apart(qa.loaders.html.load_html, seconds=6)
language.detect("Everything is imported before nobody may read it.")
if sys.argv[2] == "nobody":
    os.setuid(65534)
items = [
    ["found", f.article.id, len(f.article.text)] if hasattr(f, "article") else ["skipped", *f]
    for f in load_paths([Path(sys.argv[1])])
]
# ru_maxrss of this process would begin with that of the tests which started it
own = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
peak = [1024 * own, 1024 * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss]
print(json.dumps([items, peak]))
"""


def read_apart(path: Path, user: str = "me") -> tuple[dict[str, int], dict[str, str]]:
    """Read in a process of its own: articles' lengths by id, reasons by the path below the folder."""
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", READ, path, user],
        capture_output=True, text=True, check=False, timeout=240, env={**os.environ, "PYTHONPATH": str(root)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    items, peaks = json.loads(done.stdout)
    assert max(peaks) < MEMORY, [f"{peak / MIB:.0f} MiB" for peak in peaks]
    found = {item[1]: item[2] for item in items if item[0] == "found"}
    skipped = {where.removeprefix(f"{path}/"): why for kind, where, why in items if kind == "skipped"}
    return found, skipped


def zipped(**members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name.replace("_dot_", "."), data)
    return file.getvalue()


def docx(document: bytes, **parts: bytes) -> bytes:
    from docx import Document

    whole, file = io.BytesIO(), io.BytesIO()
    Document().save(whole)
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, document if name == "word/document.xml" else old.read(name))
        for name, data in parts.items():
            new.writestr(f"word/{name}", data)
    return file.getvalue()


def looping_pdf() -> bytes:
    """A PDF whose tree of pages has itself for a child."""
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [2 0 R] /Count 1000000000 >>",
    ]
    body, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    return body + b"xref\n0 3\n0000000000 65535 f \n%strailer\n<< /Size 3 /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % (table, len(body))  # fmt: skip


LAUGHS = (
    b'<!DOCTYPE d [<!ENTITY a "ha">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + i, b"&%c;" % (97 + i) * 10) for i in range(12))
    + b"]>"
)
MANY = b"<p>word here</p>"

BOMBS: dict[str, Callable[[], bytes]] = {
    "many.zip": lambda: zipped(**{f"{n}_dot_jsonl": bytes(60 * MIB) for n in range(12)}),
    "deep.zip": lambda: _nested(8),
    "lines.jsonl.gz": lambda: gzip.compress(bytes(300 * MIB)),
    "table.csv.bz2": lambda: bz2.compress(b"text\n" + bytes(300 * MIB)),
    "text.txt.xz": lambda: lzma.compress(bytes(300 * MIB), preset=0),
    "page.html.gz.gz": lambda: gzip.compress(gzip.compress(bytes(300 * MIB), 1)),
    "media.docx": lambda: docx(b"<x/>", **{"media.bin": bytes(600 * MIB)}),
    "laughs.docx": lambda: docx(LAUGHS + b"<d>&m;</d>"),
    "laughs.xhtml": lambda: b"<?xml version='1.0'?>" + LAUGHS + b"<html><body><p>&m;</p></body></html>",
}
REASONS = {
    "many.zip": "it expands to more than 200 times its size",
    "deep.zip": "inside more than 4 archives",
    "lines.jsonl.gz": "it expands to more than 200 times its size",
    "table.csv.bz2": "a line of more than 16 MiB; the rest is not read",
    "text.txt.xz": "larger than the 16 MiB",
    "page.html.gz.gz": "larger than the 16 MiB",
    "media.docx": "unpacks to more than 512 MiB",
    "laughs.docx": "cannot be parsed",
    "laughs.xhtml": "not a web page",
}


def _nested(depth: int) -> bytes:
    data = zipped(story_dot_txt=GOOD.encode())
    for _ in range(depth):
        data = zipped(inner_dot_zip=data)
    return data


@pytest.mark.slow
def test_bombs_are_skipped_and_the_rest_is_read(tmp_path):
    for name, make in BOMBS.items():
        (tmp_path / name).write_bytes(make())
    (tmp_path / "zz.txt").write_text(GOOD)
    found, skipped = read_apart(tmp_path)
    assert found == {"zz": len(GOOD)}
    for name, reason in REASONS.items():
        whys = [why for where, why in skipped.items() if where.startswith(name)]
        assert any(why.startswith(reason) for why in whys), (name, whys)


@pytest.mark.slow
def test_pages_made_to_hang_their_parser_cost_only_themselves(tmp_path):
    hostile = {
        "attributes": b"<html><body><p "
        + b" ".join(b"a%d=1" % n for n in range(200_000))
        + b">Some text.</p>",
        "nested": b"<html><body>" + b"<div>" * 100_000 + b"Deep down.",
        "bold": b"<html><body><p>" + b"<b>" * 100_000 + b"text</p>",
        "tables": b"<html><body>" + b"<table><tr><td>" * 20_000,
        "unclosed": b"<html><!--" + b"x<" * MIB,
    }
    for name, data in hostile.items():
        (tmp_path / f"{name}.html").write_bytes(data)
    (tmp_path / "flat.html").write_bytes(b"<html><body>" + MANY * 100_000)
    (tmp_path / "zz.html").write_text(f"<html><body><p>{GOOD}</p></body></html>")
    found, skipped = read_apart(tmp_path)
    assert found["zz"] == len(GOOD)
    assert {*found, *(name.removesuffix(".html") for name in skipped)} == {*hostile, "flat", "zz"}
    assert skipped["attributes.html"] == "takes longer than 6 s to parse"


def test_broken_files_are_named_and_the_rest_is_read(tmp_path):
    noise = random.Random(7).randbytes(5000)
    files = {
        "a.pdf": b"%PDF-1.7\n" + noise,
        "b.pdf": noise,
        "c.pdf": looping_pdf(),
        "d.docx": noise,
        "e.docx": zipped(story_dot_txt=b"no document"),
        "f.zip": noise,
        "g.zip": zipped(a_dot_txt=GOOD.encode() * 9)[:-20],
        "h.parquet": b"PAR1" + noise + b"PAR1",
        "i.warc": b"WARC/1.0\r\nContent-Length: 99999999999999\r\n\r\nshort",
        "j.warc": noise,
        "k.warc": b"WARC/1.0\r\n" + b"X: y\r\n" * 10_000,
        "l.jsonl": b"[" * 100_000
        + b"\n"
        + b"1" * 5000
        + b'\n{"text": "x", "n": '
        + b"9" * 5000
        + b"}\n\xff\xfe\n",
        "m.json": b"[" + b"[" * 100_000,
        "n.json": b'[{"text": "One."}, {"text": ',
        "o.csv": b'id,text\n1,"never closed\n' + b"more,and more\n" * 10,
        "p.csv": b"",
        "q.gz": noise,
        "r.txt.xz": noise,
        "s.txt.bz2": b"BZh9" + noise,
        "t.txt.zst": b"\x28\xb5\x2f\xfd" + noise,
        "u.html": noise,
        "v.txt": noise,
        "w.tsv": noise,
        "x.json": b'{"text": "x", "extra": ' + b'{"a":' * 900 + b"1" + b"}" * 901,
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "zz.txt").write_text(GOOD)
    found, skipped = read_apart(tmp_path)
    assert found.pop("zz") == len(GOOD)
    assert len(found) == 2, "the element before the fault, and the text of the open quote"
    named = {name.split("/")[0].split(":")[0] for name in skipped}
    assert {*files} - named == {"o.csv"}
    assert all(why.strip() and "\n" not in why and "Traceback" not in why for why in skipped.values())
    assert [name for name in skipped if name.startswith("l.jsonl")] == [f"l.jsonl:{n}" for n in (1, 2, 3, 4)]


def test_broken_utf8_is_read_with_marks_where_it_is_broken(tmp_path):
    text = "Größe, Ärger und Überfluß sind schöne Wörter für müde Köche. " * 5
    data = text.encode()
    (tmp_path / "x.txt").write_bytes(data[:9] + b"\xff" + data[9:])
    (found,) = load_paths([tmp_path])
    assert found.article.text == (text[:7] + "\ufffd" + text[7:]).strip()


def test_a_line_of_200_mib_costs_only_itself(tmp_path):
    with (tmp_path / "x.jsonl").open("wb") as file:
        file.write(b'{"id": "before", "text": "Before."}\n{"text": "')
        for _ in range(200):
            file.write(b"x" * MIB)
        file.write(b'"}\n{"id": "after", "text": "After."}\n')
    found, skipped = read_apart(tmp_path)
    assert list(found) == ["before", "after"]
    assert skipped == {"x.jsonl:2": "the line is longer than 16 MiB"}


def test_files_larger_than_memory_are_not_loaded(tmp_path):
    for name in ("x.txt", "x.html", "x.pdf", "x.json", "x.csv", "x.zip", "x.parquet", "x.warc", "x.jsonl"):
        with (tmp_path / name).open("wb") as file:
            file.truncate(100 << 30)
    found, skipped = read_apart(tmp_path)
    assert found == {}
    assert {name.split(":")[0] for name in skipped} == {f.name for f in tmp_path.iterdir()}
    assert skipped["x.txt"].startswith("larger than the 16 MiB")


def test_articles_and_fields_too_long_are_refused_or_cut(tmp_path):
    rows = [
        {"id": "long", "text": "x" * (MAX_TEXT + 1)},
        {"id": "i" * 3000, "text": "x"},
        {"id": "title", "title": "t" * 100_000, "text": GOOD},
    ]
    (tmp_path / "x.jsonl").write_text("\n".join(map(json.dumps, rows)))
    items = list(load_paths([tmp_path]))
    assert [item.why.split(" and")[0] for item in items if isinstance(item, Skipped)] == [
        f"the article has {MAX_TEXT + 1:,} characters,",
        '"id": longer than 2,000 characters',
    ]
    (article,) = [item.article for item in items if isinstance(item, LoadedArticle)]
    assert len(article.title) == 1000


def test_a_million_bad_lines_are_counted_not_kept(tmp_path):
    (tmp_path / "x.jsonl").write_bytes(b"x\n" * 100_000 + b'{"id": "a", "text": "Good."}\n')
    items = list(load_paths([tmp_path]))
    assert [item.article.id for item in items if isinstance(item, LoadedArticle)] == ["a"]
    skipped = [item for item in items if isinstance(item, Skipped)]
    assert len(skipped) == MAX_SKIPS + 1
    assert skipped[-1].why == f"{100_000 - MAX_SKIPS:,} more of what it holds could not be read"


def test_names_in_an_archive_do_not_lead_out_of_it(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for name in (
            "../up.txt",
            "/etc/absolute.txt",
            "a/../../up.txt",
            "C:\\drive.txt",
            "..\\up.txt",
            "fine..txt",
        ):
            archive.writestr(name, GOOD)
        link = zipfile.ZipInfo("link.txt")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    items = list(load_paths([tmp_path]))
    assert [item.article.id for item in items if isinstance(item, LoadedArticle)] == ["x.zip/fine."]
    whys = [item.why for item in items if isinstance(item, Skipped)]
    assert whys == ["its name leads out of the archive"] * 5 + ["a link, not a file"]
    assert [p.name for p in tmp_path.parent.rglob("up.txt")] == []


def test_an_encrypted_member_is_named(tmp_path):
    data = bytearray(zipped(a_dot_txt=GOOD.encode(), b_dot_txt=GOOD.encode()))
    at = data.index(b"PK\x01\x02")
    data[at + 8] |= 1
    (tmp_path / "x.zip").write_bytes(data)
    skipped, found = load_paths([tmp_path])
    assert skipped.why.startswith("encrypted")
    assert found.article.id == "x.zip/b"


def test_a_list_of_members_too_long_is_not_loaded(tmp_path):
    data = zipped(a_dot_txt=GOOD.encode())
    at = data.index(b"PK\x05\x06")
    end = bytearray(data[at:])
    struct.pack_into("<I", end, 12, 100 * MIB)
    with (tmp_path / "x.zip").open("wb") as file:
        file.truncate(200 * MIB)
        file.seek(0, 2)
        file.write(end)
    (skipped,) = load_paths([tmp_path])
    assert skipped.why.startswith("its list of members is larger than 64 MiB")


def test_links_pipes_and_devices_in_a_folder_are_skipped(tmp_path):
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    (outside / "secret.txt").write_text("Secret.")
    (inside / "a.txt").write_text(GOOD)
    (inside / "same.txt").symlink_to("a.txt")
    (inside / "loop").symlink_to(inside)
    (inside / "self.txt").symlink_to("self.txt")
    (inside / "nowhere.txt").symlink_to("gone.txt")
    (inside / "escape.txt").symlink_to(outside / "secret.txt")
    (inside / "escape").symlink_to(outside)
    (inside / "zero.txt").symlink_to("/dev/zero")
    os.mkfifo(inside / "pipe.txt")
    found, skipped = read_apart(inside)
    assert list(found) == ["a", "same"]
    assert skipped == {
        "loop": "a link to a folder: name it itself to have it read",
        "escape": "a link to a folder: name it itself to have it read",
        "escape.txt": "a link that leads out of the folder: name it itself to have it read",
        "self.txt": "a link that leads to no file",
        "nowhere.txt": "a link that leads to no file",
        "zero.txt": "a link that leads to no file",
        "pipe.txt": "neither a file nor a folder",
    }
    assert [s.why for s in load_paths([inside / "pipe.txt", "/dev/zero"])] == [
        "neither a file nor a folder"
    ] * 2
    (named,) = load_paths([inside / "escape.txt"])
    assert named.article.text == "Secret.", "what is named itself is read, link or not"


def test_files_and_folders_without_permission_are_named(tmp_path):
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    (tmp_path / "locked").mkdir()
    (tmp_path / "locked" / "x.txt").write_text(GOOD)
    (tmp_path / "a.txt").write_text(GOOD)
    (tmp_path / "b.txt").write_text(GOOD)
    (tmp_path / "a.txt").chmod(0)
    (tmp_path / "locked").chmod(0)
    found, skipped = read_apart(tmp_path, user="nobody" if os.getuid() == 0 else "me")
    assert list(found) == ["b"]
    assert skipped == {
        "a.txt": "cannot be read: Permission denied",
        "locked": "cannot be opened: Permission denied",
    }
    (tmp_path / "locked").chmod(0o755)


@pytest.mark.parametrize("extension", sorted(LOADERS))
@pytest.mark.parametrize("content", [b"", b" \n", b"\0" * 100, b"\xff" * 100])
def test_every_loader_gives_a_reason_for_nothing(tmp_path, extension, content):
    (tmp_path / f"x{extension}").write_bytes(content)
    items = list(load_paths([tmp_path]))
    assert items
    assert all(isinstance(item, Skipped) and item.why for item in items)


def load_by_dying(file):
    os.kill(os.getpid(), signal.SIGSEGV)


def load_by_swelling(file):
    yield file.article(text="x" * (8 << 30))


def load_by_printing(file):
    print("noise" * 1000, flush=True)  # noqa: T201
    os.write(1, b"more noise\n")
    yield file.article(text=file.text())


def test_a_parser_that_dies_swells_or_prints_harms_nobody(tmp_path, monkeypatch):
    for extension, loader in (
        (".die", load_by_dying),
        (".swell", load_by_swelling),
        (".print", load_by_printing),
    ):
        monkeypatch.setitem(LOADERS, extension, apart(loader))
        (tmp_path / f"x{extension}").write_text(GOOD)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))  # where the sandbox finds these loaders
    died, printed, swelled = load_paths([tmp_path])
    assert died.why == "makes its parser crash"
    assert printed.article.text == GOOD
    assert swelled.why == "needs more memory than one document may have"


def test_a_file_in_the_working_directory_does_not_stand_in_for_a_library(tmp_path, monkeypatch):
    (tmp_path / "json.py").write_text("raise SystemExit('hostile')")
    (tmp_path / "lxml.py").write_text("raise SystemExit('hostile')")
    (tmp_path / "x.html").write_text(f"<html><body><p>{GOOD}</p></body></html>")
    monkeypatch.chdir(tmp_path)
    (found,) = load_paths(["x.html"])
    assert found.article.text == GOOD


def test_the_sandbox_ends_when_loading_ends_early(tmp_path, monkeypatch):
    started = []
    start = Sandbox._started
    monkeypatch.setattr(Sandbox, "_started", lambda self: started.append(start(self)) or started[-1])
    for n in range(3):
        (tmp_path / f"{n}.html").write_text(f"<html><body><p>{GOOD}</p></body></html>")
    reading = load_paths([tmp_path])
    next(reading)
    reading.close()
    assert len(started) == 1
    assert started[0].poll() is not None
