"""Owns which articles tell the same story: copies of one text, and texts that are nearly the same.

Candidates share a band of their MinHash signatures (locality-sensitive hashing, 16 bands of 8 rows); only then are the
two texts compared, so that the time an article takes does not grow with the archive. The signatures are computed here,
because the available libraries import SciPy, which takes a second, or change their hashes between versions.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from qa.storage.write_transaction import WriteTransaction

ALIKE = 0.9
"""Least share of their groups of words (Jaccard) that two near duplicates have in common.

Chosen from the pairs above 0.5 in the public sets (mtrag_pool, clapnq, squad2, multihop_facts500, xquad_zh_en). From
0.9 on they were revisions or overlapping parts of one page; the only exception were two pages of sister clinics that
differ in names. At 0.81 two announcements of an attorney general (a settlement, a judgment) share the page around them;
from 0.54 to 0.76 there are more sister clinics, at 0.71 two overlapping sections, at 0.65 notices of 37 words above
different articles.
"""
SHORTEST = 40
"""Words a text must have to be compared: shorter texts are often formulas. Exact copies may have any length."""
GROUP = 5
"""Consecutive words that are compared as one."""
BANDS = 16
"""Bands of a signature."""
ROWS = 8
"""Values of a signature in a band."""
AT_A_TIME = 4096
"""Groups of words that are hashed together, which limits the memory that a long text takes."""
NEAREST = 20
"""Candidates that are compared at most, and that are taken from one band at most."""

_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\uac00-\ud7af]|[^\W\d_]+|\d[\d.,:]*\d|\d")


def text_hash(text: str) -> bytes:
    """Return the SHA-256 of a text, by which copies are found."""
    return hashlib.sha256(text.encode()).digest()


def bands(text: str) -> list[int]:
    """Return a 64-bit hash of each band, one of which near duplicates share; none for a short text."""
    words = _WORD.findall(text)
    if len(words) < SHORTEST:
        return []
    hashed = np.frombuffer(b"".join(_hash64(group.encode()) for group in _groups(words)), "<u8")
    factors, summands = _permutations()
    signature = np.full(BANDS * ROWS, 2**32 - 1, np.uint64)
    for at in range(0, len(hashed), AT_A_TIME):
        permuted = hashed[at : at + AT_A_TIME, None] * factors + summands >> np.uint64(32)
        signature = np.minimum(signature, permuted.min(axis=0))
    rows = signature.astype("<u4").reshape(BANDS, ROWS)
    hashes = (_hash64(bytes([n]) + row.tobytes()) for n, row in enumerate(rows))
    return [int.from_bytes(each, "big", signed=True) for each in hashes]


def _hash64(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=8).digest()


@cache
def _permutations() -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Return an odd factor and a summand, modulo 2**64, for each value of a signature."""
    digests = b"".join(_hash64(b"%d" % n) for n in range(2 * BANDS * ROWS))
    factors, summands = np.frombuffer(digests, "<u8").reshape(2, -1).astype(np.uint64)
    return factors | np.uint64(1), summands


def alike(one: str, other: str) -> bool:
    """Whether two texts tell the same story in nearly the same words.

    If each text has a number or a capitalised word that the other has not, or has less often, they are two stories
    on one pattern or two states of one story: 12 dead, 15 dead.
    """
    first, second = _signs(one), _signs(other)
    if not (first[1] <= second[1] or second[1] <= first[1]):
        return False
    return len(first[0] & second[0]) >= ALIKE * len(first[0] | second[0]) > 0


@lru_cache(maxsize=4 * NEAREST)
def _signs(text: str) -> tuple[frozenset[str], Counter[str]]:
    words = _WORD.findall(text)
    return frozenset(_groups(words)), Counter(w for w in words if w[0].isdigit() or w[0].isupper())


def _groups(words: Sequence[str]) -> set[str]:
    folded = [word.casefold() for word in words]
    return {" ".join(folded[at : at + GROUP]) for at in range(max(1, len(folded) - GROUP + 1))}


def link(transaction: WriteTransaction, key: int, text: str, hashes: Sequence[int]) -> None:
    """Record which stored articles a new one resembles."""
    met: Counter[int] = Counter()
    for number in hashes:
        rows = transaction.query(
            "SELECT article FROM band WHERE hash = ? ORDER BY article DESC LIMIT ?", number, NEAREST
        )
        met.update(article for (article,) in rows)
    pairs = []
    for other, _ in met.most_common(NEAREST):
        stored = transaction.value("SELECT text FROM article WHERE key = ?", other)
        if stored is not None and alike(text, stored):
            pairs += [(key, other), (other, key)]
    transaction.relate(key, hashes, pairs)
