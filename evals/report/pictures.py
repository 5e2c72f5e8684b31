"""The pictures of a set: are confidences right, what does coverage cost, how deep does one have to look.

matplotlib, from the extra ``evals``, is loaded when a picture is drawn.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ir_measures
import numpy as np
from ir_measures import R

from evals import baselines
from evals.report.reliability import Calibration
from evals.report.study import OURS, Study
from qa.errors import QAError

DEEPEST = 10
_WIDTH, _HEIGHT, _DPI = 11.0, 3.9, 110
_OURS, _OTHER, _BASELINE = "#0b6e99", "#d1732b", "#595959"
_DASHES = {"BM25": ":", "dense": "--", "RRF": "-."}


class PicturesMissing(QAError):
    """The library that draws is not installed."""


def check_installed() -> None:
    """Make sure that pictures can be drawn, before hours are spent on what they show.

    Raises:
        PicturesMissing: They cannot.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise PicturesMissing("The report's pictures need matplotlib. Run: pip install 'archive-qa[evals]'")


def recall_by_depth(
    orders: Mapping[str, Sequence[str]], relevant: Mapping[str, frozenset[str]]
) -> list[float]:
    """Return the mean recall among the first 1, 2, … articles, as far as :data:`DEEPEST`.

    Args:
        orders: Question id → article ids, best first.
        relevant: Question id → the articles that answer it; at least one.
    """
    qrels = {q: dict.fromkeys(sorted(articles), 1) for q, articles in relevant.items()}
    run = {q: {a: 1 / rank for rank, a in enumerate(orders[q], 1)} for q in relevant}
    measures = [R @ k for k in range(1, DEEPEST + 1)]
    found = ir_measures.calc_aggregate(measures, qrels, run)
    return [float(found[measure]) for measure in measures]


def draw(study: Study, path: Path) -> None:
    """Draw a set's reliability diagram, risk-coverage curve and recall against k into one PNG file.

    Args:
        study: The set.
        path: The file.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(_WIDTH, _HEIGHT), dpi=_DPI, layout="constrained")
        FigureCanvasAgg(figure)
        grid = figure.add_gridspec(2, 3, height_ratios=(3, 1))
        above = figure.add_subplot(grid[0, 0])
        _reliability(above, figure.add_subplot(grid[1, 0], sharex=above), Calibration.of(study.always[OURS]))
        _risk_coverage(figure.add_subplot(grid[:, 1]), study)
        _recall(figure.add_subplot(grid[:, 2]), study)
        figure.suptitle(study.name)
        figure.savefig(path, metadata={"Software": None}, pil_kwargs={"optimize": True})


def _reliability(axes: Any, counts: Any, calibration: Calibration) -> None:
    bins = calibration.bins()
    sure, right = [b.confidence for b in bins], [b.right for b in bins]
    reach = [[b.right - b.low for b in bins], [b.high - b.right for b in bins]]
    axes.plot([0, 1], [0, 1], color="#b3b3b3", linewidth=1, linestyle="--")
    axes.errorbar(sure, right, yerr=reach, color=_OURS, marker="o", markersize=4, capsize=2, clip_on=False)
    axes.set(xlim=(0, 1), ylim=(0, 1), ylabel="share right", title="reliability")
    axes.tick_params(labelbottom=False)
    drawn = counts.bar(sure, [b.n for b in bins], width=0.07, color=_OURS)
    counts.bar_label(drawn, fontsize=7, padding=1)
    counts.set(xlabel="confidence", ylabel="answers")
    counts.margins(y=0.35)


def _risk_coverage(axes: Any, study: Study) -> None:
    for system, colour in ((study.other, _OTHER), (OURS, _OURS)):
        calibration = Calibration.of(study.always[system])
        axes.plot(*calibration.risk_coverage(), color=colour, linewidth=1.6, label=system)
        axes.plot(
            *calibration.at(study.thresholds[system]), color=colour, marker="o", markersize=6, clip_on=False
        )
    axes.set(xlim=(0, 1.02), ylim=(0, 1), xlabel="coverage: share of questions answered")
    axes.set(ylabel="risk: share of answers wrong", title="risk and coverage (●: as set)")
    axes.legend(frameon=False)


def _recall(axes: Any, study: Study) -> None:
    relevant = {q.id: gold for q in study.dataset.questions if (gold := study.dataset.relevant(q))}
    depths = np.arange(1, DEEPEST + 1)
    lowest = 1.0
    for system in (*baselines.NAMES, study.other, OURS):
        recalls = recall_by_depth(study.orders[system], relevant)
        lowest = min(lowest, recalls[0])
        colour = {OURS: _OURS, study.other: _OTHER}.get(system, _BASELINE)
        axes.plot(depths, recalls, color=colour, linestyle=_DASHES.get(system, "-"), label=system)
    axes.set(xlim=(0.8, DEEPEST + 0.2), ylim=(max(0.0, lowest - 0.05), 1.005), xticks=depths)
    axes.set(xlabel="k articles", ylabel="recall", title="recall against k")
    axes.legend(frameon=False)
