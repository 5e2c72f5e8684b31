"""Web pages → the article on each, without menus and advertisements."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Any
from urllib.parse import urlsplit

from qa.loaders import encoding
from qa.loaders.input_file import InputFile
from qa.loaders.limits import Unreadable
from qa.loaders.loaded import LoadedArticle
from qa.loaders.text import parse_byline, parse_page
from qa.text.dates import parse_day
from qa.types import Skipped

SHORT = 200
"""Characters of the longest text that is taken for a byline or a date."""
DATE_NAMES = (
    "article:published_time og:article:published_time og:published_time datepublished pubdate publishdate "
    "publish_date publication_date parsely-pub-date sailthru.date citation_publication_date citation_date "
    "dc.date.issued dcterms.issued dc.date dcterms.date article.published date"
).split()
"""Names under which pages state the day they were published, the most reliable first."""

_CHARSET = re.compile(rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w-]+)", re.I)
_SAVED_FROM = re.compile(r"<!-- saved from url=\(\d+\)(https?://\S+) -->")
_DAY = re.compile(r"\d{4}\s*(?:[-/.]\s*\d{1,2}\s*[-/.]\s*\d{1,2}\b|年\s*\d{1,2}\s*月\s*\d{1,2}\s*日)")
_BYLINE = re.compile(r"date|time|publi|byline|author|source|info|meta", re.I)


def load_html(file: InputFile) -> Iterator[LoadedArticle | Skipped]:
    """Yield the page's article: main text, title, author, source, address, and the day if the page states it.

    The day is not taken from trafilatura, which makes 2023-09-22 of "2023-09" and takes footers for datelines.
    """
    import trafilatura

    data = file.read()
    declared = _CHARSET.search(data[:4096])
    page = encoding.decode(data, file.charset or (declared[1].decode("ascii") if declared else None))
    tree = None if page is None else trafilatura.load_html(page)
    if page is None or tree is None:
        raise Unreadable("not a web page")
    meta = _meta(tree)
    byline = next(filter(None, map(parse_byline, _short_texts(tree))), {})
    published = _published(tree, meta, byline)
    document = trafilatura.bare_extraction(tree, with_metadata=True, include_comments=False)
    if document is None or isinstance(document, dict) or not (text := (document.text or "").strip()):
        raise Unreadable("no article found on the page")
    title = document.title or ""
    first, _, rest = text.partition("\n")
    if rest.strip() and first.removeprefix("# ").strip() == title.strip():
        text = rest.strip()
    head = parse_page(text)
    if head.published or head.author or head.source or head.section:
        text = head.text
    saved_from = _SAVED_FROM.search(page[:2000])
    urls = (document.url, saved_from and saved_from[1], file.given.get("url"))
    url = next((url for url in urls if url and url.startswith(("http://", "https://"))), None)
    yield file.article(
        title=title or head.title,
        text=text,
        url=url,
        published=published or head.published,
        author=document.author or byline.get("author") or head.author,
        source=meta.get("contentsource")
        or byline.get("source")
        or head.source
        or document.sitename
        or (url and urlsplit(url).hostname),
        section=meta.get("article:section") or meta.get("columnname") or head.section,
    )


def _meta(tree: Any) -> dict[str, str]:
    """Return the content of the page's ``meta`` elements by name in lower case; the first of a name counts."""
    found: dict[str, str] = {}
    for element in tree.iter("meta"):
        name = element.get("property") or element.get("name") or element.get("itemprop") or ""
        if content := (element.get("content") or "").strip():
            found.setdefault(name.strip().lower(), content)
    return found


def _published(tree: Any, meta: Mapping[str, str], byline: Mapping[str, str]) -> date | None:
    """Return the day the page states, from the most reliable place that states one in full."""
    stated = [meta.get(name) for name in DATE_NAMES]
    stated += _linked_data(tree)
    stated += [
        element.get("content") or element.get("datetime") or _short_text(element)
        for element in tree.iterfind(".//*[@itemprop='datePublished']")
    ]
    stated.append(byline.get("published"))
    for text in stated:
        if text and len(text) < SHORT and (day := parse_day(text)):
            return day
    return _only(element.get("datetime") for element in tree.iter("time")) or _only(
        stated for text in _short_texts(tree) for stated in [text, *_DAY.findall(text)]
    )


def _only(stated: Iterable[str | None]) -> date | None:
    """Return the day that these texts state, unless they state several."""
    days = {day for text in stated if text and len(text) < SHORT and (day := parse_day(text))}
    return days.pop() if len(days) == 1 else None


def _linked_data(tree: Any) -> Iterator[str]:
    """Yield each ``datePublished`` of the page's JSON-LD, outermost first."""
    for script in tree.iter("script"):
        if "ld+json" not in (script.get("type") or ""):
            continue
        try:
            waiting = [json.loads(script.text or "")]
        except (ValueError, RecursionError):
            continue
        while waiting:
            value = waiting.pop(0)
            if isinstance(value, dict):
                if isinstance(stated := value.get("datePublished"), str):
                    yield stated
                waiting.extend(value.values())
            elif isinstance(value, list):
                waiting.extend(value)


def _short_texts(tree: Any) -> Iterator[str]:
    """Yield the text of each element that may be a byline, going by its class or id."""
    for element in tree.iter(
        "p", "div", "span", "td", "li", "h2", "h3", "h4", "h5", "em", "i", "font", "time"
    ):
        if _BYLINE.search(f"{element.get('class')} {element.get('id')}") and (text := _short_text(element)):
            yield text


def _short_text(element: Any) -> str:
    """Return an element's text on one line, or an empty text if it is too long."""
    parts, size = [], 0
    for part in element.itertext():
        parts.append(part)
        size += len(part)
        if size > 4 * SHORT:
            return ""
    text = " ".join("".join(parts).split())
    return text if len(text) <= SHORT else ""
