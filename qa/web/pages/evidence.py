"""The evidence pack: one HTML file that holds an answer and all it rests on, and asks for nothing else."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise

from qa.answering.citations import context
from qa.answering.wording import words_for
from qa.export import EvidencePack
from qa.types import Answer, Article, Citation
from qa.web import ASSETS
from qa.web.page_texts import EVIDENCE
from qa.web.pages.cards import title_of
from qa.web.pages.html import day_html, escape, isolate, lang_attribute
from qa.web.pages.links import web_url
from qa.web.texts import ENGLISH, Texts

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def evidence_html(evidence: EvidencePack, made: datetime | None = None, texts: Texts = ENGLISH) -> str:
    """Render the pack. The same evidence gives the same file, but for the time it was made.

    An article's text stands in its ``<pre>`` as it is, so that the checksum can be computed from the file.
    """
    answer, words = evidence.answer, EVIDENCE[texts.lang]
    made = (made or datetime.now(UTC)).astimezone(UTC)
    style = "".join((ASSETS / name).read_text("utf-8") for name in ("palette.css", "evidence.css"))
    cited = [*answer.citations, *([answer.closest] if answer.closest else [])]
    articles = {article.id: article for article in evidence.articles}
    order = {article.id: number for number, article in enumerate(evidence.articles, 1)}
    sources = "\n".join(_source(c, articles[c.article_id], order[c.article_id], texts) for c in cited)
    in_full = "\n".join(
        _article(article, order[article.id], [c for c in cited if c.article_id == article.id], texts)
        for article in evidence.articles
    )
    heading = words_for(answer.question).closest if answer.closest else texts.sources
    body = (
        f'<header><p class="kind">{words.kind}</p><h1>{isolate(answer.question)}</h1>{_asked(answer, texts)}</header>\n'
        f'<main>\n<section class="answer"><h2>{words.answer}</h2>\n{_answer(answer, texts)}\n</section>\n'
        + (f"<section><h2>{heading}</h2>\n<ol>\n{sources}\n</ol></section>\n" if cited else "")
        + (f"<section><h2>{words.in_full}</h2>\n{in_full}\n</section>\n" if in_full else "")
        + f"<section><h2>{words.record}</h2>\n{_record(evidence, made, texts)}\n</section>\n</main>"
    )
    return (
        f'<!doctype html>\n<html lang="{texts.lang}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">\n'
        '<meta name="referrer" content="no-referrer">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(words.title.format(question=answer.question))}</title>\n<style>\n{style}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def _asked(answer: Answer, texts: Texts) -> str:
    filters, words = answer.query.filters, EVIDENCE[texts.lang]
    parts = [
        *([words.after.format(day=filters.after)] if filters.after else []),
        *([words.before.format(day=filters.before)] if filters.before else []),
        *(words.source.format(source=isolate(source)) for source in filters.sources),
    ]
    understood = answer.query.text
    lines = [words.only.format(what=texts.joined(parts))] if parts else []
    if understood != answer.question:
        lines.append(words.understood.format(question=isolate(understood)))
    return "".join(f'<p class="soft">{line}</p>' for line in lines)


def _answer(answer: Answer, texts: Texts) -> str:
    words = words_for(answer.question)
    if answer.abstained:
        reason = f"<p>{escape(answer.reason)}</p>" if answer.reason else ""
        held = escape(words.coverage(answer.coverage, filtered=answer.query.filters.active))
        return f"<p><strong>{escape(words.silent)}</strong></p>{reason}<p>{held}</p>"
    if answer.citations[0].kind == "metadata":
        return f"<p>{isolate(answer.text)}</p>"
    quotes = "\n".join(
        f'<li><q>{_cut(c.quote, [(c.start, c.end)], c, c.start)}</q> <a href="#source-{c.n}">[{c.n}]</a></li>'
        for c in answer.citations
    )
    lead = f"<p>{escape(answer.lead)}</p>" if answer.lead else ""
    silent = (words.silent_on.format(question=question) for question in answer.unanswered)
    return f"{lead}<ul>\n{quotes}\n</ul>" + "".join(f"<p>{escape(line)}</p>" for line in silent)


def _source(c: Citation, article: Article, number: int, texts: Texts) -> str:
    low, high = context(article.text, (c.start, c.end))
    before, after = article.text[low : c.start], article.text[c.end : high]
    quote = _cut(c.quote, [(c.start, c.end)], c, c.start)
    words = EVIDENCE[texts.lang]
    place = words.place.format(
        start=f"{c.start:,}",
        end=f"{c.end:,}",
        article=f'<a href="#article-{number}">{words.article.format(n=number)}</a>',
        hash=f"<code>{article.text_sha256}</code>",
    )
    return (
        f'<li id="source-{c.n}" value="{c.n}"><p><strong>{_title(article, texts)}</strong></p>'
        f"<p>{_facts(article, texts)}</p>"
        f'<blockquote>{escape(before)}<mark class="quote">{quote}</mark>{escape(after)}</blockquote>'
        f'<p class="soft">{place}</p></li>'
    )


def _article(article: Article, number: int, cited: Sequence[Citation], texts: Texts) -> str:
    words = EVIDENCE[texts.lang]
    text = _cut(article.text, [(c.start, c.end) for c in cited if c.kind == "text"], None, 0)
    return (
        f'<article id="article-{number}"><h3>{number}. {_title(article, texts)}</h3>'
        f"<p>{_facts(article, texts)}</p>"
        f'<p class="soft">{words.id} <code>{isolate(article.id)}</code><br>{words.sha256} <code class="sha256">'
        f"{article.text_sha256}</code></p>\n<pre{lang_attribute(article.lang)}>\n{text}</pre></article>"
    )


def _title(article: Article, texts: Texts) -> str:
    return isolate(title_of(article.title, texts))


def _facts(article: Article, texts: Texts) -> str:
    url = web_url(article.url)
    facts = [
        isolate(article.source) if article.source else "",
        day_html(article.published, texts),
        isolate(article.author) if article.author else "",
        isolate(article.section) if article.section else "",
        f'<a href="{escape(url)}" rel="noopener noreferrer nofollow">{escape(url)}</a>' if url else "",
    ]
    return " · ".join(fact for fact in facts if fact)


def _cut(text: str, quotes: Sequence[tuple[int, int]], answered: Citation | None, offset: int) -> str:
    """Escape a text that begins at ``offset``, its quotes and the short answer marked."""
    spans = [(start - offset, end - offset, "quote") for start, end in quotes] if answered is None else []
    if answered and answered.answer_start is not None and answered.answer_end is not None:
        spans.append((answered.answer_start - offset, answered.answer_end - offset, "answer"))
    edges = sorted({0, len(text), *(edge for start, end, _ in spans for edge in (start, end))})
    pieces = []
    for low, high in pairwise(edges):
        piece = _verbatim(text[low:high])
        kind = next((kind for start, end, kind in spans if start <= low and high <= end), None)
        pieces.append(f'<mark class="{kind}">{piece}</mark>' if kind else piece)
    return "".join(pieces)


def _verbatim(text: str) -> str:
    """Escape so that a parser gives back the very characters; those that HTML has no way to write become U+FFFD."""
    return html.escape(_CONTROL.sub("\ufffd", text), quote=True).replace("\r", "&#13;")


def _record(evidence: EvidencePack, made: datetime, texts: Texts) -> str:
    answer, words = evidence.answer, EVIDENCE[texts.lang]

    def fingerprint(value: str) -> str:
        return words.fingerprint.format(hash=f"<code>{escape(value)}</code>")

    held = escape(texts.coverage(answer.coverage))
    rows = [
        (words.made, f'<time datetime="{made:%Y-%m-%dT%H:%M:%SZ}">{made:%Y-%m-%d %H:%M:%S} UTC</time>'),
        (words.program, escape(evidence.program)),
        (words.archive, words.generation.format(n=f"{evidence.generation:,}", what=held)),
        (words.model, texts.joined([escape(evidence.model), fingerprint(evidence.fingerprint)])),
        (words.reader, fingerprint(evidence.reader) if evidence.reader else words.no_reader),
        (words.confidence, f"{answer.confidence:.2f}"),
    ]
    listed = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in rows)
    return f'<dl>{listed}</dl><p class="soft">{words.verbatim}</p>'
