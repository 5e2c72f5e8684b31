"""The machine and the software that something was measured on, and whether the machine was quiet."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

FEATURES = "avx2", "avx512f", "avx512_bf16", "amx_bf16"
"""The instructions of a CPU that decide how fast a model runs."""
LIBRARIES = "numpy", "openvino", "faiss-cpu", "tantivy", "torch"
QUIET = 0.3
"""Load for each core that other work may cause before a run."""


def description(distributions: Iterable[str] = ()) -> str:
    """Describe machine and software in two sentences, with the versions of these distributions too."""
    cpu = _fields("/proc/cpuinfo")
    features = [name for name in FEATURES if name in cpu.get("flags", "").split()]
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    versions = ", ".join(f"{n} {installed(n)}" for n in [*LIBRARIES, *distributions] if installed(n))
    return (
        f"{cpu.get('model name', platform.machine())}, {os.cpu_count()} cores "
        f"({', '.join(features) or 'no vectors'}), {memory:.0f} GiB of memory, "
        f"{platform.system()} {platform.release()}; load {_load():.1f} at the start.\n"
        f"Python {platform.python_version()}, {versions}."
    )


def warning() -> str | None:
    """Return a sentence that says other work disturbs the run, if any does."""
    cores = os.cpu_count() or 1
    if _load() <= QUIET * cores:
        return None
    return (
        f"The machine was not quiet: load {_load():.1f} on {cores} cores before the run. "
        "The ratios suffer less than the figures; run it again on a quiet machine."
    )


def available_memory() -> int | None:
    """Return how many bytes could still be allocated; ``None`` where the system does not say."""
    available = _fields("/proc/meminfo").get("MemAvailable")
    return int(available.split()[0]) * 1024 if available else None


def installed(distribution: str) -> str | None:
    """Return the version of a distribution, if it is installed."""
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _load() -> float:
    """Return how many processes were running or waiting on average over the last minute."""
    return os.getloadavg()[0]


def _fields(file: str) -> dict[str, str]:
    """Read lines like ``name: value``, the first of each name; none where the system has no such file."""
    fields: dict[str, str] = {}
    path = Path(file)
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        name, _, value = line.partition(":")
        fields.setdefault(name.strip(), value.strip())
    return fields
