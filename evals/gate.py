"""The gate: a run fails when a metric is worse than its baseline by more than its tolerance."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from evals.dataset import DatasetError
from evals.summary import Row, Summary

SEED_BASELINE = Path(__file__).parent / "baseline.json"
TOLERANCE = 0.02
GATED_GROUPS = frozenset({"retrieval", "answers", "abstention"})
"""The groups written by ``--update-baseline``; speed differs between machines."""


class Bar(BaseModel):
    """What a metric was, and how much worse it may get."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: float
    tolerance: Annotated[float, Field(ge=0)] = TOLERANCE


class Baseline(BaseModel):
    """The bars of an evaluation set, by the keys of their rows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    metrics: dict[str, Bar] = {}

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a baseline.

        Raises:
            DatasetError: The file is missing or does not fit.
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            why = f"{path}: cannot be read: {error.strerror}. Make one with --update-baseline."
            raise DatasetError(why) from None
        except ValidationError as error:
            first = error.errors()[0]
            raise DatasetError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None

    def save(self, path: Path) -> None:
        """Write the baseline, one metric a line."""
        lines = [
            f"    {json.dumps(key, ensure_ascii=False)}: "
            f'{{"value": {round(bar.value, 4)}, "tolerance": {round(bar.tolerance, 4)}}}'
            for key, bar in self.metrics.items()
        ]
        path.write_text('{\n  "metrics": {\n' + ",\n".join(lines) + "\n  }\n}\n", encoding="utf-8")

    def updated(self, summary: Summary) -> Self:
        """Return the baseline with the run's values; tolerances stay as they were."""
        kept = {key: bar.tolerance for key, bar in self.metrics.items()}
        gated = [row for row in summary.rows if row.group in GATED_GROUPS]
        return type(self)(
            metrics={row.key: Bar(value=row.value, tolerance=kept.get(row.key, TOLERANCE)) for row in gated}
        )

    def failures(self, summary: Summary) -> dict[str, str]:
        """Return the metrics that do not reach their bars, in the order of the baseline: key → a line that says so."""
        held = {key: (summary.row(key), bar) for key, bar in self.metrics.items()}
        return {key: _failure(key, row, bar) for key, (row, bar) in held.items() if not _reaches(row, bar)}


def _failure(key: str, row: Row | None, bar: Bar) -> str:
    found = f"{row.value:.3f}" if row else "missing"
    return f"FAIL {key}: {found}, baseline {bar.value:.3f}, tolerance {bar.tolerance:.3f}"


def _reaches(row: Row | None, bar: Bar) -> bool:
    if row is None:
        return False
    shortfall = row.value - bar.value if row.lower_is_better else bar.value - row.value
    return shortfall <= bar.tolerance + 1e-9
