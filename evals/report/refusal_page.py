"""The report's sections on silence: what is refused, and whether a confidence means what it says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath

import numpy as np

from evals import metrics
from evals.report.cells import Cells, between, bounded, number, table
from evals.report.goals import confidences, refused_at_needless, told_elsewhere
from evals.report.reliability import Calibration
from evals.report.study import OURS, Run, Study
from evals.rows import NEEDLESS, Row


def refusing(studies: Sequence[Study]) -> Iterator[str]:
    """Yield what each set's unanswerable questions came to."""
    yield (
        "Refused as the settings have it; precision and F1 over all unanswerable questions of the set. "
        f"The last column takes the threshold at which {NEEDLESS:.0%} of the set's answerable questions are refused. "
        "In squad2 and clapnq “unanswerable” means from one paragraph: another may well answer it."
    )
    yield ""
    rows = []
    for study in studies:
        for system in (OURS, study.other):
            found = study.rows[system]
            kinds = sorted({o.type for o in study.runs[system] if o.judged and not o.answerable})
            for kind in kinds or ["none"]:
                of_kind = f"/{kind}" if len(kinds) > 1 else ""
                refused = f"abstention/refused/{kind}" if of_kind else "abstention/recall"
                rows.append(
                    (
                        study.name,
                        kind,
                        system,
                        bounded(found.get(refused)),
                        bounded(found.get("abstention/needless refusals")),
                        bounded(found.get("abstention/precision")),
                        number(_f1(found)),
                        bounded(found.get(f"abstention/AUROC{of_kind}")),
                        bounded(found.get(f"abstention/refused at ≤ {NEEDLESS:.0%} needless/{kind}")),
                    )
                )
    heads = ("set", "unanswerable", "system", "refused", "needless", "precision", "F1", "AUROC")
    if rows:
        yield from table((*heads, f"refused at ≤ {NEEDLESS:.0%} needless"), rows)


def _f1(rows: Mapping[str, Row]) -> float | None:
    precision, recall = rows.get("abstention/precision"), rows.get("abstention/recall")
    if precision is None or recall is None or not precision.value + recall.value:
        return None
    return 2 * precision.value * recall.value / (precision.value + recall.value)


def elsewhere(studies: Sequence[Study]) -> Iterator[str]:
    """Yield what became of questions put to an archive that does not answer them."""
    told = told_elsewhere(studies)
    if not told:
        return
    yield (
        "Answerable questions of the other sets, put to an archive that does not answer them. First as the settings "
        f"have it, then at the threshold at which {NEEDLESS:.0%} of the archive's own answerable questions are refused."
    )
    yield ""
    rows = []
    for study in told:
        for system in study.elsewhere:
            refused = [float(bool(o.abstained)) for o in study.elsewhere[system]]
            needless = study.rows[system].get("abstention/needless refusals")
            at_needless = _refused([study], system)
            cells = f"{np.mean(refused):.3f} {between(*metrics.mean_interval(refused))}", bounded(needless)
            rows.append((study.name, system, str(len(refused)), *cells, at_needless))
    for system in told[0].elsewhere:
        count = sum(len(study.elsewhere[system]) for study in told)
        rows.append(("all, one threshold", system, str(count), "", "", _refused(told, system)))
    heads = ("archive", "system", "n", "refused", "needless", f"refused at ≤ {NEEDLESS:.0%} needless")
    yield from table(heads, rows)


def _refused(studies: Sequence[Study], system: str) -> str:
    own = np.concatenate([confidences(s.runs[system], answerable=True) for s in studies])
    foreign = np.concatenate([confidences(s.elsewhere[system], answerable=False) for s in studies])
    value, interval = refused_at_needless(own, foreign)
    return f"{value:.3f} {between(*interval)}"


def reliability(studies: Sequence[Study], pictures: Mapping[str, PurePosixPath]) -> Iterator[str]:
    """Yield how far confidences are right, and the pictures."""
    yield (
        "Every judged question, answered whatever the confidence (`refuse=0`). An answer is right if its quotes hold "
        "an accepted answer or, where there is no short one, touch a gold sentence; of unanswerable ones none is. "
        "Error is the expected calibration error in bins of one tenth; Brier the mean squared error. Coverage is the "
        "share of the questions answered from the threshold on, risk the share of those answers that are wrong."
    )
    yield ""

    def cells(study: Study, system: str, run: Run) -> Cells:
        found = Calibration.of(run)
        answers = found.quoted
        means = (float(np.mean(v)) if len(v) else None for v in (answers.confidence, answers.right))
        numbers = (*means, found.error, found.brier)
        threshold = study.thresholds[system]
        at_threshold = (threshold, *found.at(threshold))
        return study.name, system, str(len(answers.right)), *map(number, (*numbers, *at_threshold))

    heads = ("set", "system", "answers", "mean confidence", "share right", "error", "Brier")
    at = ("threshold", "coverage", "risk")
    yield from table((*heads, *at), (cells(s, name, run) for s in studies for name, run in s.always.items()))
    for study in studies:
        if study.name in pictures:
            alt = f"{study.name}: reliability, risk and coverage, recall against k"
            yield from ("", f"![{alt}]({pictures[study.name]})")
