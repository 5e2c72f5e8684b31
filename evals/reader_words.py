"""Words that could stand where another stands: of the same meaning, or of another (WordNet, inflected alike)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import cached_property, lru_cache
from pathlib import Path

import click

_PARTS_OF_SPEECH = {"noun": "NOUN", "verb": "VERB", "adj": "ADJ", "adv": "ADV"}
_NEGATING = ("un", "in", "im", "ir", "il", "dis", "mis", "non")
_MOST_SENSES = 3
_MOST_SISTERS = 80
_SHORTEST = 3


class Words:
    """WordNet 3.0 (Fellbaum 1998), as in Debian's package wordnet-base; file format: man 5 wndb."""

    def __init__(self, folder: Path) -> None:
        """Reads the index and data files in `folder`; click.ClickException says where they are missing."""
        self._senses: dict[tuple[str, str], list[str]] = {}
        self._common: set[tuple[str, str]] = set()
        self._members: dict[str, list[str]] = {}
        self._parents: dict[str, list[str]] = {}
        self._alike: dict[str, list[str]] = {}
        self._opposite: dict[tuple[str, str], list[str]] = defaultdict(list)
        self._against: dict[str, list[str]] = defaultdict(list)
        try:
            for name, kind in _PARTS_OF_SPEECH.items():
                self._read_index(kind, _rows(folder / f"index.{name}"))
                self._read_data(kind, _rows(folder / f"data.{name}"))
        except OSError as error:
            raise click.ClickException(
                f"{error.filename} cannot be read ({error.strerror}): install WordNet "
                "(apt-get install wordnet-base) or name its folder with --wordnet"
            ) from error

    def _read_index(self, kind: str, rows: Iterable[list[str]]) -> None:
        for row in rows:
            senses = int(row[2])
            key = (kind, row[0])
            self._senses[key] = [f"{kind}{place}" for place in row[-senses:]]
            if int(row[-senses - 1]):
                self._common.add(key)

    def _read_data(self, kind: str, rows: Iterable[list[str]]) -> None:
        opposites = []
        for row in rows:
            synset, count = f"{kind}{row[0]}", int(row[3], 16)
            words = [w.partition("(")[0].lower() for w in row[4 : 4 + 2 * count : 2]]
            self._members[synset] = words
            first = 5 + 2 * count
            for at in range(first, first + 4 * int(row[first - 1]), 4):
                symbol, place, _, ends = row[at : at + 4]
                if symbol == "@":
                    self._parents.setdefault(synset, []).append(f"{kind}{place}")
                elif symbol == "&":
                    self._alike.setdefault(synset, []).append(f"{kind}{place}")
                elif symbol == "!":
                    opposites.append((synset, int(ends[:2], 16), f"{kind}{place}", int(ends[2:], 16)))
        for synset, mine, other, its in opposites:
            self._opposite[synset, self._members[synset][mine - 1]].append(self._members[other][its - 1])
            self._against[synset].append(self._members[other][its - 1])

    @cached_property
    def _children(self) -> dict[str, list[str]]:
        """Common lemmas by the parent of what they most often mean."""
        children = defaultdict(list)
        for kind, lemma in sorted(self._common):
            if lemma.isalpha() and len(lemma) >= _SHORTEST:
                for parent in self._parents.get(self._senses[kind, lemma][0], []):
                    children[parent].append(lemma)
        return children

    def opposites(self, word: str) -> list[str]:
        """Antonyms of `word`, and `word` with a negating prefix put before it or taken away."""
        found = self._inflected(word, self._antonyms)
        shorter = [word.removeprefix(p) for p in _NEGATING if word.startswith(p)]
        return found + [
            w for w in [*shorter, *(p + word for p in _NEGATING)] if self._usual(w) & self.kinds(word)
        ]

    def sisters(self, word: str) -> list[str]:
        """Words for another thing of the same sort: noon for midnight, river for lake."""
        return self._inflected(word, self._sisters)

    def synonyms(self, word: str) -> list[str]:
        """Words that most often mean what `word` most often means."""
        return self._inflected(word, self._synonyms)

    @lru_cache(maxsize=50_000)  # noqa: B019 - one of them lives as long as the program
    def kinds(self, word: str) -> frozenset[tuple[str, str]]:
        """What `word` can be: a part of speech and the tag of its inflection; empty where WordNet lacks it."""
        return frozenset((kind, tag) for kind, _, tag in self._analyses(word))

    def _usual(self, word: str) -> frozenset[tuple[str, str]]:
        """`kinds` of what `word` is seen as in WordNet's counted texts."""
        return frozenset(
            (kind, tag) for kind, lemma, tag in self._analyses(word) if (kind, lemma) in self._common
        )

    def _antonyms(self, kind: str, lemma: str) -> list[str]:
        senses = self._senses[kind, lemma][:_MOST_SENSES]
        direct = [other for synset in senses for other in self._opposite.get((synset, lemma), [])]
        alike = [near for synset in senses for near in self._alike.get(synset, [])]
        return direct + [other for near in alike for other in self._against.get(near, [])]

    def _sisters(self, kind: str, lemma: str) -> list[str]:
        synset = self._senses[kind, lemma][0]
        found = [c for p in self._parents.get(synset, []) for c in self._children.get(p, [])]
        same = {w for s in self._senses[kind, lemma] for w in self._members[s]}
        return [] if len(found) > _MOST_SISTERS else [c for c in found if c not in same]

    def _synonyms(self, kind: str, lemma: str) -> list[str]:
        synset = self._senses[kind, lemma][0]
        others = [w for w in self._members[synset] if w != lemma and (kind, w) in self._common]
        return [w for w in others if self._senses[kind, w][0] == synset]

    def _analyses(self, word: str) -> list[tuple[str, str, str]]:
        """Part of speech, lemma and tag of a word in small letters, for each that WordNet knows."""
        import lemminflect

        found = []
        for kind, lemmas in lemminflect.getAllLemmas(word).items():
            for lemma in lemmas:
                if (kind, lemma) not in self._senses:
                    continue
                forms = lemminflect.getAllInflections(lemma, kind)
                tags = sorted((tag for tag, f in forms.items() if word in f), key=len)
                if tags:
                    found.append((kind, lemma, tags[0] if word == lemma else tags[-1]))
        return found

    def _inflected(self, word: str, related: Callable[[str, str], list[str]]) -> list[str]:
        """What is `related` to any part of speech and lemma of `word`, each in the inflection of `word`, once."""
        import lemminflect

        found: list[str] = []
        for kind, lemma, tag in self._analyses(word):
            for other in related(kind, lemma):
                forms = lemminflect.getInflection(other, tag) if other.isalpha() else ()
                found += [f for f in forms if (f == other) == (word == lemma)][:1]
        return [w for w in dict.fromkeys(found) if w != word]


def _rows(path: Path) -> Iterable[list[str]]:
    """The fields of each line that is not of the licence, without its gloss."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("  "):
            yield line.partition(" | ")[0].split()
