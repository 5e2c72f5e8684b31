"""``python -m evals.precision``: what computing in 8 bits does to the search, beside float32.

Whole articles are embedded, cut at the model's window, by sentence-transformers in float32 and by the converted
model, and ranked for each question by cosine alone.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import numpy as np

from embeddings import EmbeddingError, Encoder, load_encoder
from embeddings.runtime.source import bundled_folder
from evals import metrics
from evals.dataset import Dataset
from qa.errors import QAError
from qa.loaders.loaded import LoadedArticle
from qa.loaders.registry import read_paths
from qa.settings import Settings
from qa.types import embedded_text, header

DEPTH = 10
METRICS = ("hit@1", "nDCG@10")


@click.command()
@click.option(
    "--data",
    "folders",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    multiple=True,
    required=True,
    help="An evaluation folder; may be given again.",
)
def main(folders: Sequence[Path]) -> None:
    """Compare the bundled model as it is used with the same in float32."""
    try:
        from embeddings.encoding.sentence_transformer import SentenceTransformerEncoder

        ours = load_encoder(None, Settings.from_environ().cache_dir)
        exact = SentenceTransformerEncoder(bundled_folder(), ours.name, ours.fingerprint)
        for folder in folders:
            for line in compare(Dataset.load(folder), exact, ours):
                click.echo(line)
    except (QAError, EmbeddingError, OSError) as error:
        click.echo(f"evals.precision: {error}", err=True)
        sys.exit(2)


def compare(dataset: Dataset, exact: Encoder, other: Encoder) -> Iterator[str]:
    """Yield a table: each metric of both, the paired difference, and how far their vectors and hits agree.

    Args:
        dataset: Its questions that have relevant articles are asked, the last turn alone.
        exact: The reference.
        other: What is compared with it.
    """
    articles = [found.article for found in read_paths([dataset.corpus]) if isinstance(found, LoadedArticle)]
    texts = [embedded_text(header(article), article.text) for article in articles]
    asked = [question for question in dataset.questions if dataset.relevant(question)]
    relevant = {question.id: dataset.relevant(question) for question in asked}
    vectors, hits, scores = [], [], []
    for encoder in (exact, other):
        passages = encoder.encode(texts)
        questions = encoder.encode_queries([question.question for question in asked])
        best = np.argsort(-questions @ passages.T, axis=1, kind="stable")[:, :DEPTH]
        found = {q.id: [articles[i].id for i in row] for q, row in zip(asked, best.tolist(), strict=True)}
        vectors.append(passages)
        hits.append(found)
        scores.append(metrics.ranking(found, relevant))
    cosines = (vectors[0] * vectors[1]).sum(axis=1)
    shared = [len({*hits[0][q]} & {*hits[1][q]}) / len(hits[0][q]) for q in relevant]
    yield f"{dataset.name}: {len(asked)} questions, {len(articles)} articles"
    for metric in METRICS:
        before, after = ({q: values[metric] for q, values in by.items()} for by in scores)
        change = metrics.paired_difference(before, after)
        low, high = (100 * (end or 0.0) for end in change.interval)
        means = "  ".join(f"{100 * np.mean(list(values.values())):.2f}" for values in (before, after))
        yield f"  {metric:<8} float32, ours: {means}   {100 * change.mean:+.2f} points ({low:+.2f} – {high:+.2f})"
    yield f"  best {DEPTH} in common {np.mean(shared):.3f}; cosine {cosines.mean():.5f}, least {cosines.min():.5f}"


if __name__ == "__main__":
    main(prog_name="python -m evals.precision")
