"""Trains the reader, and fits the coefficients that go with it.

    python -m evals.training train --data DIR --out DIR --steps 4400
    python -m evals.training export --data DIR --out DIR --weights embeddings/weights/reader
    python -m evals.training fit --data DIR --data DIR --reader bundled

`train` continues from the checkpoint in --out if there is one, else from the weights that --start names; the learning
rate reaches zero at its last step.
"""

from __future__ import annotations

import json
import logging
import random
from dataclasses import asdict
from pathlib import Path

import click

from embeddings import load_encoder
from embeddings.reading.reader import Reader
from evals.training import data as reading_data
from evals.training import export as exporting
from evals.training.fit import fit_command
from evals.training.loop import CHECKPOINT, EARLIER, Run, Training, mined, train_loop
from evals.training.model import pair_encoder, pretrained_folder, pretrained_model
from evals.training.sampler import Sampler
from qa.settings import Settings

SETTINGS = "training.json"
FOLDER = click.Path(path_type=Path)
EXISTING = click.Path(path_type=Path, exists=True)


@click.group()
def main() -> None:
    """Train and export the reader; fit the coefficients."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")


main.add_command(fit_command)


@main.command()
@click.option("--data", "root", type=EXISTING, required=True)
@click.option("--out", type=FOLDER, required=True)
@click.option("--steps", default=Training.steps, show_default=True)
@click.option("--threads", default=2, show_default=True)
@click.option("--seed", default=Training.seed, show_default=True)
@click.option("--rate", default=Training.rate, show_default=True)
@click.option("--start", type=EXISTING, help="Folder of exported weights to begin with.")
@click.option(
    "--stream", default=0, show_default=True, help="Draws other examples, as a run that --start begins wants."
)
def train(
    root: Path, out: Path, steps: int, threads: int, seed: int, rate: float, start: Path | None, stream: int
) -> None:
    """Train for so many steps; continues where a checkpoint is found."""
    import torch

    torch.set_num_threads(threads)
    torch.set_flush_denormal(True)
    torch.manual_seed(seed)
    random.seed(seed)
    out.mkdir(parents=True, exist_ok=True)
    training = Training(steps=steps, seed=seed, rate=rate, stream=stream)
    (out / SETTINGS).write_text(json.dumps(asdict(training), indent=1), encoding="utf-8")
    data = reading_data.load(root, seed=seed)
    logging.info("held out: %s", ", ".join(data.held_out))
    negatives = mined(data, out, load_encoder(None, Settings.from_environ().cache_dir).encode)
    run = Run(pretrained_model(training.dropout), training)
    if (out / CHECKPOINT).exists():
        run.restore(out / CHECKPOINT)
    elif start is not None:
        run.start_from(start)
        run.save(out / EARLIER)
    sampler = Sampler(data, negatives, pair_encoder(), seed=seed + stream + run.steps)
    # a run that starts from a trained reader continues where its training ended: in the last phase
    phase = (lambda: 1.0) if start is not None else (lambda: run.progress)
    train_loop(run, sampler.batches(size=training.batch, pool=12, progress=phase), out)


@main.command()
@click.option("--data", "root", type=EXISTING, required=True)
@click.option("--out", type=EXISTING, required=True, help="Folder of the run.")
@click.option("--weights", type=FOLDER, required=True, help="Folder to write.")
@click.option("--threads", default=2, show_default=True)
@click.option(
    "--questions", type=int, help="Measure on so many questions only, 0 for none; by default on all."
)
@click.option(
    "--note", "notes", multiple=True, help="For the card: what the settings do not say about the run."
)
def export(
    root: Path, out: Path, weights: Path, threads: int, questions: int | None, notes: tuple[str, ...]
) -> None:
    """Convert the run in --out, averaged with its earlier state; measure it and write the card."""
    import torch

    torch.set_num_threads(threads)
    settings = json.loads((out / SETTINGS).read_text(encoding="utf-8"))
    run = Run(pretrained_model(0.0), Training(**settings))
    run.restore(out / CHECKPOINT)
    run.restore_average(out)
    model, encoder = run.use_average(), pair_encoder()
    config = exporting.graph_config(model.get_submodule("encoder").config, encoder.max_tokens)
    exporting.write_weights(model, pretrained_folder() / "tokenizer.json", weights, config)
    reader = Reader.load(weights, threads=threads)
    data = reading_data.load(root, seed=settings["seed"])
    asked = random.Random(settings["seed"]).sample(data.dev, questions) if questions is not None else data.dev
    measured: dict[str, dict[str, float]] = {}
    if asked:
        measured["Reading"] = exporting.measure_reading(reader, data, asked)
        embed = load_encoder(None, Settings.from_environ().cache_dir).encode
        measured["Reranking"] = exporting.measure_reranking(reader, data, asked, embed)
        measured["Agreement with float32"] = exporting.agreement(model, encoder, reader, data, asked[:300])
    exporting.write_card(weights, root, data, settings, measured, notes)
    click.echo(json.dumps(measured, indent=1))


if __name__ == "__main__":
    main(prog_name="python -m evals.training")
