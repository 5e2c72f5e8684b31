"""Corpora on disk: of real articles, and of any size, their articles resampled from real sentences."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import count, islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

import qa
from embeddings import Encoder
from evals.speed.ready import ReadyVectors
from evals.speed.real import Real
from qa.text import chunking
from qa.text.sentences import split
from qa.types import embedded_text, header

FORMAT = 1
REAL_PASSAGES = 4000
"""Real passages that are encoded at most; they give the ready vectors their directions."""
SENTENCES = 3, 15
"""Sentences of a made article, at least and at most; up to half of them come from one real article."""
CHARACTERS = 20, 400
"""Characters of a sentence that is used, at least and at most."""
ADDED_FILES = 7
BATCH = 2048


class Corpus(NamedTuple):
    """A folder that holds the same passages twice: in articles for us, one by one for the others."""

    folder: Path
    articles: int
    passages: int

    @property
    def jsonl(self) -> Path:
        """The articles, as ``qa index`` reads them."""
        return self.folder / "articles.jsonl"

    def texts(self) -> Iterator[str]:
        """Yield each passage as our archive embeds it: cut by our chunker, behind its header."""
        with (self.folder / "passages.jsonl").open(encoding="utf-8") as file:
            yield from map(json.loads, file)

    def nearest(self, ready: ReadyVectors, queries: NDArray[np.float32], k: int) -> list[list[str]]:
        """Return the ``k`` nearest passages of each query, found by comparing it with every vector."""
        scores = np.empty((len(queries), 0), np.float32)
        texts: list[list[str]] = [[] for _ in queries]
        passages = self.texts()
        while batch := list(islice(passages, BATCH)):
            scores = np.hstack([scores, queries @ ready(batch).T])
            best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
            texts = [[(*row, *batch)[i] for i in order] for row, order in zip(texts, best, strict=True)]
            scores = np.take_along_axis(scores, best, axis=1)
        return texts


class Made(NamedTuple):
    """Corpora made of resampled sentences."""

    folder: Path
    """Holds their ready vectors too."""
    corpora: dict[int, Corpus]
    """By the size asked for; each ends with the article that reached it."""
    further: int
    """Articles in each file of those that are in no corpus."""

    def added(self, number: int) -> Path:
        """Return the ``number``-th file of articles that are in no corpus, from 0 to 6."""
        return self.folder / f"added-{number}.jsonl"


def real_corpus(real: Real, encoder: Encoder, passages: int, folder: Path) -> Corpus:
    """Write a corpus of real articles, taken at random until they hold that many passages."""
    return _write(real.shuffled(), encoder, {passages: folder})[passages]


def made_corpora(
    real: Real, encoder: Encoder, sizes: Sequence[int], folder: Path, further: int = 1000
) -> Made:
    """Make corpora of these sizes, the smaller ones the beginnings of the larger, unless they are there."""
    told = f"{FORMAT} {chunking.VERSION} {encoder.fingerprint} {sorted(sizes)} {further}"
    made_of = hashlib.sha256(told.encode())
    for article in real.articles:
        made_of.update(article.text_sha256.encode())
    home = folder / f"corpora-{made_of.hexdigest()[:12]}"
    done = home / "done.json"
    if not done.exists():
        home.mkdir(parents=True, exist_ok=True)
        ready, sources = _ready(real, encoder)
        ready.save(home)
        written = _write(_resampled("", 2, sources), encoder, {size: home / str(size) for size in sizes})
        others = _resampled("added-", 3, sources)
        for number in range(ADDED_FILES):
            with Made(home, {}, further).added(number).open("w", encoding="utf-8") as file:
                file.writelines(_line(article) for article in islice(others, further))
        found = {size: (corpus.articles, corpus.passages) for size, corpus in written.items()}
        done.write_text(json.dumps(found), encoding="utf-8")
    counts = json.loads(done.read_text(encoding="utf-8"))
    return Made(home, {size: Corpus(home / str(size), *counts[str(size)]) for size in sizes}, further)


def _ready(real: Real, encoder: Encoder) -> tuple[ReadyVectors, list[tuple[qa.Article, list[str]]]]:
    """Encode real passages; return their vectors, and the articles they are cut from with their sentences."""
    passages: list[str] = []
    openings: dict[str, int] = {}
    sources = []
    for article in real.shuffled():
        for passage in _passages(article, encoder):
            for start, end in split(passage):
                openings.setdefault(passage[start:end], len(passages))
            passages.append(passage)
        sentences = [article.text[start:end] for start, end in split(article.text)]
        if usable := [sentence for sentence in sentences if _usable(sentence)]:
            sources.append((article, usable))
        if len(passages) >= REAL_PASSAGES:
            break
    return ReadyVectors(encoder.encode(passages), openings), sources


def _usable(sentence: str) -> bool:
    """Whether a sentence stays one, and the only one, on a line of its own."""
    fewest, most = CHARACTERS
    return fewest <= len(sentence) <= most and "\n" not in sentence and not sentence[0].islower()


def _resampled(
    prefix: str, seed: int, sources: Sequence[tuple[qa.Article, list[str]]]
) -> Iterator[qa.Article]:
    """Yield made articles without end, one sentence a line."""
    draw = random.Random(seed)
    everything = [sentence for _, sentences in sources for sentence in sentences]
    for number in count():
        like, sentences = draw.choice(sources)
        length = draw.randint(*SENTENCES)
        chosen = draw.sample(sentences, min(len(sentences), length // 2))
        chosen += draw.choices(everything, k=length - len(chosen))
        draw.shuffle(chosen)
        yield qa.Article(
            id=f"{prefix}{number}",
            title=like.title,
            text="\n".join(chosen),
            source=like.source,
            published=like.published,
        )


def _write(articles: Iterable[qa.Article], encoder: Encoder, folders: dict[int, Path]) -> dict[int, Corpus]:
    """Write the beginnings of ``articles`` that hold so many passages each, or all of them."""
    written: dict[int, Corpus] = {}
    with ExitStack() as stack:
        files = {}
        for size, folder in folders.items():
            folder.mkdir(parents=True, exist_ok=True)
            names = "articles.jsonl", "passages.jsonl"
            files[size] = [stack.enter_context((folder / n).open("w", encoding="utf-8")) for n in names]
        number = passages = 0
        for number, article in enumerate(articles, 1):
            cut = _passages(article, encoder)
            passages += len(cut)
            for size in folders.keys() - written.keys():
                files[size][0].write(_line(article))
                files[size][1].writelines(json.dumps(text) + "\n" for text in cut)
                if passages >= size:
                    written[size] = Corpus(folders[size], number, passages)
            if len(written) == len(folders):
                break
    return {size: written.get(size, Corpus(folder, number, passages)) for size, folder in folders.items()}


def _passages(article: qa.Article, encoder: Encoder) -> list[str]:
    """Cut an article as the archive does."""
    line = header(article)
    spans = chunking.chunk(article.text, encoder.token_spans, encoder.max_tokens)
    return [embedded_text(line, article.text[start:end]) for start, end in spans]


def _line(article: qa.Article) -> str:
    row = {"id": article.id, "title": article.title, "text": article.text, "source": article.source}
    return json.dumps({**row, "date": article.published and article.published.isoformat()}) + "\n"
