"""Plain text and saved pages → one article: the lines of the page's header become fields, the rest stays verbatim."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from typing import Any, NamedTuple

from qa.loaders.input_file import InputFile
from qa.loaders.loaded import LoadedArticle
from qa.text.dates import parse_day
from qa.text.sentences import split
from qa.types import Skipped

HEAD_LINES = 12
"""Lines from the top in which the page's header is looked for."""
TITLE_LENGTH = 120
"""Characters of the longest line that is taken for a title rather than a paragraph."""

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


class Page(NamedTuple):
    """The fields of an article that its text states itself, and the text without them."""

    title: str
    text: str
    published: date | None
    source: str | None
    author: str | None
    section: str | None


def load_text(file: InputFile) -> Iterator[LoadedArticle | Skipped]:
    """Yield the file's one article, or why there is none."""
    page = parse_page(file.text())
    if page.text:
        yield file.article(**page._asdict())
    else:
        yield file.skipped("nothing but a page header")


def parse_document(text: str, title: str, author: str | None) -> dict[str, Any]:
    """Return the fields of a document whose properties state a title and an author.

    A title line in the text is preferred to the stated title.
    """
    page = parse_page(text)
    stated = title.strip() if page.text == text.strip() else ""
    return page._replace(title=stated or page.title, author=page.author or author)._asdict()


def parse_page(text: str) -> Page:
    """Read one page: breadcrumb → section, byline → date, author and source; title; the rest is the text."""
    section = author = source = None
    published: date | None = None
    title = ""
    body_line = 0
    lines = text.split("\n")
    for number, raw in enumerate(lines[:HEAD_LINES]):
        line, rest = raw.strip(), lines[number + 1 :]
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
        elif not title and _is_title(line, rest):
            title = line.removeprefix("# ").strip()
        elif title or not _opens_next_paragraph(line, rest):
            break
        body_line = number + 1
    body = "\n".join(lines[body_line:]).strip()
    return Page(title or _headline(body), body, published, source, author, section)


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
    """Whether a line is above a blank line or a byline and is no sentence of the text."""
    if not any(other.strip() for other in rest) or line.endswith((".", "。")):
        return False
    below = rest[0].strip()
    if _opens_next_paragraph(line, rest) or (
        below and parse_byline(below) is None and not _DATED_BYLINE.fullmatch(below)
    ):
        return False
    return len(line) <= TITLE_LENGTH or (len(line) <= 2 * TITLE_LENGTH and len(split(line)) == 1)


def _opens_next_paragraph(line: str, rest: list[str]) -> bool:
    """Whether a line is only the beginning of the paragraph below it, cut off."""
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
