"""Classes of characters, each written down once, to be used inside the brackets of a regular expression."""

from __future__ import annotations

import re

HAN = r"\u3400-\u9fff\uf900-\ufaff"
"""Chinese characters."""
KANA = r"\u3040-\u30ff"
"""Japanese syllables."""
HANGUL = r"\uac00-\ud7af"
"""Korean syllables."""
UNSPACED = KANA + HAN
"""Characters of scripts that set no space between words."""
CONTROL = r"\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"
"""Control characters other than tab, line feed and carriage return."""
STEERING = CONTROL + r"\r\u202a-\u202e\u2066-\u2069"
"""What steers a terminal, or turns the direction of writing."""
SURROGATE = r"\ud800-\udfff"
"""Lone surrogates, which no file and no database can hold."""
INVISIBLE = STEERING + SURROGATE + r"\u200b-\u200f\ufeff"
"""What a question is cleaned of: all of these, and characters without width."""

_CONTROL = re.compile(f"[{CONTROL}]")
_SURROGATE = re.compile(f"[{SURROGATE}]")
_STEERING = re.compile(f"[{STEERING}]")
_HAN = re.compile(f"[{HAN}]")


def without_control(text: str) -> str:
    """Replace control characters, which HTML and CSV cannot hold, by U+FFFD, one for one."""
    return _CONTROL.sub("\ufffd", text)


def without_surrogates(text: str) -> str:
    """Replace lone surrogates by U+FFFD, one for one."""
    return _SURROGATE.sub("\ufffd", text)


def harmless(text: str) -> str:
    """Drop the characters by which an article could steer a terminal."""
    return _STEERING.sub("", text)


def han_count(text: str) -> int:
    """Return how many Chinese characters a text has."""
    return len(_HAN.findall(text))
