"""The machine a run was made on, and whether it was quiet."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from evals.speed.systems import installed

FEATURES = "avx2", "avx512f", "avx512_bf16", "amx_bf16"
"""Of a CPU's instructions, those that decide how fast a model runs."""
LIBRARIES = "numpy", "openvino", "faiss-cpu", "tantivy", "torch"
QUIET = 0.3
"""Load for each core that other work may cause before a run."""


def description(systems: Iterable[str]) -> str:
    """Describe machine and software in a few lines; ``systems`` are the distributions measured."""
    cpu, features = _cpu()
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    versions = ", ".join(f"{name} {installed(name)}" for name in [*LIBRARIES, *systems] if installed(name))
    return (
        f"{datetime.now(UTC):%Y-%m-%d}; {cpu}, {os.cpu_count()} cores ({', '.join(features) or 'no vectors'}), "
        f"{memory:.0f} GiB of memory, {platform.system()} {platform.release()}; load {load():.1f} at the start.\n"
        f"Python {platform.python_version()}, {versions}."
    )


def load() -> float:
    """Return how many processes were running or waiting on average over the last minute."""
    return os.getloadavg()[0]


def warning() -> str | None:
    """Return a sentence that says other work disturbs the run, if any does."""
    cores = os.cpu_count() or 1
    if load() <= QUIET * cores:
        return None
    return (
        f"The machine was not quiet: load {load():.1f} on {cores} cores before the run. "
        "The ratios suffer less than the figures; run it again on a quiet machine."
    )


def available_memory() -> int | None:
    """Return how many bytes could still be allocated, where the system tells."""
    path = Path("/proc/meminfo")
    for line in path.read_text().splitlines() if path.exists() else []:
        if line.startswith("MemAvailable"):
            return int(line.split()[1]) * 1024
    return None


def _cpu() -> tuple[str, list[str]]:
    path = Path("/proc/cpuinfo")
    fields: dict[str, str] = {}
    for line in path.read_text().splitlines() if path.exists() else []:
        name, _, value = line.partition(":")
        fields.setdefault(name.strip(), value.strip())
    flags = set(fields.get("flags", "").split())
    return fields.get("model name", platform.machine()), [name for name in FEATURES if name in flags]
