"""The form under an answer that says whether it is right, and where the right one stands."""

from __future__ import annotations

from qa.web.texts import Texts


def feedback_html(texts: Texts, turn: int) -> str:
    """Render the form, folded; ``turn`` makes its names its own."""
    name = f"verdict-{turn}"
    choices = "".join(
        f'<label><input type="radio" name="{name}" value="{value}" required> {label}</label>'
        for value, label in (("good", texts.feedback_good), ("bad", texts.feedback_bad))
    )
    return (
        f'<details class="feedback"><summary>{texts.feedback}</summary>'
        f'<form class="feedback"><fieldset><legend>{texts.feedback_is}</legend>{choices}</fieldset>'
        f'<label>{texts.feedback_article}<input name="article" maxlength="2000" autocomplete="off"></label>'
        f'<label>{texts.feedback_quote}<textarea name="quote" rows="2" maxlength="2000"></textarea></label>'
        f'<label class="consent"><input type="checkbox" name="consent" required> {texts.feedback_consent}</label>'
        f'<button type="submit">{texts.feedback_send}</button><p class="told" role="status"></p></form></details>'
    )
