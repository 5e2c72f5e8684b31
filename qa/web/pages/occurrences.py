"""The page of every mention of a term: exact counts, a table that can be sorted, and files to take away."""

from __future__ import annotations

from typing import Any, NamedTuple, Self
from urllib.parse import urlencode

from qa.retrieval.occurrences import ORDERS, Order, ordered
from qa.types import Frozen, Occurrence, Occurrences
from qa.web.pages.cards import cut, title_of
from qa.web.pages.html import Piece, isolate, render
from qa.web.pages.links import REV_LENGTH, Asked, Place, article_url
from qa.words import PageWords

ROWS = 200
"""Rows on one page."""
_SHOWN = 400
"""Characters shown around a mention."""


class MentionsView(Frozen):
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
        page = [("page", str(view.page))] if view.page > 1 else []
        return f"/mentions?{urlencode([*view.params, *shown, *page])}"


class Head(NamedTuple):
    """The head of a column, which sorts by it."""

    label: str
    url: str
    state: str
    """As ``aria-sort`` has it."""
    arrow: str


class Row(NamedTuple):
    """A mention in the table."""

    occurrence: Occurrence
    title: str
    url: str
    pieces: list[Piece]


class Pages(NamedTuple):
    """The way through a table that is cut into pages."""

    label: str
    previous: str | None
    next: str | None


def mentions_page(found: Occurrences | None, view: MentionsView, words: PageWords, problem: str = "") -> str:
    """Render the mentions of a term, or the form that asks for one, with what went wrong."""
    filters = view.asked.filters
    return render(
        "occurrences.html",
        view=view,
        term=view.asked.question,
        words=words,
        problem=problem,
        hidden=[(name, value) for name, value in view.params if name not in {"q", "exact"}],
        only=_only(view, words) if filters.active else [],
        everything=MentionsView(asked=Asked(question=view.asked.question), exact=view.exact).url(),
        query=urlencode(view.params),
        heads=[_head(order, view, words) for order in ORDERS],
        found=found,
        **_table(found, view, words),
    )


def _only(view: MentionsView, words: PageWords) -> list[str]:
    """Return which articles are looked through."""
    filters, said = view.asked.filters, words.occurrences
    return [
        *([said.from_day.format(day=words.day(filters.after))] if filters.after else []),
        *([said.to_day.format(day=words.day(filters.before))] if filters.before else []),
        *map(isolate, filters.sources),
    ]


def _table(found: Occurrences | None, view: MentionsView, words: PageWords) -> dict[str, Any]:
    """Return the rows of the page looked at, and what is said about them."""
    if found is None:
        return {"rows": []}
    said, total = words.occurrences, len(found)
    start = max(0, min(view.page, -(-total // ROWS)) - 1) * ROWS
    shown = ordered(found, view.sort, descending=view.descending).occurrences[start : start + ROWS]
    part = ""
    if len(shown) < total:
        part = f" {said.shown.format(first=f'{start + 1:,}', last=f'{start + len(shown):,}')}"
    return {
        "rows": [_row(occurrence, words) for occurrence in shown],
        "count": said.counted("found", total, articles=words.counted("articles", found.articles)),
        "shown": part,
        "pages": _pages(start, total, view, words) if total > ROWS else None,
    }


def _head(order: Order, view: MentionsView, words: PageWords) -> Head:
    labels = {
        "date": words.fields["published"],
        "source": words.fields["source"],
        "title": words.occurrences.article,
    }
    chosen = view.sort == order
    url = view.url(sort=order, descending=chosen and not view.descending, page=1)
    if not chosen:
        return Head(labels[order], url, "none", "")
    return Head(labels[order], url, *(("descending", "▾") if view.descending else ("ascending", "▴")))


def _row(o: Occurrence, words: PageWords) -> Row:
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
    pieces = cut(o.sentence, low, first, last, high)
    return Row(o, title_of(o.title, words), article_url(o.article_id, place), pieces)


def _pages(start: int, total: int, view: MentionsView, words: PageWords) -> Pages:
    page, last = start // ROWS + 1, -(-total // ROWS)
    return Pages(
        words.occurrences.page.format(n=f"{page:,}", last=f"{last:,}"),
        view.url(page=page - 1) if page > 1 else None,
        view.url(page=page + 1) if page < last else None,
    )
