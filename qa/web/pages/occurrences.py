"""The page of every mention of a term: exact counts, a table that can be sorted, and files to take away."""

from __future__ import annotations

from typing import Any, Self
from urllib.parse import urlencode

from qa.retrieval.occurrences import ORDERS, Order, ordered
from qa.types import Frozen, Occurrence, Occurrences
from qa.web.page_texts import MENTIONS, MentionsTexts
from qa.web.pages.cards import title_of
from qa.web.pages.html import day_html, document, escape, isolate
from qa.web.pages.links import REV_LENGTH, Asked, Place, article_url
from qa.web.texts import Texts

ROWS = 200
"""Rows on one page."""
_SHOWN = 400


class View(Frozen):
    """What of the mentions is shown, as the page's address carries it."""

    asked: Asked = Asked()
    exact: bool = False
    sort: Order = "date"
    descending: bool = True
    page: int = 1

    @classmethod
    def restore(cls, params: Any) -> Self:
        """Read an address (Starlette's ``QueryParams``); nonsense is left out."""
        sort, page = params.get("sort"), params.get("page", "")
        return cls(
            asked=Asked.restore(params),
            exact=params.get("exact") == "1",
            sort=sort if sort in ORDERS else "date",
            descending=params.get("order", "asc" if sort in ORDERS else "desc") == "desc",
            page=int(page) if page.isascii() and page.isdigit() and 0 < len(page) < 8 else 1,
        )

    @property
    def params(self) -> list[tuple[str, str]]:
        """The query parameters of the same mentions, however shown."""
        return [*self.asked.params, *([("exact", "1")] if self.exact else [])]

    def url(self, **change: object) -> str:
        """Address the view with something changed."""
        view = self.model_copy(update=change)
        shown = [("sort", view.sort), ("order", "desc" if view.descending else "asc")]
        return f"/mentions?{urlencode([*view.params, *shown, *([('page', str(view.page))] if view.page > 1 else [])])}"


def mentions_page(found: Occurrences | None, view: View, texts: Texts, problem: str = "") -> str:
    """Render the mentions of a term, or the form that asks for one, with what went wrong."""
    term, words = view.asked.question, MENTIONS[texts.lang]
    said = f'<p class="notice" role="alert">{escape(problem)}</p>' if problem else ""
    if found is not None:
        said = _found(ordered(found, view.sort, descending=view.descending), view, texts)
    heading = words.title_of.format(term=isolate(term)) if term else words.title
    body = (
        f'<header class="bar"><a class="back" href="/"><span aria-hidden="true">←</span> {texts.home}</a></header>\n'
        f'<main class="mentions">\n<h1>{heading}</h1>\n{_form(view, texts)}\n{said}\n</main>'
    )
    title = words.title_of.format(term=term) if term else words.title
    return document(title, body, texts, styles=("article", "mentions"))


def every_html(asked: Asked, texts: Texts) -> str:
    """Render the way from an answer to every mention of a term."""
    label = isolate(texts.every_of.format(term=asked.question))
    return f'<p class="every"><a href="{escape(View(asked=asked).url())}">{label}</a></p>'


def _form(view: View, texts: Texts) -> str:
    filters, words = view.asked.filters, MENTIONS[texts.lang]
    hidden = "".join(
        f'<input type="hidden" name="{name}" value="{escape(value)}">'
        for name, value in view.params
        if name not in {"q", "exact"}
    )
    kept = ""
    if filters.active:
        parts = [
            *([words.from_day.format(day=texts.day(filters.after))] if filters.after else []),
            *([words.to_day.format(day=texts.day(filters.before))] if filters.before else []),
            *(isolate(source) for source in filters.sources),
        ]
        everything = escape(View(asked=Asked(question=view.asked.question), exact=view.exact).url())
        only = words.only.format(what=texts.joined(parts))
        kept = f'<p class="kept">{only} <a href="{everything}">{words.everything}</a></p>'
    return (
        f'<form action="/mentions" method="get" role="search"><label for="term">{words.field}</label>'
        f'<span class="row"><input id="term" name="q" type="search" maxlength="200" required '
        f'value="{escape(view.asked.question)}" autocomplete="off"><button type="submit">{words.submit}</button></span>'
        f'<label class="exact"><input type="checkbox" name="exact" value="1"{" checked" if view.exact else ""}> '
        f"{words.exact}</label>{hidden}</form>{kept}"
    )


def _found(found: Occurrences, view: View, texts: Texts) -> str:
    words = MENTIONS[texts.lang]
    looked = f'<span class="soft">{words.looked.format(what=escape(texts.coverage(found.coverage)))}</span>'
    if not found.occurrences:
        return f'<p class="count" role="status"><strong>{words.none}</strong> {looked}</p>'
    articles = words.one_article if found.articles == 1 else words.articles.format(n=f"{found.articles:,}")
    count = words.one if len(found) == 1 else words.many.format(n=f"{len(found):,}", articles=articles)
    start = (min(view.page, -(-len(found) // ROWS)) - 1) * ROWS
    shown = found.occurrences[start : start + ROWS]
    part = ""
    if len(shown) < len(found):
        part = f" {words.shown.format(first=f'{start + 1:,}', last=f'{start + len(shown):,}')}"
    query = escape(urlencode(view.params))
    rows = "\n".join(_row(occurrence, texts) for occurrence in shown)
    heads = "".join(_head(order, view, words) for order in ORDERS)
    return (
        f'<p class="count" role="status"><strong>{count}</strong>{part} {looked}</p>\n'
        f'<p class="files">{words.download} <a href="/mentions.csv?{query}" download>CSV</a>, '
        f'<a href="/mentions.json?{query}" download>JSON</a>. {words.defused}</p>\n'
        f'<div class="scroll" role="region" aria-label="{words.region}" tabindex="0"><table>'
        f'<caption class="unseen">{words.title_of.format(term=isolate(found.term))}</caption>'
        f'<thead><tr>{heads}<th scope="col">{words.sentence}</th></tr></thead>\n<tbody>\n{rows}\n</tbody></table></div>'
        f"\n{_pages(start, len(found), view, words)}"
    )


def _head(order: Order, view: View, words: MentionsTexts) -> str:
    chosen = view.sort == order
    state = ("descending" if view.descending else "ascending") if chosen else "none"
    arrow = f'<span aria-hidden="true"> {"▾" if view.descending else "▴"}</span>' if chosen else ""
    url = escape(view.url(sort=order, descending=chosen and not view.descending, page=1))
    return f'<th scope="col" aria-sort="{state}"><a href="{url}">{words.heads[order]}{arrow}</a></th>'


def _row(o: Occurrence, texts: Texts) -> str:
    place = Place()
    if o.field == "text":
        place = Place(
            start=o.sentence_start,
            end=o.sentence_start + len(o.sentence),
            answer_start=o.start,
            answer_end=o.end,
            rev=o.text_sha256[:REV_LENGTH],
        )
    first, last = o.start - o.sentence_start, o.end - o.sentence_start
    low, high = max(0, first - _SHOWN // 2), min(len(o.sentence), last + _SHOWN // 2)
    sentence = (
        f"{'… ' if low else ''}{escape(o.sentence[low:first])}<mark>{escape(o.sentence[first:last])}</mark>"
        f"{escape(o.sentence[last:high])}{' …' if high < len(o.sentence) else ''}"
    )
    in_title = f'<span class="soft">{MENTIONS[texts.lang].in_title}</span> ' if o.field == "title" else ""
    return (
        f"<tr><td>{day_html(o.published, texts)}</td><td>{isolate(o.source) if o.source else ''}</td>"
        f'<th scope="row"><a href="{escape(article_url(o.article_id, place))}">{isolate(title_of(o.title, texts))}</a>'
        f"</th><td>{in_title}<bdi>{sentence}</bdi></td></tr>"
    )


def _pages(start: int, total: int, view: View, words: MentionsTexts) -> str:
    if total <= ROWS:
        return ""
    page = start // ROWS + 1
    links = []
    if start:
        links.append(f'<a rel="prev" href="{escape(view.url(page=page - 1))}">{words.previous}</a>')
    links.append(f"<span>{words.page.format(n=f'{page:,}', last=f'{-(-total // ROWS):,}')}</span>")
    if start + ROWS < total:
        links.append(f'<a rel="next" href="{escape(view.url(page=page + 1))}">{words.next}</a>')
    return f'<nav class="pages" aria-label="{words.pages}">{" ".join(links)}</nav>'
