"""The sources beside an answer: numbered cards, the closest match, the passages not used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from qa.answering.wording import words_for
from qa.types import Answer, Article, Citation, Copy, Hit
from qa.web.pages.html import day_html, escape, isolate, lang_attribute, translated_html
from qa.web.pages.links import Asked, Place, article_url, original_url
from qa.web.texts import Texts

SHOWN = 700
"""Characters of a quote that are shown."""
_GLIMPSE, _COPIES = 230, 50


def sources_html(
    answer: Answer, asked: Asked, articles: Mapping[str, Article], texts: Texts, turn: int
) -> str:
    """Render the cards in the order cited, or the closest match, and the passages not used, folded."""
    card = _Cards(asked, articles, texts)
    unused = card.unused(answer)
    if answer.closest:
        return card.closest(answer.closest, words_for(answer.question).closest) + unused
    cards = "".join(
        f'<li class="card" id="turn-{turn}-source-{c.n}" data-n="{c.n}">{card.html(c)}</li>'
        for c in answer.citations
    )
    shown = f'<h3>{texts.sources}</h3><ol class="cards">{cards}</ol>' if cards else ""
    return shown + unused


def marked_quote(citation: Citation, tag: str) -> str:
    """Render the quote with its short answer in ``tag``; a very long quote is cut around it."""
    quote, start, end = citation.quote, citation.answer_start, citation.answer_end
    low, high = 0, len(quote)
    span = (start - citation.start, end - citation.start) if start is not None and end is not None else (0, 0)
    if high > SHOWN:
        low = max(0, min(span[0] - SHOWN // 2, high - SHOWN))
        high = low + SHOWN
    a, b = (min(max(edge, low), high) for edge in span)
    marked = f"<{tag}>{escape(quote[a:b])}</{tag}>" if a < b else ""
    return (
        f"{'… ' if low else ''}{escape(quote[low:a])}{marked}{escape(quote[b:high])}"
        f"{' …' if high < len(quote) else ''}"
    )


def title_of(title: str, texts: Texts) -> str:
    """Return an article's title, or the words that stand for a missing one."""
    return title.strip() or texts.untitled


class _Cards:
    def __init__(self, asked: Asked, articles: Mapping[str, Article], texts: Texts) -> None:
        self._asked, self._articles, self._texts = asked, articles, texts

    def html(self, citation: Citation, *, numbered: bool = True) -> str:
        texts, article = self._texts, self._articles.get(citation.article_id)
        url = escape(article_url(citation.article_id, Place.of(citation), self._asked))
        lang = lang_attribute(article.lang if article else None)
        about = [isolate(citation.source)] if citation.source else []
        about.append(day_html(citation.published, texts))
        if citation.section:
            about.append(isolate(citation.section))
        if article and (badge := translated_html(article, texts)):
            about.append(badge)
        record = ""
        if citation.kind == "metadata":
            record = f'<p class="record"><span>{texts.record}</span> {self._field(citation)}</p>'
        original = original_url(citation, article.lang if article else None)
        outward = (
            f'<a href="{escape(original)}" target="_blank" rel="noopener noreferrer nofollow">'
            f'{escape(urlsplit(original).hostname or texts.original)} <span aria-hidden="true">↗</span></a>'
            if original
            else ""
        )
        number = f'<span class="n" aria-hidden="true">{citation.n}</span>' if numbered else ""
        title = title_of(citation.title, texts)
        return (
            f'{number}<h4><a href="{url}" title="{escape(title)}"{lang}>{isolate(title)}</a></h4>'
            f'<p class="meta">{" · ".join(about)}</p>{record}'
            f"<blockquote{lang}>{marked_quote(citation, 'mark')}</blockquote>"
            f'<p class="links"><a href="{url}">{texts.open}</a>{outward}</p>{self._also(citation)}'
        )

    def closest(self, citation: Citation, heading: str) -> str:
        return f'<h3>{heading}</h3><div class="card closest">{self.html(citation, numbered=False)}</div>'

    def unused(self, answer: Answer) -> str:
        """The passages found that no citation (and no closest match) comes from, folded away."""
        used = [*answer.citations, *([answer.closest] if answer.closest else [])]
        rest = [hit for hit in answer.hits if hit.article_id in self._articles and not _is_used(hit, used)]
        if not rest:
            return ""
        texts = self._texts
        count = texts.unused_one if len(rest) == 1 else texts.unused.format(n=len(rest))
        items = "".join(map(self._passage, rest))
        return f'<details class="unused"><summary>{count}</summary><ul>{items}</ul></details>'

    def _passage(self, hit: Hit) -> str:
        article = self._articles[hit.article_id]
        url = escape(article_url(article.id, Place.of_passage(hit.passage, article), self._asked))
        words = " ".join(hit.text[:SHOWN].split())[:_GLIMPSE]
        lang = lang_attribute(article.lang)
        return (
            f'<li><a href="{url}"{lang}>{isolate(title_of(article.title, self._texts))}</a> '
            f'<span class="meta">{day_html(article.published, self._texts)}</span>'
            f"<p{lang}>{escape(words)}…</p></li>"
        )

    def _also(self, citation: Citation) -> str:
        """How many other articles tell the same story, and when the first of them did."""
        n, first = len(citation.also), citation.first_told
        text = self._texts.also_one if n == 1 else self._texts.also.format(n=n)
        if first and first.published:
            text += self._texts.also_first.format(day=self._texts.day(first.published))
        items = "".join(map(self._copy, citation.also[:_COPIES]))
        more = "<li>…</li>" if n > _COPIES else ""
        told = f"<summary>{escape(text)}</summary><ul>{items}{more}</ul>"
        return f'<details class="also">{told}</details>' if n else ""

    def _copy(self, copy: Copy) -> str:
        url = escape(article_url(copy.article_id, asked=self._asked))
        about = [isolate(copy.source)] if copy.source else []
        about.append(day_html(copy.published, self._texts))
        title = isolate(title_of(copy.title, self._texts))
        return f'<li><a href="{url}">{title}</a> <span class="meta">{" · ".join(about)}</span></li>'

    def _field(self, citation: Citation) -> str:
        texts = self._texts
        values = {
            "published": texts.day(citation.published) if citation.published else texts.undated,
            "author": citation.author or texts.unnamed,
            "source": citation.source or texts.unnamed,
            "section": citation.section or texts.unnamed,
        }
        name = citation.field
        return f"{texts.fields[name]}: <mark>{isolate(values[name])}</mark>" if name in values else ""


def _is_used(hit: Hit, used: Iterable[Citation]) -> bool:
    return any(
        hit.article_id == citation.article_id
        and hit.passage.start < citation.end
        and citation.start < hit.passage.end
        for citation in used
    )
