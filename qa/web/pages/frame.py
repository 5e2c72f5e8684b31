"""What stands on the page before anything is asked: heading, examples, the form, the filters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from qa.types import Coverage
from qa.web.pages.answer import actions_html
from qa.web.pages.html import escape, isolate
from qa.web.suggestions import questions_html
from qa.web.texts import Texts

_MOST_SOURCES = 500
"""Names offered while a source is typed."""


def frame_html(
    coverage: Coverage,
    sources: Sequence[str],
    examples: Iterable[str],
    texts: Texts,
    problem: str = "",
    *,
    adds: bool = False,
) -> str:
    """Render the page's frame; ``problem`` says why the archive cannot be used, ``adds`` whether it takes articles."""
    trouble = f'<p class="problem" role="alert">{escape(problem)}</p>' if problem else ""
    covers = "" if problem else escape(texts.coverage(coverage))
    adding = f'<a href="/add">{texts.add}</a> · ' if adds else ""
    return (
        f'<header class="head"><div><h1><a href="/">{texts.title}</a></h1>'
        f'<p class="covers">{covers}</p></div><span>{adding}<a href="/mentions">{texts.every}</a></span></header>'
        f'<div class="empty"><p class="lead">{texts.lead}</p>{trouble}'
        f'<div class="examples">{questions_html(examples, texts.try_asking)}</div></div>'
        f'<ol class="turns" aria-label="{texts.conversation}"></ol>'
        f'<p class="unseen" role="status" aria-live="polite"></p>'
        f"{_form(sources, texts)}{_template(texts)}"
    )


def _form(sources: Sequence[str], texts: Texts) -> str:
    known = "".join(f'<option value="{escape(name)}">' for name in sources[:_MOST_SOURCES])
    day = f'placeholder="{texts.day_hint}" autocomplete="off"'
    picked = (
        f'<label>{texts.source}<input name="source" list="sources" autocomplete="off"></label>'
        if sources
        else ""
    )
    return (
        '<form class="composer"><div class="row">'
        f'<label class="field"><span>{texts.question}</span><textarea name="question" rows="1" '
        f'placeholder="{texts.placeholder}" autocomplete="off" enterkeyhint="send"></textarea></label>'
        f'<button type="submit" class="ask">{texts.ask}</button>'
        f'<button type="button" class="ask stop" data-do="stop" hidden>{texts.stop}</button></div>'
        f'<div class="tools"><details class="filters"><summary>{texts.filters}<span class="set"></span></summary>'
        '<div class="fields">'
        f'<label>{texts.after}<input name="after" {day}></label>'
        f'<label>{texts.before}<input name="before" {day}></label>{picked}'
        f'<button type="button" data-do="clear">{texts.clear}</button></div></details>'
        f'<button type="button" class="new" data-do="new" hidden>{texts.new}</button></div>'
        f'<datalist id="sources">{known}</datalist></form>'
    )


def _template(texts: Texts) -> str:
    """A turn that has no answer yet, or none at all."""
    return (
        f'<template><div class="asked"><h2><span class="unseen">{texts.you_asked} </span>{isolate("")}</h2></div>'
        f'<div class="body"><div class="column"><div class="answer"><p class="message"></p></div>'
        f"{actions_html(texts, answered=False)}</div></div></template>"
    )
