"""An archive's glossary: words that mean the same, so that a question in one finds articles in the other.

A line of ``glossary.txt`` in the archive's folder, ``procuratorate = prosecutor's office``, says first how the
articles put it, then how people ask. Without the file nothing changes.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Self

from qa.errors import GlossaryError
from qa.text.tokens import WORD, word_key, word_keys
from qa.types import Query

log = logging.getLogger("qa")

FILE = "glossary.txt"
MOST_BYTES, MOST_TERMS, LONGEST_TERM = 256 << 10, 12, 100
REWRITTEN_WEIGHT = 0.5
"""Weight in the search of the question in the archive's own words, against the question's own 1."""

Words = tuple[str, ...]


class Group(NamedTuple):
    """Terms that mean the same; the first is the archive's own."""

    terms: tuple[str, ...]
    keys: tuple[Words, ...]


class Glossary:
    """The groups of a glossary, and what was wrong with its other lines."""

    def __init__(self, groups: Sequence[Group] = (), problems: Sequence[str] = ()) -> None:
        self.groups, self.problems = tuple(groups), tuple(problems)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a glossary; a line that does not fit is left out and named in ``problems``."""
        groups: list[Group] = []
        problems: list[str] = []
        seen: dict[Words, int] = {}
        for number, line in enumerate(text.splitlines(), 1):
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            terms = tuple(" ".join(term.split()) for term in line.split("="))
            keys = tuple(map(word_keys, terms))
            known = next((seen[key] for key in keys if key in seen), None)
            if len(terms) < 2 or not all(keys):
                why = "write two terms or more with = between them: procuratorate = prosecutor's office"
            elif len(terms) > MOST_TERMS or max(map(len, terms)) > LONGEST_TERM:
                why = f"a line may have {MOST_TERMS} terms of {LONGEST_TERM} characters"
            elif known or len(set(keys)) < len(keys):
                why = f"a term stands {f'in line {known}' if known else 'twice in it'}; one line is for all its forms"
            else:
                groups.append(Group(terms, keys))
                seen.update(dict.fromkeys(keys, number))
                continue
            problems.append(f"{FILE}:{number}: {why}.")
        return cls(groups, problems)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read the glossary in an archive's folder; an empty one where there is none.

        Raises:
            GlossaryError: The file cannot be read.
        """
        path = folder / FILE
        try:
            if not path.is_file():
                return cls()
            if path.stat().st_size > MOST_BYTES:
                raise GlossaryError(f"{path} is larger than {MOST_BYTES >> 10} KiB. Shorten it.")
            return cls.parse(path.read_text("utf-8-sig"))
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "not UTF-8 text"
            raise GlossaryError(f"{path} cannot be read ({why}). Save it as UTF-8 text.") from None

    def expand(self, query: Query) -> Query:
        """Search, and read, a question in the archive's own words too; the same query where it has none."""
        question, reading = self.rewrite(query.question), self.rewrite(query.reading_text)
        if question == query.question and reading == query.reading_text:
            return query
        added = () if question == query.question else ((question, REWRITTEN_WEIGHT),)
        return query.model_copy(update={"context": (*query.context, *added), "reading": reading})

    def rewrite(self, text: str) -> str:
        """Put the archive's own terms in the place of the others."""
        tokens = [(match.span(), word_key(match[0])) for match in WORD.finditer(text)]
        out, at, cursor = [], 0, 0
        while at < len(tokens):
            size, term = self._longest([word for _, word in tokens[at:]])
            if term is not None:
                out += [text[cursor : tokens[at][0][0]], term]
                cursor = tokens[at + size - 1][0][1]
            at += size
        return "".join([*out, text[cursor:]])

    def same(self, term: str) -> list[str]:
        """Return a term with all that means the same."""
        words = word_keys(term)
        group = next((group for group in self.groups if words in group.keys), None)
        return list(dict.fromkeys([term, *(group.terms if group else ())]))

    def _longest(self, words: Sequence[str]) -> tuple[int, str | None]:
        """The longest term that the words begin with: its length, and what stands for it unless it is that itself."""
        best: tuple[int, str | None] = (1, None)
        found = 0
        for group in self.groups:
            for number, key in enumerate(group.keys):
                if len(key) > found and tuple(words[: len(key)]) == key:
                    found, best = len(key), (len(key), group.terms[0] if number else None)
        return best

    def lines(self) -> Iterator[str]:
        """Yield the groups as the file has them."""
        for group in self.groups:
            yield " = ".join(group.terms)


class GlossaryFile:
    """The glossary of an archive, read again when its file has changed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stamp: tuple[int, int] | None = None
        self._held = Glossary()

    def current(self) -> Glossary:
        """Return the glossary as it is now; what is wrong with it is logged once."""
        try:
            found = (self._folder / FILE).stat()
            stamp = found.st_mtime_ns, found.st_size
        except OSError:
            stamp = None
        if stamp != self._stamp:
            try:
                self._held = Glossary.read(self._folder)
            except GlossaryError as error:
                self._held = Glossary(problems=[str(error)])
            for problem in self._held.problems:
                log.warning("%s The line is left out.", problem)
            self._stamp = stamp
        return self._held
