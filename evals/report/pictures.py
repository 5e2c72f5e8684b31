"""The pictures of a set: whether its confidences are right, and how many answers are wrong at each coverage.

matplotlib, from the extra ``evals``, is loaded when a picture is drawn.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from evals.report.reliability import Calibration
from evals.report.study import OURS, Study
from qa.errors import QAError

_WIDTH, _HEIGHT, _DPI = 8.0, 3.9, 110
_OURS, _OTHER = "#0b6e99", "#d1732b"


class PicturesMissing(QAError):
    """The library that draws is not installed."""


def check_installed() -> None:
    """Make sure that pictures can be drawn, before hours are spent on what they show.

    Raises:
        PicturesMissing: They cannot.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise PicturesMissing("The report's pictures need matplotlib. Run: pip install 'archive-qa[evals]'")


def draw(study: Study, path: Path) -> None:
    """Draw a set's reliability diagram and risk-coverage curve into one PNG file."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(_WIDTH, _HEIGHT), dpi=_DPI, layout="constrained")
        FigureCanvasAgg(figure)
        grid = figure.add_gridspec(2, 2, height_ratios=(3, 1))
        above = figure.add_subplot(grid[0, 0])
        _reliability(above, figure.add_subplot(grid[1, 0], sharex=above), Calibration.of(study.always[OURS]))
        _risk_coverage(figure.add_subplot(grid[:, 1]), study)
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
