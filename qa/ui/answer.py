"""An answer as HTML: the quotes with numbered citations, the source cards, or an honest refusal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from qa.types import Answer, Article, Citation, Coverage, Hit
from qa.ui.html import coverage_text, day, day_html, escape, isolate
from qa.ui.links import Asked, Place, article_url, original_url
from qa.wording import words_for

_SHOWN = 700


def answer_html(answer: Answer, asked: Asked, articles: Mapping[str, Article]) -> str:
    """Render an answer; ``articles`` holds, by id, those that ``answer.hits`` come from."""
    if answer.abstained:
        searched = "With these filters it covers" if asked.filters.active else "The archive covers"
        said = (
            '<p class="verdict">'
            + escape(words_for(answer.question).silent)
            + "</p>"
            + (f'<p class="reason">{escape(answer.reason)}</p>' if answer.reason else "")
            + f'<p class="covers">{searched} {escape(coverage_text(answer.coverage))}.</p>'
        )
        cards = _closest(answer.closest, asked) if answer.closest else ""
    else:
        said = f'<div class="said"><p>{_said(answer, asked)}</p></div>'
        cards = '<h2>Sources</h2>\n<ol class="cards">' + "".join(
            f'<li class="card" id="source-{citation.n}">{_card(citation, asked)}</li>'
            for citation in answer.citations
        )
        cards += "</ol>"
    notices = "".join(f'<p class="notice">{escape(notice)}</p>' for notice in answer.notices)
    return _result(notices + said, cards + _unused(answer, asked, articles))


def message_html(message: str, *, kind: str = "problem") -> str:
    """Render one friendly line where the answer would stand."""
    return _result(f'<p class="{escape(kind)}">{escape(message)}</p>', "")


def examples_html(questions: Iterable[str]) -> str:
    """Render questions the archive can answer as buttons; a click asks."""
    chips = "".join(
        f'<button type="button" class="chip" data-question="{escape(question)}">{isolate(question)}</button>'
        for question in questions
    )
    return (
        f'<p class="try">Try asking</p><div class="chips" role="group" aria-label="Examples">{chips}</div>'
        if chips
        else ""
    )


def heading_html(coverage: Coverage | None = None) -> str:
    """Render the page's heading, with what the archive covers once that is known."""
    covers = escape(coverage_text(coverage)) if coverage else "&nbsp;"
    return (
        '<h1><a href="/">Ask the archive</a></h1>'
        '<p class="lead">Answers are quotes from the articles, each with its source, or an honest '
        f'“the archive does not say”.</p><p class="covers">{covers}</p>'
    )


def _result(said: str, sources: str) -> str:
    """The frame stays the same for every answer, so that screen readers hear the new words only."""
    aside = f'<aside class="sources" aria-label="Sources">{sources}</aside>' if sources else ""
    return (
        f'<div class="result"><section class="answer" aria-label="Answer" aria-live="polite" '
        f'aria-atomic="true">{said}</section>{aside}</div>'
    )


def _said(answer: Answer, asked: Asked) -> str:
    """The answer's words; ``[n]`` is a link outside the quotes only: an article may hold a false ``[9]``."""
    out: list[str] = []
    cursor = 0
    for citation in answer.citations:
        words = r"\s+".join(re.escape(word) for word in citation.quote.split())
        if citation.kind == "metadata" or not words:
            continue
        found = re.compile(words).search(answer.text, cursor)
        if not found:
            continue
        between = re.split(r"(?<=\])\s+", answer.text[cursor : found.start()])
        out.append("</p><p>".join(_linked(text, answer.citations, asked) for text in between))
        out.append(f'<q class="quoted">{_marked(citation, "strong")}</q>')
        cursor = found.end()
    out.append(_linked(answer.text[cursor:], answer.citations, asked))
    return "".join(out)


def _linked(text: str, citations: Iterable[Citation], asked: Asked) -> str:
    known = {str(citation.n): citation for citation in citations}
    out: list[str] = []
    for piece in re.split(r"(\[\d+\])", text):
        citation = known.get(piece[1:-1]) if piece.startswith("[") else None
        if citation:
            url = escape(article_url(citation.article_id, Place.of(citation), asked))
            about = escape(f"Source {citation.n}: {_title(citation.title)}")
            out.append(
                f'<a class="cite" href="{url}" title="{about}" aria-label="{about}">[{citation.n}]</a>'
            )
        else:
            out.append(escape(piece))
    return "".join(out)


def _marked(citation: Citation, tag: str) -> str:
    """The quote with its short answer in ``tag``; a very long quote is cut around it."""
    quote, start, end = citation.quote, citation.answer_start, citation.answer_end
    low, high = 0, len(quote)
    span = (start - citation.start, end - citation.start) if start is not None and end is not None else (0, 0)
    if high > _SHOWN:
        low = max(0, min(span[0] - _SHOWN // 2, high - _SHOWN))
        high = low + _SHOWN
    a, b = (min(max(edge, low), high) for edge in span)
    marked = f"<{tag}>{escape(quote[a:b])}</{tag}>" if a < b else ""
    return (
        f"{'… ' if low else ''}{escape(quote[low:a])}{marked}{escape(quote[b:high])}"
        f"{' …' if high < len(quote) else ''}"
    )


def _card(citation: Citation, asked: Asked, *, numbered: bool = True) -> str:
    url = escape(article_url(citation.article_id, Place.of(citation), asked))
    number = f'<span class="n" aria-hidden="true">{citation.n}</span>' if numbered else ""
    about = [isolate(citation.source)] if citation.source else []
    about.append(day_html(citation.published))
    if citation.section:
        about.append(isolate(citation.section))
    record = ""
    if citation.kind == "metadata":
        record = f'<p class="record"><span>From the article’s record</span> {_field(citation)}</p>'
    original = original_url(citation)
    outward = (
        f'<a href="{escape(original)}" target="_blank" rel="noopener noreferrer nofollow">'
        f'{escape(urlsplit(original).hostname or "original")} <span aria-hidden="true">↗</span></a>'
        if original
        else ""
    )
    return (
        f'{number}<h3><a href="{url}" title="{escape(_title(citation.title))}">'
        f"{isolate(_title(citation.title))}</a></h3>"
        f'<p class="meta">{" · ".join(about)}</p>{record}'
        f"<blockquote>{_marked(citation, 'mark')}</blockquote>"
        f'<p class="links"><a href="{url}">Open in article</a>{outward}</p>'
    )


def _field(citation: Citation) -> str:
    values = {
        "published": day(citation.published) if citation.published else "undated",
        "author": citation.author or "not named",
        "source": citation.source or "not named",
        "section": citation.section or "not named",
    }
    name = citation.field
    return f"{name.capitalize()}: <mark>{isolate(values[name])}</mark>" if name in values else ""


def _closest(citation: Citation, asked: Asked) -> str:
    return (
        '<h2>Closest match</h2><p class="hint">The nearest passage there is. It does not answer the question.'
        f'</p><div class="card closest">{_card(citation, asked, numbered=False)}</div>'
    )


def _unused(answer: Answer, asked: Asked, articles: Mapping[str, Article]) -> str:
    """The passages found that no citation (and no closest match) comes from, folded away."""
    used = [*answer.citations, *([answer.closest] if answer.closest else [])]
    rest = [hit for hit in answer.hits if hit.article_id in articles and not _is_used(hit, used)]
    if not rest:
        return ""
    items = []
    for hit in rest:
        article = articles[hit.article_id]
        url = escape(article_url(article.id, Place.of_passage(hit.passage, article), asked))
        words = " ".join(hit.text[:_SHOWN].split())[: _SHOWN // 3]
        items.append(
            f'<li><a href="{url}">{isolate(_title(article.title))}</a> <span class="meta">'
            f"{day_html(article.published)}</span><p>{escape(words)}…</p></li>"
        )
    count = "1 passage" if len(rest) == 1 else f"{len(rest)} passages"
    return (
        f'<details class="unused"><summary>{count} found but not used</summary>'
        f"<ul>{''.join(items)}</ul></details>"
    )


def _is_used(hit: Hit, used: Iterable[Citation]) -> bool:
    return any(
        hit.article_id == citation.article_id
        and hit.passage.start < citation.end
        and citation.start < hit.passage.end
        for citation in used
    )


def _title(title: str) -> str:
    return title.strip() or "Untitled article"
