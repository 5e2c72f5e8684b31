"""The evidence pack: one HTML file that holds an answer and all it rests on, and asks for nothing else."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise

from qa.evidence import Evidence
from qa.quoting import context
from qa.types import Answer, Article, Citation
from qa.ui import ASSETS
from qa.ui.html import day_html, escape, isolate, lang_attribute
from qa.ui.links import web_url
from qa.ui.texts import ENGLISH
from qa.wording import words_for

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def evidence_html(evidence: Evidence, made: datetime | None = None) -> str:
    """Render the pack. The same evidence gives the same file, but for the time it was made.

    An article's text stands in its ``<pre>`` as it is, so that the checksum can be computed from the file.
    """
    answer = evidence.answer
    made = (made or datetime.now(UTC)).astimezone(UTC)
    style = "".join((ASSETS / name).read_text("utf-8") for name in ("palette.css", "evidence.css"))
    cited = [*answer.citations, *([answer.closest] if answer.closest else [])]
    articles = {article.id: article for article in evidence.articles}
    order = {article.id: number for number, article in enumerate(evidence.articles, 1)}
    sources = "\n".join(_source(c, articles[c.article_id], order[c.article_id]) for c in cited)
    texts = "\n".join(
        _article(article, order[article.id], [c for c in cited if c.article_id == article.id])
        for article in evidence.articles
    )
    heading = "Closest match (not an answer)" if answer.abstained and answer.closest else "Sources"
    body = (
        f'<header><p class="kind">Evidence pack</p><h1>{isolate(answer.question)}</h1>{_asked(answer)}</header>\n'
        f'<main>\n<section class="answer"><h2>Answer</h2>\n{_answer(answer)}\n</section>\n'
        + (f"<section><h2>{heading}</h2>\n<ol>\n{sources}\n</ol></section>\n" if cited else "")
        + (f"<section><h2>The articles in full</h2>\n{texts}\n</section>\n" if texts else "")
        + f"<section><h2>Record</h2>\n{_record(evidence, made)}\n</section>\n</main>"
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">\n'
        '<meta name="referrer" content="no-referrer">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Evidence: {escape(answer.question)}</title>\n<style>\n{style}</style>\n</head>\n"
        f"<body>\n{body}\n</body>\n</html>\n"
    )


def _asked(answer: Answer) -> str:
    filters = answer.query.filters
    parts = [
        *([f"published on or after {filters.after}"] if filters.after else []),
        *([f"published on or before {filters.before}"] if filters.before else []),
        *(f"from {isolate(source)}" for source in filters.sources),
    ]
    understood = answer.query.text
    lines = [f"Only articles {', '.join(parts)}."] if parts else []
    if understood != answer.question:
        lines.append(f"Understood as: {isolate(understood)}")
    return "".join(f'<p class="soft">{line}</p>' for line in lines)


def _answer(answer: Answer) -> str:
    words = words_for(answer.question)
    if answer.abstained:
        reason = f"<p>{escape(answer.reason)}</p>" if answer.reason else ""
        held = escape(ENGLISH.coverage(answer.coverage))
        return f"<p><strong>{escape(words.silent)}</strong></p>{reason}<p>Looked through: {held}.</p>"
    if answer.citations[0].kind == "metadata":
        return f"<p>{isolate(answer.text)}</p>"
    quotes = "\n".join(
        f'<li><q>{_cut(c.quote, [(c.start, c.end)], c, c.start)}</q> <a href="#source-{c.n}">[{c.n}]</a></li>'
        for c in answer.citations
    )
    lead = f"<p>{escape(answer.lead)}</p>" if answer.lead else ""
    silent = (words.silent_on.format(question=question) for question in answer.unanswered)
    return f"{lead}<ul>\n{quotes}\n</ul>" + "".join(f"<p>{escape(line)}</p>" for line in silent)


def _source(c: Citation, article: Article, number: int) -> str:
    low, high = context(article.text, (c.start, c.end))
    before, after = article.text[low : c.start], article.text[c.end : high]
    quote = _cut(c.quote, [(c.start, c.end)], c, c.start)
    return (
        f'<li id="source-{c.n}" value="{c.n}"><p><strong>{_title(article)}</strong></p><p>{_facts(article)}</p>'
        f'<blockquote>{escape(before)}<mark class="quote">{quote}</mark>{escape(after)}</blockquote>'
        f'<p class="soft">Characters {c.start:,} to {c.end:,} of <a href="#article-{number}">article {number}</a>, '
        f"SHA-256 of its text <code>{article.text_sha256}</code></p></li>"
    )


def _article(article: Article, number: int, cited: Sequence[Citation]) -> str:
    text = _cut(article.text, [(c.start, c.end) for c in cited if c.kind == "text"], None, 0)
    return (
        f'<article id="article-{number}"><h3>{number}. {_title(article)}</h3>'
        f"<p>{_facts(article)}</p>"
        f'<p class="soft">Id <code>{isolate(article.id)}</code><br>SHA-256 of the text <code class="sha256">'
        f"{article.text_sha256}</code></p>\n<pre{lang_attribute(article.lang)}>\n{text}</pre></article>"
    )


def _title(article: Article) -> str:
    return isolate(article.title.strip() or "Untitled article")


def _facts(article: Article) -> str:
    url = web_url(article.url)
    facts = [
        isolate(article.source) if article.source else "",
        day_html(article.published),
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


def _record(evidence: Evidence, made: datetime) -> str:
    answer = evidence.answer
    rows = [
        ("Made", f'<time datetime="{made:%Y-%m-%dT%H:%M:%SZ}">{made:%Y-%m-%d %H:%M:%S} UTC</time>'),
        ("Program", escape(evidence.program)),
        (
            "Archive",
            f"generation {evidence.generation:,}; {escape(ENGLISH.coverage(answer.coverage))} looked through",
        ),
        (
            "Embedding model",
            f"{escape(evidence.model)}, fingerprint <code>{escape(evidence.fingerprint)}</code>",
        ),
        ("Reader", f"fingerprint <code>{escape(evidence.reader)}</code>" if evidence.reader else "none"),
        ("Confidence", f"{answer.confidence:.2f}"),
    ]
    listed = "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in rows)
    return (
        f'<dl>{listed}</dl><p class="soft">Every quote is verbatim from the article named. A checksum is the SHA-256 '
        "of the article’s text in UTF-8, as it stands above; another checksum means another text.</p>"
    )
