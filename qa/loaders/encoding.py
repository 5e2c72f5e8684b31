"""Bytes → text, whatever their encoding."""

from __future__ import annotations

import codecs
import re

from qa.text import language

SAMPLE = 1 << 16
"""Bytes that are looked at to guess an encoding."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_DECLARABLE = re.compile(
    r"utf-?8|utf-?16(?:le|be)?|gb(?:2312|k|18030)|big5(?:-hkscs)?|shift[_-]jis|euc-(?:jp|kr)|iso-2022-jp"
    r"|(?:windows-|cp)125\d|iso-8859-\d\d?|koi8-[ru]|us-ascii|latin-?1",
    re.I,
)
_NOT_ASCII = re.compile(rb"[\x80-\xff]")
_FOREIGN = re.compile(r"[^\x00-\x7f\ufffd]")
# What pages declare and the codec that they mean (https://encoding.spec.whatwg.org/#names-and-labels).
_MEANT = {
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "big5": "big5hkscs",
    "shift_jis": "cp932",
    "shift-jis": "cp932",
    "euc-kr": "cp949",
    "iso-8859-1": "cp1252",
    "us-ascii": "cp1252",
    "latin1": "cp1252",
    "latin-1": "cp1252",
}


def decode(data: bytes, declared: str | None = None) -> str | None:
    """Return the text, or ``None`` if the bytes are not text.

    Args:
        data: A whole file.
        declared: The encoding it is said to have; ignored where the bytes do not fit.
    """
    codec = detect(data, declared)
    if codec is None:
        return None
    text = data.decode(codec, "replace")
    control = sum(1 for c in text[:4096] if c < " " and c not in "\t\n\r\f\v\x1b")
    if "\0" in text[:4096] or control * 20 > len(text[:4096]):
        return None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def detect(data: bytes, declared: str | None = None) -> str | None:
    """Return the codec that decodes these bytes, a few of them perhaps as U+FFFD, or ``None``."""
    marked = next((codec for mark, codec in _MARKS if data.startswith(mark)), None)
    if marked is not None:
        return marked
    if declared and _DECLARABLE.fullmatch(declared := declared.strip().lower()):
        codec = _MEANT.get(declared, declared)
        if _fits(data, codec):
            return codec
    return _wide(data[:SAMPLE]) or ("utf-8" if _mostly_utf8(data) else _guessed(data))


def _fits(data: bytes, codec: str) -> bool:
    try:
        data.decode(codec)
    except UnicodeError:
        return False
    return True


def _wide(sample: bytes) -> str | None:
    """Recognise UTF-16 without a byte order mark by the zero bytes of spaces, digits and Latin letters."""
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    if max(even, odd) * 5 < len(sample) // 2 or min(even, odd) * 20 > max(even, odd):
        return None
    return "utf-16-be" if even > odd else "utf-16-le"


def _mostly_utf8(data: bytes) -> bool:
    """Whether the bytes are UTF-8, with at most a few broken characters among many good ones."""
    if _fits(data, "utf-8"):
        return True
    text = codecs.getincrementaldecoder("utf-8")("replace").decode(data)
    return sum(1 for _ in _FOREIGN.finditer(text)) > 3 * text.count("\ufffd")


def _guessed(data: bytes) -> str | None:
    import charset_normalizer

    foreign = next((m.start() for m in _NOT_ASCII.finditer(data)), 0)
    begin = data.rfind(b"\n", 0, foreign) + 1 if foreign > SAMPLE // 2 else 0
    for trimmed in range(4):  # a sample may end inside a character
        sample = data[begin : begin + SAMPLE - trimmed]
        if best := charset_normalizer.from_bytes(sample, cp_exclusion=["johab"]).best():
            # The code pages of Western and Central Europe fit the same bytes: the language decides.
            pages = ("cp1252", "cp1250") if best.encoding == "cp1250" else (best.encoding,)
            return max(pages, key=lambda page: language.likeliest(sample.decode(page, "replace"))[1])
        if len(data) < SAMPLE:
            break
    return None
