"""An archive's own calibration: made of its articles, kept in it, used by its answers, undone at will."""

from __future__ import annotations

import math

import pytest

import qa
from qa.answering import weights
from qa.answering.calibration import FEWEST, Calibration, Quality, read, trials
from tests.conftest import SEEDS

TOWNS = (
    "Ashford",
    "Brightwell",
    "Carrick",
    "Dunmore",
    "Eastleigh",
    "Farnham",
    "Galston",
    "Halden",
    "Ivybridge",
    "Jedburgh",
)
THINGS = ("mill", "bridge", "school", "harbour", "library", "railway")


@pytest.fixture(scope="module")
def archive(settings, tmp_path_factory):
    with qa.Archive.create(tmp_path_factory.mktemp("calibrated") / "a", settings=settings) as archive:
        archive.add(
            qa.Article(
                id=f"{town}-{thing}",
                title=f"The {thing} of {town} opens its doors",
                text=f"The {thing} of {town} was opened by Mayor Tom {town}son on {n + 1} May 19{10 + m}. "
                f"Its wooden roof cost {100 * n + m} crowns, said the builder. Rain fell upon the visitors.",
            )
            for n, town in enumerate(TOWNS)
            for m, thing in enumerate(THINGS)
        )
        yield archive


def test_questions_ask_for_what_their_sentence_states(archive):
    articles = {a.id: a for a in archive}
    made = list(trials(list(articles.values()), seed=1))
    assert {t.question.split()[0] for t in made} >= {"When", "How", "The"}
    for trial in made:
        text = articles[trial.article].text
        if trial.span is not None:
            assert trial.answer in text[slice(*trial.span)]
            assert trial.answer not in trial.question
    assert made == list(trials(list(articles.values()), seed=1))
    assert made != list(trials(list(articles.values()), seed=2))


def test_what_was_fitted_is_kept_used_and_undone(archive, settings):
    before = archive.ask("When was the mill of Ashford opened?")
    asked = []
    found = archive.calibrate(60, seed=3, progress=lambda done, total: asked.append((done, total)))
    assert asked == [(n, 60) for n in range(1, 61)]
    assert found.questions == 60
    assert found.after.error < found.before.error
    assert found.after.needless <= 0.1
    assert found.after.refused > found.after.needless
    with qa.Archive.open(archive.path, settings=settings) as again:
        after = again.ask("When was the mill of Ashford opened?")
    logit = math.log(before.confidence / (1 - before.confidence))
    expected = 1 / (1 + math.exp(-(found.scale * logit + found.shift)))
    assert after.confidence == pytest.approx(expected, abs=1e-6)
    assert after.abstained == (after.confidence < found.refuse)
    archive.uncalibrate()
    assert archive.ask("When was the mill of Ashford opened?").confidence == before.confidence


def test_a_calibration_for_another_reader_is_left_aside(archive):
    quality = Quality(needless=0, refused=0, error=0)
    other = Calibration(
        reader="another", scale=2, shift=1, refuse=0.4, questions=20, before=quality, after=quality
    )
    shipped = weights.load().no_reader
    assert other.apply(shipped) is shipped
    assert read("") is read("{}") is read("not json") is None
    assert read(other.model_dump_json()) == other


def test_too_few_articles_are_told(settings, tmp_path):
    with qa.Archive.create(tmp_path / "a", settings=settings) as archive:
        archive.add(qa.Article(id="one", title="", text="Nothing much happened."))
        with pytest.raises(qa.CalibrationError, match=f"Only 0 questions .* {FEWEST} are needed"):
            archive.calibrate()


def test_the_command_tells_before_and_after(settings, tmp_path):
    from click.testing import CliRunner

    from qa.cli import cli

    environment = {"QA_MODEL": "tiny", "QA_READER": "none", "QA_CACHE_DIR": str(settings.cache_dir)}
    with qa.Archive.create(tmp_path / "a", settings=settings) as archive:
        archive.add(SEEDS)
        archive.add(
            qa.Article(id=town, title=f"The mayor of {town} resigns", text=f"Mayor Tom {town}son resigned.")
            for town in TOWNS
        )
    run = CliRunner().invoke(
        cli,
        ["calibrate", "--archive", str(tmp_path / "a"), "--questions", "20"],
        env=environment,
        standalone_mode=False,
    )
    assert run.exception is None
    lines = run.stdout.splitlines()
    assert lines[0].startswith("20 questions made")
    assert [line.split("  ")[0] for line in lines[2:5]] == [
        "refused although it is there", "refused when it is held out", "calibration error",
    ]  # fmt: skip
