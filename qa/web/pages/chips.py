"""What a question was taken to mean, as chips: what it follows, its period, its sources; each editable, removable."""

from __future__ import annotations

from datetime import date

from qa.types import Answer, Filters
from qa.web.pages.html import escape, isolate
from qa.web.texts import Texts

_LONGEST = 80


def chips_html(answer: Answer, left_out: int, texts: Texts) -> str:
    """Render the chips of an answered question; ``left_out`` counts the undated articles its period excludes."""
    filters = answer.query.filters
    chips = []
    if subject := subject_of(answer):
        short = subject if len(subject) <= _LONGEST else subject[:_LONGEST].rstrip() + "…"
        chips.append(
            _chip(
                "subject", texts.follow_up.format(subject=short), _question(answer.query.text, texts), texts
            )
        )
    if filters.after or filters.before:
        label = texts.period(filters.after, filters.before)
        note = (
            (texts.left_out_one if left_out == 1 else texts.left_out.format(n=f"{left_out:,}"))
            if left_out
            else ""
        )
        chips.append(_chip("dates", label, _period(filters, texts), texts, note=note))
    chips += [_chip("source", name, _source(name, texts), texts, value=name) for name in filters.sources]
    return f'<div class="chips">{"".join(chips)}</div>' if chips else ""


def subject_of(answer: Answer) -> str:
    """Return the part of the conversation that a follow-up was read with; empty where it stands alone."""
    return answer.query.text.removesuffix(answer.query.question).strip()


def _chip(kind: str, label: str, fields: str, texts: Texts, *, value: str = "", note: str = "") -> str:
    edit, remove = (escape(form.format(what=label)) for form in (texts.edit, texts.remove))
    beside = f'<span class="note"> · {note}</span>' if note else ""
    return (
        f'<span class="chip"><details><summary title="{edit}">{isolate(label)}{beside}</summary>'
        f'<form class="edit" data-edit="{kind}" data-value="{escape(value)}">{fields}'
        f'<button type="submit">{texts.apply}</button></form></details>'
        f'<button type="button" class="remove" data-remove="{kind}" data-value="{escape(value)}" '
        f'aria-label="{remove}" title="{remove}"><span aria-hidden="true">×</span></button></span>'
    )


def _question(text: str, texts: Texts) -> str:
    return f'<label>{texts.understood}<textarea name="question" rows="3">{escape(text)}</textarea></label>'


def _period(filters: Filters, texts: Texts) -> str:
    def field(name: str, label: str, day: date | None) -> str:
        value = day.isoformat() if day else ""
        return f'<label>{label}<input name="{name}" value="{value}" placeholder="{texts.day_hint}"></label>'

    return field("after", texts.after, filters.after) + field("before", texts.before, filters.before)


def _source(name: str, texts: Texts) -> str:
    return f'<label>{texts.source}<input name="source" list="sources" value="{escape(name)}"></label>'
