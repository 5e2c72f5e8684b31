"""The addresses the page uses: a question, a place in an article, a quote on the original page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Self
from urllib.parse import quote, urlencode, urlsplit

from qa.errors import FilterError
from qa.text.characters import CONTROL, han_count
from qa.types import Article, Citation, Filters, Frozen, Passage, Text

REV_LENGTH = 12
"""Characters of a text's SHA-256 that name its revision in an address."""
_FIELDS = {"published", "author", "source", "section"}
_LONGEST_QUESTION = 2000
"""Characters of a question that an address carries."""
_LONG_QUOTE = 120
"""Characters of a quote that a text fragment holds whole."""
_EDGE_WORDS = 5
"""Words at each end of a longer quote that a text fragment holds."""
_TWICE_DECODED = re.compile(f"[%\t\n\r{CONTROL}]")
"""What a browser or a proxy would refuse or decode twice in a path."""


class Asked(Frozen):
    """A question and its filters, as the page's address carries them."""

    question: Text = ""
    filters: Filters = Filters()
    plain: bool = False
    """Whether dates and sources that the question names are left to the search, not made filters."""

    @classmethod
    def read(
        cls,
        question: str,
        after: str | None,
        before: str | None,
        sources: Iterable[str] | None,
        *,
        plain: bool = False,
    ) -> Self:
        """Read what a person typed.

        Raises:
            FilterError: A date is not one, or the period is empty.
        """
        filters = Filters.parse(after, before, sources)
        return cls(question=question.strip(), filters=filters, plain=plain)

    @classmethod
    def restore(cls, params: Any) -> Self:
        """Read what an address carries (Starlette's ``QueryParams``); senseless filters are left out."""
        question, sources = params.get("q", ""), params.getlist("source")
        plain = "plain" in params
        try:
            return cls.read(question, params.get("after"), params.get("before"), sources, plain=plain)
        except FilterError:
            return cls.read(question, None, None, sources, plain=plain)

    @property
    def params(self) -> list[tuple[str, str]]:
        """The query parameters that restore the question; none where it is too long for an address."""
        if not 0 < len(self.question) <= _LONGEST_QUESTION:
            return []
        period = [("after", self.filters.after), ("before", self.filters.before)]
        return [
            ("q", self.question),
            *((name, day.isoformat()) for name, day in period if day),
            *(("source", source) for source in self.filters.sources),
            *([("plain", "1")] if self.plain else []),
        ]

    @property
    def url(self) -> str:
        """The page's address with this question, or the bare page without one."""
        return f"/?{urlencode(self.params)}" if self.params else "/"


class Place(Frozen):
    """A place in one revision of an article: a quote, the short answer in it, or a field."""

    start: int | None = None
    end: int | None = None
    answer_start: int | None = None
    answer_end: int | None = None
    rev: str | None = None
    field: str | None = None
    mention: int | None = None
    """Which mention of the short answer in the article is looked at, from 1; ``None`` is the quote's own."""

    @classmethod
    def of(cls, citation: Citation) -> Self:
        """The place a citation points at."""
        rev = citation.text_sha256[:REV_LENGTH]
        if citation.kind == "metadata":
            return cls(rev=rev, field=citation.field)
        span = citation.answer_start, citation.answer_end
        return cls(start=citation.start, end=citation.end, answer_start=span[0], answer_end=span[1], rev=rev)

    @classmethod
    def of_passage(cls, passage: Passage, article: Article) -> Self:
        """The place of a whole passage."""
        return cls(start=passage.start, end=passage.end, rev=article.text_sha256[:REV_LENGTH])

    @classmethod
    def read(cls, params: Mapping[str, str], length: int) -> Self:
        """Read the place from an address, in a text of ``length`` code points; nonsense is left out."""
        quoted = _span(params.get("start"), params.get("end"), 0, length)
        answer = _span(params.get("a"), params.get("b"), *quoted) if quoted else None
        rev, mention = params.get("rev", ""), params.get("mention", "")
        return cls(
            start=quoted[0] if quoted else None,
            end=quoted[1] if quoted else None,
            answer_start=answer[0] if answer else None,
            answer_end=answer[1] if answer else None,
            rev=rev if re.fullmatch(r"[0-9a-f]{4,64}", rev) else None,
            field=params.get("field") if params.get("field") in _FIELDS else None,
            mention=int(mention) if re.fullmatch(r"[1-9][0-9]{0,5}", mention) else None,
        )

    @property
    def params(self) -> list[tuple[str, str]]:
        """The query parameters that name the place."""
        offsets = [("start", self.start), ("end", self.end), ("a", self.answer_start), ("b", self.answer_end)]
        named = [*offsets, ("rev", self.rev), ("field", self.field), ("mention", self.mention)]
        return [(name, str(value)) for name, value in named if value is not None]

    @property
    def marks_something(self) -> bool:
        """Whether there is anything to highlight."""
        return self.start is not None or self.field is not None


def article_url(article_id: str, place: Place | None = None, asked: Asked | None = None) -> str:
    """Address an article's own page, at a place, with the way back to the question.

    Every id makes the round trip: it is percent-encoded as one path segment, or, where a browser or a
    proxy would resolve, refuse or decode that twice (``.``, ``..``, control characters, ``%``), sent
    as a parameter.
    """
    params = [*(place.params if place else []), *(asked.params if asked else [])]
    if article_id in {".", ".."} or _TWICE_DECODED.search(article_id):
        path, params = "/article/", [("id", article_id), *params]
    else:
        path = f"/article/{quote(article_id, safe='')}"
    query = f"?{urlencode(params)}" if params else ""
    anchor = "#mention" if place and place.mention else "#quote" if place and place.marks_something else ""
    return f"{path}{query}{anchor}"


def web_url(url: str | None) -> str | None:
    """Return ``url`` if it is a well-formed http(s) address, fit to be a link; otherwise ``None``."""
    if not url or not url.isprintable() or re.search(r"\s", url):
        return None
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        return None
    return url if usable else None


def original_url(citation: Citation, lang: str | None = None) -> str | None:
    """Address the quote on the page the article came from, by a text fragment (``#:~:text=``).

    See https://wicg.github.io/scroll-to-text-fragment/#syntax. Where the page's language ``lang`` is not
    written in the quote's script, the quote is a translation that the page does not hold: no fragment.
    """
    url = web_url(citation.url)
    if url is None or citation.kind == "metadata" or not _may_hold(citation.quote, lang):
        return url
    directive = text_directive(citation.quote)
    return f"{url}{'' if '#' in url else '#'}:~:text={directive}" if directive else url


def text_directive(text: str) -> str:
    """Write ``start`` or, for a long or many-lined quote, ``start,end`` of a text fragment."""
    words = re.findall(r"\S+", text)
    if len(text) <= _LONG_QUOTE and "\n" not in text.strip():
        return _encoded(" ".join(words))
    if len(words) > 2 * _EDGE_WORDS:
        first, last = " ".join(words[:_EDGE_WORDS]), " ".join(words[-_EDGE_WORDS:])
    else:  # a script without spaces: cut where punctuation ends a clause
        clauses = [clause for clause in re.findall(r"[^，。；：！？、\s]+[，。；：！？、]?", text) if clause]
        if len(clauses) < 2:
            return _encoded(" ".join(words))
        first, last = clauses[0], clauses[-1]
    return f"{_encoded(first)},{_encoded(last)}"


def _may_hold(quote: str, lang: str | None) -> bool:
    """Whether a page in a language can hold a quote, by its script."""
    language = (lang or "ja").split("-")[0].casefold()
    return language == "ja" or (language in {"zh", "yue"}) == (3 * han_count(quote) > len(quote))


def _encoded(text: str) -> str:
    return quote(text, safe="").replace("-", "%2D")


def _span(first: str | None, last: str | None, low: int, high: int) -> tuple[int, int] | None:
    """Two offsets as text, if they are ``low <= first < last <= high``."""
    if not all(re.fullmatch(r"[0-9]{1,12}", text or "") for text in (first, last)):
        return None
    start, end = int(first or 0), int(last or 0)
    return (start, end) if low <= start < end <= high else None
