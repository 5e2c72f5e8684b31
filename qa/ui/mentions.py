"""The page of every mention of a term: exact counts, a table that can be sorted, and files to take away."""

from __future__ import annotations

from typing import Any, Self
from urllib.parse import urlencode

from qa.occurrences import ORDERS, Order, ordered
from qa.tabular import DEFUSED
from qa.types import Frozen, Occurrence, Occurrences
from qa.ui.html import day_html, document, escape, isolate
from qa.ui.links import REV_LENGTH, Asked, Place, article_url
from qa.ui.texts import ENGLISH, Texts

ROWS = 200
"""Rows on one page."""
_SHOWN = 400
_HEADS: dict[Order, str] = {"date": "Published", "source": "Source", "title": "Article"}


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


def mentions_page(found: Occurrences | None, view: View, problem: str = "") -> str:
    """Render the mentions of a term, or the form that asks for one, with what went wrong."""
    term = view.asked.question
    said = f'<p class="notice" role="alert">{escape(problem)}</p>' if problem else ""
    if found is not None:
        said = _found(ordered(found, view.sort, descending=view.descending), view)
    body = (
        f'<header class="bar"><a class="back" href="{escape(view.asked.url if found is None else "/")}">'
        '<span aria-hidden="true">←</span> Ask the archive</a></header>\n<main class="mentions">\n'
        f"<h1>{'Every mention of ' + isolate(term) if term else 'Every mention'}</h1>\n{_form(view)}\n{said}\n</main>"
    )
    return document(
        f"Every mention of {term}" if term else "Every mention", body, styles=("article", "mentions")
    )


def every_html(asked: Asked, texts: Texts) -> str:
    """Render the way from an answer to every mention of a term."""
    label = isolate(texts.every_of.format(term=asked.question))
    return f'<p class="every"><a href="{escape(View(asked=asked).url())}">{label}</a></p>'


def _form(view: View) -> str:
    filters = view.asked.filters
    hidden = "".join(
        f'<input type="hidden" name="{name}" value="{escape(value)}">'
        for name, value in view.params
        if name not in {"q", "exact"}
    )
    kept = ""
    if filters.active:
        parts = [
            *([f"from {filters.after}"] if filters.after else []),
            *([f"to {filters.before}"] if filters.before else []),
            *(isolate(source) for source in filters.sources),
        ]
        everything = escape(View(asked=Asked(question=view.asked.question), exact=view.exact).url())
        kept = (
            f'<p class="kept">Only {", ".join(parts)}. <a href="{everything}">Look through everything</a></p>'
        )
    return (
        '<form action="/mentions" method="get" role="search"><label for="term">A word, a name or a phrase</label>'
        f'<span class="row"><input id="term" name="q" type="search" maxlength="200" required '
        f'value="{escape(view.asked.question)}" autocomplete="off"><button type="submit">List</button></span>'
        f'<label class="exact"><input type="checkbox" name="exact" value="1"{" checked" if view.exact else ""}> '
        f"exactly as written (else “prosecutors” counts as “prosecutor”)</label>{hidden}</form>{kept}"
    )


def _found(found: Occurrences, view: View) -> str:
    covered = f"{escape(ENGLISH.coverage(found.coverage))} looked through"
    if not found.occurrences:
        return f'<p class="count" role="status"><strong>No mention.</strong> {covered}, every passage of them.</p>'
    count = _many(len(found), "mention")
    start = (min(view.page, -(-len(found) // ROWS)) - 1) * ROWS
    shown = found.occurrences[start : start + ROWS]
    part = "" if len(shown) == len(found) else f" Shown: {start + 1:,} to {start + len(shown):,}."
    query = escape(urlencode(view.params))
    rows = "\n".join(map(_row, shown))
    heads = "".join(_head(order, view) for order in ORDERS)
    return (
        f'<p class="count" role="status"><strong>{count} in {_many(found.articles, "article")}</strong>, '
        f"{covered}.{part}</p>\n"
        f'<p class="files">Take it away: <a href="/mentions.csv?{query}" download>CSV</a>, '
        f'<a href="/mentions.json?{query}" download>JSON</a>. <span class="soft">{escape(DEFUSED)}</span></p>\n'
        '<div class="scroll" role="region" aria-label="Mentions" tabindex="0"><table>'
        f'<caption class="unseen">Mentions of {isolate(found.term)}</caption>'
        f'<thead><tr>{heads}<th scope="col">Sentence</th></tr></thead>\n<tbody>\n{rows}\n</tbody></table></div>'
        f"\n{_pages(start, len(found), view)}"
    )


def _head(order: Order, view: View) -> str:
    chosen = view.sort == order
    state = ("descending" if view.descending else "ascending") if chosen else "none"
    arrow = f'<span aria-hidden="true"> {"▾" if view.descending else "▴"}</span>' if chosen else ""
    url = escape(view.url(sort=order, descending=chosen and not view.descending, page=1))
    return f'<th scope="col" aria-sort="{state}"><a href="{url}">{_HEADS[order]}{arrow}</a></th>'


def _row(o: Occurrence) -> str:
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
    where = '<span class="soft">in the title</span> ' if o.field == "title" else ""
    title = isolate(o.title.strip() or "Untitled article")
    return (
        f'<tr><td data-label="{_HEADS["date"]}">{day_html(o.published)}</td>'
        f'<td data-label="{_HEADS["source"]}">{isolate(o.source) if o.source else "—"}</td>'
        f'<th scope="row"><a href="{escape(article_url(o.article_id, place))}">{title}</a></th>'
        f"<td><bdi>{where}{sentence}</bdi></td></tr>"
    )


def _pages(start: int, total: int, view: View) -> str:
    if total <= ROWS:
        return ""
    page = start // ROWS + 1
    links = []
    if start:
        links.append(f'<a rel="prev" href="{escape(view.url(page=page - 1))}">Previous</a>')
    links.append(f"<span>Page {page:,} of {-(-total // ROWS):,}</span>")
    if start + ROWS < total:
        links.append(f'<a rel="next" href="{escape(view.url(page=page + 1))}">Next</a>')
    return f'<nav class="pages" aria-label="Pages">{" ".join(links)}</nav>'


def _many(count: int, thing: str) -> str:
    return f"{count:,} {thing}{'' if count == 1 else 's'}"
