"""The article's own page: its text with the quote highlighted, and the ways back and out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

from qa.types import Article
from qa.ui.html import day_html, document, escape, isolate
from qa.ui.links import Asked, Place, web_url

_BLANK_LINE = re.compile(r"\n[ \t\r]*\n\s*")
_NEWLINE = re.compile(r"\n\s*")


def article_page(article: Article, place: Place, asked: Asked) -> str:
    """Render an article with ``place`` highlighted, unless the text has changed since it was cited."""
    changed = place.rev is not None and not article.text_sha256.startswith(place.rev)
    if changed:
        place = Place()
    title = article.title.strip() or "Untitled article"
    notice = (
        '<p class="notice" role="status">This article has changed since it was quoted, so the quote is '
        "not marked. Ask again to find it in the present text.</p>"
        if changed
        else ""
    )
    url = web_url(article.url)
    original = (
        f'<p><a href="{escape(url)}" target="_blank" rel="noopener noreferrer nofollow">'
        'The original page <span aria-hidden="true">↗</span></a></p>'
        if url
        else ""
    )
    body = (
        f'<header class="bar"><a class="back" href="{escape(asked.url)}">'
        f'<span aria-hidden="true">←</span> {"Back to the question" if asked.question else "Ask the archive"}'
        f"</a></header>\n<main>\n<article>\n<h1>{isolate(title)}</h1>\n"
        f'<p class="meta">{_meta(article, place)}</p>\n{notice}\n'
        f'<div class="text"{_lang(article)}>\n{text_html(article.text, place)}\n</div>\n</article>\n'
        f'<footer>{original}<p class="record">Article <code>{isolate(article.id)}</code><br>SHA-256 of '
        f"the text <code>{article.text_sha256}</code></p></footer>\n</main>"
    )
    return document(title, body)


def missing_page(heading: str, message: str) -> str:
    """Render a page that says why there is no article to show."""
    return document(
        heading,
        '<header class="bar"><a class="back" href="/"><span aria-hidden="true">←</span> Ask the archive</a>'
        f"</header>\n<main><h1>{escape(heading)}</h1>\n<p>{isolate(message)}</p></main>",
    )


def text_html(text: str, place: Place) -> str:
    """Render ``text`` as paragraphs, the quote in ``<mark class="quote">`` and the answer inside it.

    A quote may run over several paragraphs; the first piece carries ``id="quote"``. Offsets count
    code points of ``text``.
    """
    span = (place.start, place.end) if place.start is not None and place.end is not None else (0, 0)
    answer = (0, 0)
    if place.answer_start is not None and place.answer_end is not None:
        answer = (place.answer_start, place.answer_end)
    out: list[str] = []
    anchor = ' id="quote"'
    for low, high in _paragraphs(text):
        start, end = max(low, span[0]), min(high, span[1])
        if start >= end:
            out.append(f"<p>{escape(text[low:high])}</p>")
            continue
        edges = sorted({start, end, *(min(max(edge, start), end) for edge in answer)})
        marked = "".join(
            f'<mark class="answer">{escape(text[a:b])}</mark>'
            if answer[0] <= a and b <= answer[1]
            else escape(text[a:b])
            for a, b in pairwise(edges)
        )
        quote = f'<mark class="quote"{anchor}>{marked}</mark>'
        out.append(f"<p>{escape(text[low:start])}{quote}{escape(text[end:high])}</p>")
        anchor = ""
    return "\n".join(out)


def _paragraphs(text: str) -> Iterator[tuple[int, int]]:
    """Spans of the paragraphs: between blank lines, or between lines where no line is blank."""
    gaps = list(_BLANK_LINE.finditer(text)) or list(_NEWLINE.finditer(text))
    edges = [0, *(edge for gap in gaps for edge in gap.span()), len(text)]
    for low, high in zip(edges[::2], edges[1::2], strict=True):
        if text[low:high].strip():
            yield low, high


def _meta(article: Article, place: Place) -> str:
    fields = [
        ("source", isolate(article.source) if article.source else ""),
        ("published", day_html(article.published)),
        ("author", isolate(article.author) if article.author else ""),
        ("section", isolate(article.section) if article.section else ""),
        ("lang", f"language: {isolate(article.lang)}" if article.lang else ""),
    ]
    shown = [
        f'<mark class="quote" id="quote">{html}</mark>' if name == place.field else f"<span>{html}</span>"
        for name, html in fields
        if html
    ]
    return ' <span class="dot" aria-hidden="true">·</span> '.join(shown)


def _lang(article: Article) -> str:
    known = article.lang and re.fullmatch(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*", article.lang)
    return f' lang="{article.lang}"' if known else ""
