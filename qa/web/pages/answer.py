"""An answer as HTML: the question as understood, the quotes with their numbers or an honest refusal, the sources."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from qa.answering.wording import words_for
from qa.retrieval.timeline import Timeline
from qa.types import Answer, Article, Citation
from qa.web.pages.cards import marked_quote, sources_html, title_of
from qa.web.pages.chips import chips_html
from qa.web.pages.feedback import feedback_html
from qa.web.pages.html import day_html, escape, isolate, lang_attribute
from qa.web.pages.links import Asked, Place, article_url
from qa.web.pages.timeline import bars_html
from qa.web.texts import Texts

_NO_BREAK = "\N{NO-BREAK SPACE}"


def answer_html(
    answer: Answer,
    asked: Asked,
    articles: Mapping[str, Article],
    texts: Texts,
    *,
    turn: int = 1,
    left_out: int = 0,
    timeline: Timeline | None = None,
    note: str = "",
    every: str = "",
    feedback: bool = False,
) -> str:
    """Render a turn of the conversation.

    Args:
        answer: What the archive said.
        asked: The question that stands alone, for the way back from an article.
        articles: By id, those that the citations and ``answer.hits`` come from.
        texts: The page's words.
        turn: Which turn it is, so that its ids are its own.
        left_out: Undated articles that the period excludes.
        timeline: When the articles near the question were published.
        note: What was done about the filters, if anything.
        every: HTML that leads to every mention of a term, where the answer counts them.
        feedback: Whether people may say what is right.
    """
    said = _refusal(answer) if answer.abstained else _Said(answer, asked, articles, texts, every).html()
    notices = "".join(
        f'<p class="notice">{escape(notice)}</p>' for notice in (note, *answer.notices) if notice
    )
    bars = bars_html(timeline, answer.query.filters, texts) if timeline else ""
    sources = sources_html(answer, asked, articles, texts, turn)
    said = f'<div class="answer">{notices}{said}</div>'
    return (
        f"{question_html(answer.question, texts, chips_html(answer, left_out, texts))}"
        f'<div class="body"><div class="column">{said}{actions_html(texts)}'
        f"{feedback_html(texts, turn) if feedback else ''}</div>"
        f'<div class="sources">{sources}</div>'
        f'<div class="more">{bars}<div class="next"></div></div></div>'
    )


def question_html(question: str, texts: Texts, chips: str = "") -> str:
    """Render the head of a turn: what was asked."""
    return f'<div class="asked"><h2><span class="unseen">{texts.you_asked} </span>{isolate(question)}</h2>{chips}</div>'


def actions_html(texts: Texts, *, answered: bool = True) -> str:
    """Render the row under an answer; what else can be done with one is added here."""
    names = {"copy": texts.copy, "link": texts.link, "evidence": texts.evidence} if answered else {}
    names |= {"again": texts.retry, "edit": texts.rephrase}
    buttons = "".join(
        f'<button type="button" data-do="{name}">{label}</button>' for name, label in names.items()
    )
    return f'<div class="actions">{buttons}</div>'


def _refusal(answer: Answer) -> str:
    words = words_for(answer.question)
    covers = words.coverage(answer.coverage, filtered=answer.query.filters.active)
    return (
        f'<p class="verdict">{escape(words.silent)}</p>'
        + (f'<p class="reason">{escape(answer.reason)}</p>' if answer.reason else "")
        + (f'<p class="covers">{escape(covers)}</p>' if covers else "")
    )


class _Said:
    """The words of an answer that is not a refusal."""

    def __init__(
        self, answer: Answer, asked: Asked, articles: Mapping[str, Article], texts: Texts, every: str
    ) -> None:
        self._answer, self._asked, self._articles, self._texts = answer, asked, articles, texts
        self._every = every

    def html(self) -> str:
        if self._answer.differ:
            return self._differing()
        lead = f'<p class="lead">{isolate(self._answer.lead)}</p>{self._every}' if self._answer.lead else ""
        return f'<div class="said">{lead}<p>{self._quoted()}</p></div>'

    def _differing(self) -> str:
        """The newest statement first and large, the earlier ones listed with their dates."""
        newest, *earlier = self._answer.citations
        items = "".join(
            f'<li><p class="when">{day_html(citation.published, self._texts)}</p>'
            f"<p>{self._statement(citation)}</p></li>"
            for citation in earlier
        )
        return (
            f'<div class="said differ"><p class="verdict">{escape(words_for(self._answer.question).differ)}</p>'
            f'<p class="when">{self._texts.latest} · {day_html(newest.published, self._texts)}</p>'
            f"<p>{self._statement(newest)}</p>"
            f'<h3 class="when">{self._texts.earlier}</h3><ol class="earlier">{items}</ol></div>'
        )

    def _statement(self, citation: Citation) -> str:
        return f"“{self._quote(citation)}”{_NO_BREAK}{self._cite(citation)}"

    def _quoted(self) -> str:
        """``[n]`` is a link outside the quotes only: an article may hold a false ``[9]``."""
        answer = self._answer
        out: list[str] = []
        cursor = len(answer.lead)
        for citation in answer.citations:
            words = r"\s+".join(re.escape(word) for word in citation.quote.split())
            if citation.kind == "metadata" or not words:
                continue
            found = re.compile(words).search(answer.text, cursor)
            if not found:
                continue
            between = re.split(r"(?<=\])\s+", answer.text[cursor : found.start()])
            out.append("</p><p>".join(self._linked(text, answer.citations) for text in between))
            out.append(self._quote(citation))
            cursor = found.end()
        out.append(self._linked(answer.text[cursor:], answer.citations))
        return "".join(out)

    def _quote(self, citation: Citation) -> str:
        article = self._articles.get(citation.article_id)
        lang = lang_attribute(article.lang if article else None)
        return f'<q class="quoted"{lang}>{marked_quote(citation, "strong")}</q>'

    def _linked(self, text: str, citations: Iterable[Citation]) -> str:
        known = {str(citation.n): citation for citation in citations}
        out: list[str] = []
        for piece in re.split(r"(\[\d+\])", text):
            citation = known.get(piece[1:-1]) if piece.startswith("[") else None
            if citation and out and out[-1].endswith(" "):
                out[-1] = out[-1][:-1] + _NO_BREAK
            out.append(self._cite(citation) if citation else escape(piece))
        return "".join(out)

    def _cite(self, citation: Citation) -> str:
        url = escape(article_url(citation.article_id, Place.of(citation), self._asked))
        title = title_of(citation.title, self._texts)
        about = escape(self._texts.source_n.format(n=citation.n, title=title))
        return (
            f'<a class="cite" data-n="{citation.n}" href="{url}" title="{about}" aria-label="{about}">'
            f"[{citation.n}]</a>"
        )
