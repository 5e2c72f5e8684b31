"""The report as a page of Markdown: every table, with the pictures beside it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from evals import baselines, metrics
from evals.metrics import Difference
from evals.report.goals import Reached, refused_elsewhere, with_foreign_questions
from evals.report.reliability import Calibration
from evals.report.study import NO_HISTORY, NO_SCOPE, OURS, WITH_READER, Study, scores_of
from evals.summary import ANSWER_SCORES, AT_MOST_NEEDLESS, MAX_FALSE_REFUSALS, Row, refusals

PARTS = {NO_HISTORY: "history", NO_SCOPE: "sources, dates and parts named"}
"""Ablation → what it leaves out."""
ANSWERED_BY = ("contained answer", "sentence F1", "citation recall", "right article")
"""What measures how well a set is answered: what applies to most of its questions, the first of those that tie."""

Cells = Sequence[str]


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
        goals: The goals, and what was found for each.
        pictures: Set → picture, relative to the page.
    """
    sections: dict[str, Iterable[str]] = {
        "The goals": _goals(goals),
        "Finding the article": _ranking(studies),
        "What each part gives": _parts(studies),
        "Answers": _answers(studies),
        "Refusing": _refusing(studies),
        "Questions of other sets": _elsewhere(studies),
        "Calibration": _calibration(studies, pictures),
    }
    lines = ["# Report", "", *_head(about, studies)]
    for title, body in sections.items():
        if found := list(body):
            lines += ["", f"## {title}", "", *found]
    return "\n".join(lines) + "\n"


def _head(about: About, studies: Sequence[Study]) -> Iterator[str]:
    yield f"Written by `{about.command}` at commit `{about.commit}` on {about.day}, in {about.minutes:.0f} minutes."
    yield f"{about.machine} {about.settings}."
    yield ""
    yield (
        'In brackets: 95 % intervals, by bootstrap over the questions. "Ours" is the archive under these settings. '
        "BM25, dense and RRF (k = 60) rank the same passages, for the last question of a conversation alone. "
        "The coefficients in `weights.json` and the default threshold were fitted on questions of these sets: "
        "refusal and calibration are measured where they were learned."
    )
    yield ""
    rows = []
    for study in studies:
        asked = study.dataset.questions
        counts = len(asked), sum(q.answerable for q in asked), study.articles, study.passages
        rows.append((study.name, *map(str, counts), study.model))
    yield from _table(("set", "questions asked", "answerable", "articles", "passages", "model"), rows)
    for note in about.notes:
        yield from ("", note)


def _goals(goals: Sequence[Reached]) -> Iterator[str]:
    rows = []
    for found in goals:
        value = f"**{_number(found.value)}** {_between(*found.interval)}".strip()
        bars = _number(found.goal.bar), _number(found.goal.aim), found.verdict
        cells = found.goal.measure, str(found.n), _number(found.rrf), value, _difference(found.gain)
        rows.append((found.goal.data, *cells, *bars))
    yield from _table(("set", "measure", "n", "RRF", "found", "over RRF, paired", "bar", "aim", ""), rows)


def _ranking(studies: Sequence[Study]) -> Iterator[str]:
    yield "Means over answerable questions with a known article; the difference is of nDCG@10, question by question."
    for study in studies:
        reference = study.values("RRF", "nDCG@10")
        if not reference:
            continue
        rows = []
        for system in (*baselines.NAMES, OURS, study.other, *PARTS):
            if system in study.orders:
                gain = metrics.paired_difference(reference, study.values(system, "nDCG@10"))
                means = (_mean(study.values(system, metric)) for metric in metrics.RANKING)
                name = f"**{system}**" if system == OURS else system
                rows.append((name, *means, "" if system == "RRF" else _difference(gain)))
        yield from ("", f"**{study.name}** ({len(reference)} questions)", "")
        yield from _table(("system", *metrics.RANKING, "over RRF"), rows)


def _parts(studies: Sequence[Study]) -> Iterator[str]:
    yield (
        "Each part against the same archive without it, question by question. What a question names is left out of "
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
    yield from _table(heads, rows)


def _gain(study: Study, with_it: str, without: str, metric: str) -> tuple[str, str, str]:
    before, after = study.values(without, metric), study.values(with_it, metric)
    if not before:
        return "", "", ""
    return _mean(before), _mean(after), _difference(metrics.paired_difference(before, after))


def _answers(studies: Sequence[Study]) -> Iterator[str]:
    yield "Answerable questions; a refusal is an answer without a quote. The last column never refuses (`refuse=0`)."
    for study in studies:
        others = [s for s in (study.other, NO_HISTORY) if s in study.runs]
        rows = []
        for name in ANSWER_SCORES:
            if row := study.rows[OURS].get(f"answers/{name}"):
                rest = [_mean(study.values(system, name)) for system in others]
                last = _mean(scores_of(study.always[OURS], name))
                rows.append((name, str(row.n), _bounded(row), *rest, last))
        if rows:
            yield from ("", f"**{study.name}**", "")
            yield from _table(("measure", "n", OURS, *others, "ours, never refusing"), rows)


def _refusing(studies: Sequence[Study]) -> Iterator[str]:
    yield (
        "Refused as the settings have it; precision and F1 over all unanswerable questions of the set. "
        f"The last column takes the threshold at which {MAX_FALSE_REFUSALS:.0%} of the set's answerable questions "
        "are refused. In squad2 and clapnq “unanswerable” means from one paragraph: another may well answer it."
    )
    yield ""
    rows = []
    for study in studies:
        for system in (OURS, study.other):
            found = study.rows[system]
            kinds = sorted({o.type for o in study.runs[system] if o.judged and not o.answerable})
            for kind in kinds or ["none"]:
                several = len(kinds) > 1
                keys = (
                    f"refused/{kind}" if several else "recall",
                    "needless refusals",
                    "precision",
                    f"AUROC/{kind}" if several else "AUROC",
                    f"{AT_MOST_NEEDLESS}/{kind}",
                )
                cells = [_bounded(found.get(f"abstention/{key}")) for key in keys]
                rows.append((study.name, kind, system, *cells[:3], _number(_f1(found)), *cells[3:]))
    heads = ("set", "unanswerable", "system", "refused", "needless", "precision", "F1", "AUROC")
    if rows:
        yield from _table((*heads, AT_MOST_NEEDLESS), rows)


def _f1(rows: Mapping[str, Row]) -> float | None:
    precision, recall = rows.get("abstention/precision"), rows.get("abstention/recall")
    if precision is None or recall is None or not precision.value + recall.value:
        return None
    return 2 * precision.value * recall.value / (precision.value + recall.value)


def _elsewhere(studies: Sequence[Study]) -> Iterator[str]:
    asked = with_foreign_questions(studies)
    if not asked:
        return
    yield (
        "Answerable questions of the other sets, put to an archive that does not answer them. First as the settings "
        f"have it, then at the threshold at which {MAX_FALSE_REFUSALS:.0%} of the archive's own answerable questions "
        "are refused."
    )
    yield ""

    def at_threshold(studies: Sequence[Study], system: str) -> str:
        value, interval = refused_elsewhere(studies, system)
        return f"{value:.3f} {_between(*interval)}"

    rows = []
    for study in asked:
        for system, run in study.elsewhere.items():
            refused = refusals(run)
            share = f"{np.mean(refused):.3f} {_between(*metrics.mean_interval([*refused]))}"
            needless = _bounded(study.rows[system].get("abstention/needless refusals"))
            rows.append((study.name, system, str(len(run)), share, needless, at_threshold([study], system)))
    for system in asked[0].elsewhere:
        count = sum(len(study.elsewhere[system]) for study in asked)
        rows.append(("all, one threshold", system, str(count), "", "", at_threshold(asked, system)))
    yield from _table(("archive", "system", "n", "refused", "needless", AT_MOST_NEEDLESS), rows)


def _calibration(studies: Sequence[Study], pictures: Mapping[str, PurePosixPath]) -> Iterator[str]:
    yield (
        "Every judged question, answered whatever the confidence (`refuse=0`). An answer is right if its quotes hold "
        "an accepted answer or, where there is no short one, touch a gold sentence; of unanswerable ones none is. "
        "Error is the expected calibration error in bins of one tenth; Brier the mean squared error. Coverage is the "
        "share of the questions answered from the threshold on, risk the share of those answers that are wrong."
    )
    yield ""
    rows = []
    for study in studies:
        for system, run in study.always.items():
            found, threshold = Calibration.of(run), study.thresholds[system]
            answers = found.quoted
            means = (float(np.mean(v)) if len(v) else None for v in (answers.confidence, answers.right))
            numbers = (*means, found.error, found.brier, threshold, *found.at(threshold))
            rows.append((study.name, system, str(len(answers.right)), *map(_number, numbers)))
    heads = ("set", "system", "answers", "mean confidence", "share right", "error", "Brier")
    yield from _table((*heads, "threshold", "coverage", "risk"), rows)
    for study in studies:
        if study.name in pictures:
            alt = f"{study.name}: reliability, risk and coverage"
            yield from ("", f"![{alt}]({pictures[study.name]})")


# Tables and their cells; what is not known is an empty cell


def _table(heads: Cells, rows: Iterable[Cells]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"|{'---|' * len(heads)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _number(value: float | None) -> str:
    return "" if value is None or np.isnan(value) else f"{value:.3f}"


def _mean(values: Mapping[str, float]) -> str:
    return _number(float(np.mean(list(values.values())))) if values else ""


def _between(low: float | None, high: float | None, form: str = ".3f") -> str:
    return "" if low is None or high is None else f"[{low:{form}}, {high:{form}}]"


def _bounded(row: Row | None) -> str:
    return "" if row is None else f"{_number(row.value)} {_between(row.low, row.high)}".strip()


def _difference(gain: Difference | None) -> str:
    return "" if gain is None else f"{gain.mean:+.3f} {_between(*gain.interval, form='+.3f')}".strip()
