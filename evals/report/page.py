"""The report as a page of Markdown: every table, with the pictures beside it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from evals import baselines, metrics
from evals.report.cells import between, bounded, difference, mean, number, table
from evals.report.goals import Reached
from evals.report.refusal_page import elsewhere, refusing, reliability
from evals.report.stages import STAGES, WHOLE
from evals.report.study import NO_HEADER, NO_HISTORY, NO_MENTIONS, OURS, WITH_READER, Study, scores_of
from evals.rows import ANSWER_SCORES

PARTS = {NO_HEADER: "headers", NO_HISTORY: "history", NO_MENTIONS: "sources, dates and parts named"}
"""Ablation → what it leaves out."""
ANSWERED_BY = ("contained answer", "sentence F1", "citation recall", "right article")
"""What tells how well a set is answered: what applies to most of its questions, the first of those that tie."""


@dataclass(frozen=True)
class About:
    """What a report was made of.

    Attributes:
        command: without the machine's own paths.
        commit: of the working tree, and whether it was changed.
        day: in ISO form.
        machine: processor, cores, load and the libraries that matter.
        settings: reader and threshold.
        notes: what is to be known about the run.
        minutes: how long it took.
    """

    command: str
    commit: str
    day: str
    machine: str
    settings: str
    notes: tuple[str, ...]
    minutes: float


def page(
    about: About, studies: Sequence[Study], goals: Sequence[Reached], pictures: Mapping[str, PurePosixPath]
) -> str:
    """Return the report.

    Args:
        about: What it was made of.
        studies: One of each set.
        goals: What is reached of what was set out.
        pictures: Set → picture, relative to the page.
    """
    sections: dict[str, Iterable[str]] = {
        "The goals": _goals(goals),
        "Finding the article": _ranking(studies),
        "What each part gives": _parts(studies),
        "Answers": _answers(studies),
        "Refusing": refusing(studies),
        "Questions of other sets": elsewhere(studies),
        "Calibration": reliability(studies, pictures),
        "Time": _time(studies),
    }
    lines = ["# Report", "", *_head(about, studies)]
    for title, body in sections.items():
        if found := list(body):
            lines += ["", f"## {title}", "", *found]
    return "\n".join(lines) + "\n"


def _head(about: About, studies: Sequence[Study]) -> Iterator[str]:
    yield f"Written by `{about.command}` at commit `{about.commit}` on {about.day}, in {about.minutes:.0f} minutes."
    yield f"{about.machine}. {about.settings}."
    yield ""
    yield (
        'In brackets: 95 % intervals, by bootstrap over the questions. "Ours" is the archive under these settings. '
        "BM25, dense and RRF (k = 60) rank the same passages, for the last question of a conversation alone. "
        "The coefficients in `qa/weights.json` and the default threshold were fitted on questions of these sets: "
        "refusal and calibration are measured where they were learned."
    )
    yield ""
    yield from table(
        ("set", "questions asked", "answerable", "articles", "passages", "model"),
        (
            (
                study.name,
                str(len(study.dataset.questions)),
                str(sum(q.answerable for q in study.dataset.questions)),
                str(study.articles),
                str(study.passages),
                study.model,
            )
            for study in studies
        ),
    )
    for note in about.notes:
        yield from ("", note)


def _goals(goals: Sequence[Reached]) -> Iterator[str]:
    heads = ("set", "measure", "n", "RRF", "found", "over RRF, paired", "bar", "aim", "")
    yield from table(
        heads,
        (
            (
                found.goal.data,
                found.goal.measure,
                str(found.n),
                number(found.rrf),
                f"**{number(found.value)}** {between(*found.interval)}".strip(),
                difference(found.gain),
                number(found.goal.bar),
                number(found.goal.aim),
                found.verdict,
            )
            for found in goals
        ),
    )


def _ranking(studies: Sequence[Study]) -> Iterator[str]:
    yield "Means over answerable questions with a known article; the difference is of nDCG@10, question by question."
    for study in studies:
        systems = [s for s in (*baselines.NAMES, OURS, study.other, *PARTS) if s in study.orders]
        reference = study.values("RRF", "nDCG@10")
        if not reference:
            continue
        yield from ("", f"**{study.name}** ({len(reference)} questions)", "")
        yield from table(
            ("system", *metrics.RANKING, "over RRF"),
            (
                (
                    f"**{system}**" if system == OURS else system,
                    *(mean(study.values(system, metric)) for metric in metrics.RANKING),
                    ""
                    if system == "RRF"
                    else difference(metrics.paired_difference(reference, study.values(system, "nDCG@10"))),
                )
                for system in systems
            ),
        )


def _parts(studies: Sequence[Study]) -> Iterator[str]:
    yield (
        "Each part against the same archive without it, question by question. Headers and mentions are left out of "
        "the search alone; a set whose questions have no use for a part has no line. "
        "Answers are judged by the measure that applies to most of the set's questions."
    )
    yield ""
    rows = []
    for study in studies:
        reader = (OURS, study.other)[:: -1 if study.other == WITH_READER else 1]
        pairs = {"reader": reader} | {
            what: (OURS, without) for without, what in PARTS.items() if without in study.orders
        }
        for what, (with_it, without) in pairs.items():
            measure = max(ANSWERED_BY, key=lambda name: len(study.values(OURS, name)))
            gains = [_gain(study, with_it, without, name) for name in ("nDCG@10", measure)]
            asked = measure if gains[1][0] else ""
            rows.append((what, study.name, *gains[0], asked, *gains[1]))
    parts = ["reader", *PARTS.values()]
    rows.sort(key=lambda row: parts.index(row[0]))
    heads = ("part", "set", "nDCG@10 without", "with", "gain", "answers by", "without", "with", "gain")
    yield from table(heads, rows)


def _gain(study: Study, with_it: str, without: str, metric: str) -> tuple[str, str, str]:
    before, after = study.values(without, metric), study.values(with_it, metric)
    if not before:
        return "", "", ""
    return mean(before), mean(after), difference(metrics.paired_difference(before, after))


def _answers(studies: Sequence[Study]) -> Iterator[str]:
    yield "Answerable questions; a refusal is an answer without a quote. The last column never refuses (`refuse=0`)."
    for study in studies:
        others = [s for s in (study.other, NO_HISTORY) if s in study.runs]
        rows = []
        for name in ANSWER_SCORES:
            row = study.rows[OURS].get(f"answers/{name}")
            if row is not None:
                rest = [mean(study.values(system, name)) for system in others]
                last = mean(scores_of(study.always[OURS], name))
                rows.append((name, str(row.n), bounded(row), *rest, last))
        if rows:
            yield from ("", f"**{study.name}**", "")
            yield from table(("measure", "n", OURS, *others, "ours, never refusing"), rows)


def _time(studies: Sequence[Study]) -> Iterator[str]:
    count = max(len(taken[WHOLE[0]]) for study in studies for taken in study.stages.values())
    yield (
        f"Milliseconds, median (95th percentile), warm, of at most {count} questions a set, on archives of the sizes "
        "above; `python -m evals.speed` measures larger ones and cold starts."
    )
    yield ""

    def cell(taken: Sequence[float]) -> str:
        return f"{np.median(taken):.1f} ({np.quantile(taken, 0.95):.1f})"

    yield from table(
        ("set", "system", *STAGES, *WHOLE),
        (
            (study.name, system, *(cell(taken[stage]) for stage in (*STAGES, *WHOLE)))
            for study in studies
            for system, taken in study.stages.items()
        ),
    )
