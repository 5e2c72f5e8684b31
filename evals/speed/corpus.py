"""What is searched: real articles, corpora of any size resampled from their sentences, and vectors that are ready.

A ready vector needs no encoding, which would take hours for a million passages. It is the vector of the real passage
that the passage's first sentence comes from, moved by noise with the covariance of real vectors. It depends on the
passage's text alone, so that every system gets the same vector for the same passage, in whatever order it asks.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import count, islice
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

import qa
from embeddings import Encoder
from evals.dataset import Dataset, DatasetError
from qa.settings import Settings
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
NOISE = 0.75
"""Length of the noise against the covariance's own: leaves a cosine of about 0.8 to the real vector."""
BATCH = 2048
"""Vectors made at once, so that the memory measured is a system's own."""
ARRAYS, OPENINGS = "vectors.npz", "openings.json"

Vectors = NDArray[np.float32]


class Real(NamedTuple):
    """Real articles, and questions over them."""

    articles: tuple[qa.Article, ...]
    questions: tuple[str, ...]

    @classmethod
    def load(cls, data: Path | None, settings: Settings) -> Real:
        """Read an evaluation folder, or all that lie in a folder, or by default the seeds.

        Raises:
            DatasetError: There is none, or one cannot be read.
        """
        if data is None:
            asked = Dataset.load().questions
            return cls(tuple(qa.default_archive(settings)), tuple(q.question for q in asked))
        corpora = [data / "corpus.jsonl", *sorted(data.glob("*/corpus.jsonl"))]
        folders = [corpus.parent for corpus in corpora if corpus.exists()]
        if not folders:
            raise DatasetError(f"{data}: holds no corpus.jsonl, nor does a folder in it")
        articles = [article for folder in folders for article in _articles(folder)]
        asked = tuple(question for folder in folders for question in Dataset.load(folder).questions)
        # The bundled model reads English: questions in another script would measure nothing.
        usable = (q.question for q in asked if q.answerable and q.judged and q.question.isascii())
        if not (questions := tuple(usable)):
            raise DatasetError(f"{data}: holds no answerable question in English")
        return cls(tuple(articles), questions)

    def sample(self, count: int) -> list[str]:
        """Return that many questions at most, the same ones every time."""
        return random.Random(0).sample(self.questions, min(count, len(self.questions)))

    def shuffled(self) -> list[qa.Article]:
        """Return the articles in a random order, the same one every time."""
        return random.Random(1).sample(self.articles, len(self.articles))


def _articles(folder: Path) -> Iterator[qa.Article]:
    path = folder / "corpus.jsonl"
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                row = json.loads(line)
                yield qa.Article(
                    id=f"{folder.name}/{number}",
                    title=row.get("title") or folder.name,
                    text=row["text"],
                    source=row.get("source"),
                    published=row.get("date") or row.get("published"),
                )
            except (ValueError, KeyError) as error:
                raise DatasetError(f"{path}:{number}: not an article ({error})") from None


class ReadyVectors:
    """Passages to unit vectors, some ten microseconds each.

    Args:
        real: Vectors of real passages: (n, dim), rows of length 1.
        openings: Sentence → the row of ``real`` whose passage it stands in.
    """

    def __init__(self, real: Vectors, openings: Mapping[str, int]) -> None:
        self.real = real
        self.openings = openings
        # A factor F of the covariance, F'F = C, has the rows of the centred vectors' own R of QR.
        centred = (real - real.mean(axis=0)) / np.sqrt(len(real))
        self._factor = np.asarray(np.linalg.qr(centred, mode="r"), np.float32)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load what :meth:`save` wrote."""
        with np.load(folder / ARRAYS, allow_pickle=False) as arrays:
            real = arrays["real"]
        return cls(real, json.loads((folder / OPENINGS).read_text(encoding="utf-8")))

    def save(self, folder: Path) -> None:
        """Write everything into a folder."""
        np.savez(folder / ARRAYS, real=self.real)
        (folder / OPENINGS).write_text(json.dumps(self.openings), encoding="utf-8")

    def __call__(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors of passages as they are embedded, behind their header: (len(texts), dim)."""
        vectors = np.empty((len(texts), self.real.shape[1]), np.float32)
        for at in range(0, len(texts), BATCH):
            vectors[at : at + BATCH] = self._batch(texts[at : at + BATCH])
        return vectors

    def _batch(self, texts: Sequence[str]) -> Vectors:
        digests = [hashlib.blake2b(text.encode(), digest_size=8).digest() for text in texts]
        seeds = [int.from_bytes(digest, "little") for digest in digests]
        rows = [
            self.openings.get(opening(text), seed % len(self.real))
            for text, seed in zip(texts, seeds, strict=True)
        ]
        drawn = np.empty((len(texts), len(self._factor)), np.float32)
        for row, seed in zip(drawn, seeds, strict=True):
            np.random.Generator(np.random.SFC64(seed)).standard_normal(dtype=np.float32, out=row)
        vectors = self.real[rows] + NOISE * (drawn @ self._factor)
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def opening(text: str) -> str:
    """Return the first sentence of a passage that stands behind its header, one sentence a line."""
    return text.split("\n", 2)[1] if "\n" in text else text


class ReadyEncoder:
    """A real encoder that looks passages up instead of encoding them; questions and tokens are its work."""

    def __init__(self, encoder: Encoder, ready: ReadyVectors) -> None:
        self.name, self.fingerprint = encoder.name, encoder.fingerprint
        self.dim, self.max_tokens = encoder.dim, encoder.max_tokens
        self.encode = ready
        self.encode_queries = encoder.encode_queries
        self.token_spans = encoder.token_spans


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

    def nearest(self, ready: ReadyVectors, queries: Vectors, k: int) -> list[list[str]]:
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
    settings = f"{FORMAT} {chunking.VERSION} {encoder.fingerprint} {sorted(sizes)} {further}"
    made_of = hashlib.sha256(settings.encode())
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
    """Whether a sentence on a line of its own is still split off as one sentence."""
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
        yield like.model_copy(update={"id": f"{prefix}{number}", "text": "\n".join(chosen)})


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
