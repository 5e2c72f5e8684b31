"""The stage that adds articles to archives of every size: what that costs must not depend on the size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from evals.speed.corpus import ADDED_FILES, Made
from evals.speed.ready import ReadyVectors
from evals.speed.run import Run
from evals.speed.systems import OURS
from evals.speed.table import Cell, Group, Row
from evals.speed.worker import Worker

REFERENCE = 10_000
"""The largest archive is compared with the one nearest to this many passages."""
WARMING, READY = 1, 3
"""Additions that are not counted; additions with ready vectors. In the rest the articles are encoded."""


def growing(made: Made, ready: ReadyVectors, archives: Mapping[int, Path], question: str, run: Run) -> Group:
    """Add some articles at a time to our archives, in turns, and remove them again.

    Args:
        made: Has the articles.
        ready: Their vectors.
        archives: Passages → the archive's folder.
        question: Asked when an archive is opened.
        run: Has the processes.
    """
    run.tell(f"adding {made.further:,} articles at a time")
    labels = {f"{passages:,} passages": folder for passages, folder in archives.items()}
    with run.workers(dict.fromkeys(labels, OURS), "adding") as workers:
        folders = {worker: labels[label] for label, worker in workers.items()}

        def add(worker: Worker, number: int) -> tuple[float, float]:
            added, removed = worker.call(
                "add", made.added(number), ready if number < WARMING + READY else None
            )
            return added, removed

        run.turns(workers, "opening", 1, lambda worker, _: worker.call("open", folders[worker], question))
        took = run.turns(workers, "adding", ADDED_FILES, add)
        memory = run.turns(workers, "adding", 1, lambda worker, _: float(worker.call("peak")))
    counted = {label: times[WARMING:] for label, times in took.items()}
    measured = {
        "vectors ready, s": {
            label: [added for added, _ in times[:READY]] for label, times in counted.items()
        },
        "encoded, s": {label: [added for added, _ in times[READY:]] for label, times in counted.items()},
        "removed again, s": {label: [removed for _, removed in times] for label, times in counted.items()},
        "memory at most, MB": memory,
    }
    rows = [row for measure, by_label in measured.items() for row in _rows(measure, by_label, archives)]
    return Group(f"{made.further:,} more articles", rows)


def _rows(measure: str, samples: Mapping[str, list[float]], archives: Mapping[int, Path]) -> Iterator[Row]:
    """Yield a row for each size, and one that compares the largest with the reference."""
    cells = {label: Cell.of(values) for label, values in samples.items()}
    for label, cell in cells.items():
        yield Row(f"{measure}: {label}", {OURS: cell})
    small, large = f"{min(archives, key=_from_reference):,} passages", f"{max(archives):,} passages"
    if small != large and small in cells and large in cells:
        yield Row(f"{measure}: {large} : {small}", {OURS: Cell(cells[large].value / cells[small].value)})


def _from_reference(passages: int) -> int:
    return abs(passages - REFERENCE)
