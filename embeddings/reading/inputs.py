"""One (question, title, passage) triple as the integer rows that the reader's network takes.

Training and inference both build their inputs here, so that the two cannot drift apart.

    [CLS] question [SEP] title | passage [SEP]

Every position carries a *type*: question or passage side, and whether the same word piece also stands on the
other side. Exact overlap is strong evidence for an answer, and its absence for there being none; a small
network that is told so need not learn it (the exact-match feature of Chen et al. 2017, "Reading Wikipedia to
Answer Open-Domain Questions", section 3.2). Function words and punctuation do not count as overlap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tokenizers import Tokenizer

QUESTION, PASSAGE, PASSAGE_SHARED, QUESTION_SHARED = range(4)
TYPE_COUNT = 4

_FUNCTION_WORDS = """
    a an and any are as at be been but by can could did do does for from had has have he her him his how i if
    in into is it its kind many may more most much name no not of on one or other s she so some such t than
    that the their them then there these they this those to type was we were what when where which who whom
    whose why will with would you your [CLS] [SEP] [UNK] ! " # $ % & ' ( ) * + , - . / : ; < = > ? @ [ \\ ] ^
    _ ` { | } ~ “ ” ‘ ’ – —
"""


@dataclass(frozen=True)
class Tokens:
    """Word pieces of one text.

    Attributes:
        ids: Vocabulary numbers, shape (n,), int32.
        offsets: Half-open code-point ranges in the text, shape (n, 2), int32.
    """

    ids: NDArray[np.int32]
    offsets: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Pair:
    """One row of network input.

    Attributes:
        ids: Vocabulary numbers, shape (length,), int32.
        types: Position types, 0..3, shape (length,), int32.
        first: Position of the first passage token; the passage ends one before the closing [SEP].
    """

    ids: NDArray[np.int32]
    types: NDArray[np.int32]
    first: int

    def __len__(self) -> int:
        return len(self.ids)


class PairEncoder:
    """Turn texts into `Tokens` and (question, title, passage) tokens into a `Pair`."""

    def __init__(
        self, tokenizer: Tokenizer, *, max_tokens: int = 320, max_question: int = 64, max_title: int = 32
    ) -> None:
        """Take a WordPiece tokenizer and the longest row, question and title in tokens."""
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self._tokenizer = tokenizer
        self.max_tokens = max_tokens
        self.max_question = max_question
        self.max_title = max_title
        self._cls = tokenizer.token_to_id("[CLS]")
        self._sep = tokenizer.token_to_id("[SEP]")
        self._bar = tokenizer.token_to_id("|")
        vocabulary_ids = (tokenizer.token_to_id(word) for word in _FUNCTION_WORDS.split())
        self._plain = np.array([i for i in vocabulary_ids if i is not None], dtype=np.int32)

    def tokens(self, text: str) -> Tokens:
        """Tokenise `text`, whole and without special tokens."""
        return self.tokens_of_all([text])[0]

    def tokens_of_all(self, texts: Sequence[str]) -> list[Tokens]:
        """Tokenise many texts at once; one `Tokens` per text, in order. A lone surrogate counts as a '?'."""
        plain = [text.encode("utf-8", "replace").decode("utf-8") for text in texts]
        encodings = self._tokenizer.encode_batch(plain, add_special_tokens=False)
        return [
            Tokens(np.array(e.ids, dtype=np.int32), np.array(e.offsets, dtype=np.int32).reshape(-1, 2))
            for e in encodings
        ]

    def room(self, question: Tokens, title: Tokens) -> int:
        """How many passage tokens fit beside this question and title."""
        asked = min(len(question), self.max_question)
        titled = min(len(title), self.max_title)
        return self.max_tokens - asked - titled - (4 if titled else 3)

    def pair(self, question: Tokens, title: Tokens, passage_ids: NDArray[np.int32]) -> Pair:
        """Lay out one row; question and title are cut to their limits, the passage must fit (see `room`)."""
        asked = question.ids[: self.max_question]
        headed = title.ids[: self.max_title]
        before = [[self._cls], asked, [self._sep], headed, [self._bar] if len(headed) else []]
        ids = np.concatenate([*before, passage_ids, [self._sep]]).astype(np.int32)
        types = np.full(len(ids), PASSAGE, dtype=np.int32)
        split = len(asked) + 2
        types[:split] = QUESTION
        shared = np.intersect1d(ids[:split], ids[split:])
        shared = shared[~np.isin(shared, self._plain)]
        hit = np.isin(ids, shared)
        types[:split][hit[:split]] = QUESTION_SHARED
        types[split:][hit[split:]] = PASSAGE_SHARED
        first = split + len(headed) + (1 if len(headed) else 0)
        return Pair(ids=ids, types=types, first=first)
