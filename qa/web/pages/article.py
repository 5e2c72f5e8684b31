"""The article's own page: its text with the quote highlighted, and the ways on, back and out."""

from __future__ import annotations

from qa.types import Article
from qa.web.pages.html import day_html, document, escape, isolate, lang_attribute, translated_html
from qa.web.pages.links import Asked, Place, article_url, web_url
from qa.web.pages.marking import Span, current_mention, mentions_in, text_html
from qa.web.texts import Texts


def article_page(article: Article, place: Place, asked: Asked, texts: Texts) -> str:
    """Render an article with ``place`` highlighted, unless the text has changed since it was cited."""
    changed = place.rev is not None and not article.text_sha256.startswith(place.rev)
    if changed:
        place = Place()
    title = article.title.strip() or texts.untitled
    notice = f'<p class="notice" role="status">{texts.changed}</p>' if changed else ""
    url = web_url(article.url)
    original = (
        f'<p><a href="{escape(url)}" target="_blank" rel="noopener noreferrer nofollow">'
        f'{texts.original_page} <span aria-hidden="true">↗</span></a></p>'
        if url
        else ""
    )
    mentions, lang = mentions_in(article.text, place), lang_attribute(article.lang)
    body = (
        f'<header class="bar"><a class="back" href="{escape(asked.url)}">'
        f'<span aria-hidden="true">←</span> {texts.back if asked.question else texts.home}'
        f"</a>{_steps(article, place, asked, mentions, texts)}</header>\n<main>\n<article>\n"
        f'<h1{lang}>{isolate(title)}</h1>\n<p class="meta">{_meta(article, place, texts)}</p>\n{notice}\n'
        f'<div class="text"{lang}>\n{text_html(article.text, place, mentions)}\n</div>\n</article>\n'
        f'<footer>{original}<p class="record">Article <code>{isolate(article.id)}</code><br>SHA-256 of '
        f"the text <code>{article.text_sha256}</code></p></footer>\n</main>"
    )
    return document(title, body, texts)


def missing_page(heading: str, message: str, texts: Texts) -> str:
    """Render a page that says why there is no article to show."""
    return document(
        heading,
        f'<header class="bar"><a class="back" href="/"><span aria-hidden="true">←</span> {texts.home}</a>'
        f"</header>\n<main><h1>{escape(heading)}</h1>\n<p>{isolate(message)}</p></main>",
        texts,
    )


def _steps(article: Article, place: Place, asked: Asked, mentions: list[Span], texts: Texts) -> str:
    """Links to the previous and the next mention of the short answer, where it stands more than once."""
    if len(mentions) < 2:
        return ""
    at = current_mention(mentions, place)
    start, end = mentions[at]
    label = escape(texts.mentions.format(term=" ".join(article.text[start:end].split())))

    def step(to: int, name: str, arrow: str) -> str:
        if not 0 <= to < len(mentions):
            return f'<span class="step" aria-hidden="true">{arrow}</span>'
        url = article_url(article.id, place.model_copy(update={"mention": to + 1}), asked)
        return f'<a class="step" href="{escape(url)}" aria-label="{name}" title="{name}">{arrow}</a>'

    return (
        f'<nav class="steps" aria-label="{label}" title="{label}">{step(at - 1, texts.previous, "↑")}'
        f"<span>{texts.mention.format(i=at + 1, n=len(mentions))}</span>{step(at + 1, texts.next, '↓')}</nav>"
    )


def _meta(article: Article, place: Place, texts: Texts) -> str:
    fields = [
        ("source", isolate(article.source) if article.source else ""),
        ("published", day_html(article.published, texts)),
        ("author", isolate(article.author) if article.author else ""),
        ("section", isolate(article.section) if article.section else ""),
        ("lang", escape(texts.language.format(lang=article.lang)) if article.lang else ""),
        ("translated", translated_html(article, texts)),
    ]
    shown = [
        f'<mark class="quote" id="quote">{html}</mark>' if name == place.field else f"<span>{html}</span>"
        for name, html in fields
        if html
    ]
    return ' <span class="dot" aria-hidden="true">·</span> '.join(shown)
