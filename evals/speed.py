"""``python -m evals.speed``: how long a question takes, and the encoder beside the library it replaces."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import click

import qa
from embeddings import load_encoder
from evals.dataset import Dataset
from qa.chunking import chunk
from qa.settings import Settings

QUESTION = "Who led the Nanling delegation?"
COLD_RUNS, PASSAGES = 7, 96


@click.command()
@click.option("--against/--alone", default=True, help="Also run sentence-transformers on the same texts.")
def main(against: bool) -> None:
    """Time cold and warm questions on the default archive, and the encoder beside sentence-transformers."""
    archive = qa.default_archive()
    questions = [q.question for q in Dataset.load().questions][:100]
    archive.ask(QUESTION)
    click.echo(
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    )
    click.echo(f"{'seed archive':<44}{'median':>10}{'p95':>10}  ms")
    _row("cold shell: qa ask", [_cold() for _ in range(COLD_RUNS)])
    _row("first question of each kind, archive.ask", _timed(archive.ask, questions))
    _row("warm archive.ask", _timed(archive.ask, questions))
    _row("warm archive.search", _timed(archive.search, questions))
    _encoders(archive, questions, against)


def _cold() -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-m", "qa.cli", "ask", QUESTION], check=True, capture_output=True)
    return time.perf_counter() - started


def _timed(work: Callable[[str], Any], texts: Sequence[str]) -> list[float]:
    seconds = []
    for text in texts:
        started = time.perf_counter()
        work(text)
        seconds.append(time.perf_counter() - started)
    return seconds


def _row(name: str, seconds: Sequence[float]) -> None:
    ordered = sorted(seconds)
    p95 = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
    click.echo(f"  {name:<42}{1000 * statistics.median(ordered):>10.1f}{1000 * p95:>10.1f}")


def _encoders(archive: qa.Archive, questions: Sequence[str], against: bool) -> None:
    """Encode the same passages and questions by both, turn about."""
    encoder = archive.encoder
    texts = [
        article.text[start:end]
        for article in archive
        for start, end in chunk(article.text, encoder.token_spans, encoder.max_tokens)
    ]
    passages = (texts * (PASSAGES // len(texts) + 1))[:PASSAGES]
    ours = load_encoder(None, Settings.from_environ().cache_dir)
    systems: dict[str, tuple[Callable[[list[str]], Any], Callable[[str], Any]]] = {
        "this encoder": (ours.encode, lambda text: ours.encode_queries([text]))
    }
    if against:
        from sentence_transformers import SentenceTransformer

        from embeddings.encoder import bundled_folder

        theirs = SentenceTransformer(str(bundled_folder()), device="cpu")
        systems["sentence-transformers"] = (theirs.encode, theirs.encode)
    click.echo(f"{'encoder':<44}{'passages/s':>10}{'query ms':>12}")
    rates: dict[str, tuple[float, float]] = {}
    for name, (encode, encode_query) in systems.items():
        encode(passages[:8])
        started = time.perf_counter()
        encode(passages)
        rate = len(passages) / (time.perf_counter() - started)
        rates[name] = rate, 1000 * statistics.median(_timed(encode_query, questions[:40]))
        click.echo(f"  {name:<42}{rates[name][0]:>10.1f}{rates[name][1]:>12.1f}")
    if against:
        (rate, query), (their_rate, their_query) = rates.values()
        click.echo(f"  {'ratio':<42}{rate / their_rate:>9.1f}x{their_query / query:>11.1f}x")


if __name__ == "__main__":
    main(prog_name="python -m evals.speed")
