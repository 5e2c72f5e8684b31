"""Plain text and saved pages → one article: page furniture becomes metadata, the rest stays verbatim."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import Any, NamedTuple

from qa.loaders.loaded import LoadedArticle
from qa.loaders.source import InputFile
from qa.text.dates import parse_day
from qa.text.sentences import split
from qa.types import Article, Skipped

HEAD_LINES = 12
"""Furniture is looked for in this many lines from the top."""
TITLE_LENGTH = 120
"""Longest line, in characters, that is a title rather than a paragraph."""

_BREADCRUMB = re.compile(r"(?:current location|当前位置|您的位置)\s*[:：]\s*(.+)", re.I)
_HOME = re.compile(r"(?:home\s*page|home|首页)", re.I)
_FIELD = re.compile(
    r"(?P<published>time|date|published|发布时间|时间|日期)\s*[:：]"
    r"|(?P<author>author|作者)\s*[:：]"
    r"|(?P<source>news source|source|新闻来源|来源)\s*[:：]"
    r"|(?P<other>\[?\s*(?:font size|字号|字体)|(?:views|hits|clicks|浏览次数|点击数)\s*[:：])",
    re.I,
)
_DATED_BYLINE = re.compile(r"(\d{4}-\d{1,2}-\d{1,2})(?:\s+\d{1,2}:\d\d(?::\d\d)?)?\s+\d+\s+By\b\s*(.*)", re.I)
_PURPOSE = re.compile(r"(?:in order )?to\s", re.I)


class _Head(NamedTuple):
    section: str | None
    title: str
    published: date | None
    author: str | None
    source: str | None
    body_line: int


def read_text(source: InputFile) -> Iterator[LoadedArticle | Skipped]:
    """Yield the file's one article, or why there is none."""
    page = parse_page(source.text(), "-")
    if page.text:
        yield source.article(**_fields(page))
    else:
        yield source.skipped("nothing but a page header")


def parse_page(text: str, article_id: str) -> Article:
    """Read one page: breadcrumb → section, byline → date, author and source; title; the rest is the text."""
    lines = text.split("\n")
    head = _head(lines)
    body = "\n".join(lines[head.body_line :]).strip()
    return Article(
        id=article_id,
        title=head.title or _headline(body),
        text=body,
        published=head.published,
        source=head.source,
        author=head.author,
        section=head.section,
    )


def parse_document(text: str, title: str, author: str | None) -> dict[str, Any]:
    """Return the fields of a document that states a title and an author in its properties.

    A title line of the text goes before the stated one.
    """
    page = parse_page(text, "-")
    stated = title.strip() if page.text == text.strip() else ""
    return _fields(page) | {"title": stated or page.title, "author": page.author or author}


def _fields(page: Article) -> dict[str, Any]:
    return page.model_dump(include={"title", "text", "published", "source", "author", "section"})


def _head(lines: list[str]) -> _Head:
    section = author = source = None
    published: date | None = None
    title = ""
    body_line = 0
    for number, raw in enumerate(lines[:HEAD_LINES]):
        line = raw.strip()
        if not line:
            continue
        if crumb := _BREADCRUMB.fullmatch(line):
            parts = [part.strip() for part in re.split(r"\s*(?:>+|»|›)\s*", crumb[1])]
            section = " > ".join(part for part in parts if part and not _HOME.fullmatch(part)) or None
        elif section and line == section.split(" > ")[-1]:
            pass
        elif byline := _DATED_BYLINE.fullmatch(line):
            published, author = parse_day(byline[1]), byline[2].strip() or None
        elif fields := parse_byline(line):
            published = parse_day(fields["published"]) if fields.get("published") else published
            author, source = fields.get("author") or author, fields.get("source") or source
        elif not title and _is_title(line, lines[number + 1 :]):
            title = line.removeprefix("# ").strip()
        elif not (not title and _opens_next_paragraph(line, lines[number + 1 :])):
            break
        body_line = number + 1
    return _Head(section, title, published, author, source, body_line)


def parse_byline(line: str) -> dict[str, str] | None:
    """Return the fields of a line such as ``Time: … Author: … News source: … [Font size: …``, if it is one."""
    marks = list(_FIELD.finditer(line))
    if not marks or marks[0].start() != 0 or (len(marks) < 2 and not parse_day(line[marks[0].end() :])):
        return None
    ends = [mark.start() for mark in marks[1:]] + [len(line)]
    return {
        str(mark.lastgroup): line[mark.end() : end].strip(" |\t[【(（")
        for mark, end in zip(marks, ends, strict=True)
        if mark.lastgroup != "other"
    }


def _is_title(line: str, rest: list[str]) -> bool:
    """Whether a line stands alone, above a blank line or a byline, and is no sentence of the text."""
    if (
        not any(other.strip() for other in rest)
        or line.endswith((".", "。"))
        or _opens_next_paragraph(line, rest)
    ):
        return False
    alone = (
        not rest[0].strip()
        or parse_byline(rest[0].strip()) is not None
        or _DATED_BYLINE.fullmatch(rest[0].strip())
    )
    return bool(alone) and (
        len(line) <= TITLE_LENGTH or (len(line) <= 2 * TITLE_LENGTH and len(split(line)) == 1)
    )


def _opens_next_paragraph(line: str, rest: list[str]) -> bool:
    """Whether a line is only the cut-off beginning of the paragraph below it."""
    following = next((other.strip() for other in rest if other.strip()), "")
    return len(line) >= 20 and len(following) > len(line) and following.startswith(line.rstrip("….").rstrip())


def _headline(body: str) -> str:
    """Make a title for a text that has none: the main clause of its first sentence."""
    spans = split(body[:4000])
    if not spans:
        return ""
    lead = body[spans[0][0] : spans[0][1]].rstrip(".。").replace("\n", " ")
    if _PURPOSE.match(lead):
        clauses = [clause.strip() for clause in lead.split(",")]
        main = next((c for c in reversed(clauses) if len(c.split()) >= 5 and not _PURPOSE.match(c)), lead)
        lead = main[:1].upper() + main[1:]
    if len(lead) <= TITLE_LENGTH:
        return lead
    return lead[:TITLE_LENGTH].rsplit(" ", 1)[0].rstrip(" ,;:") + "…"
