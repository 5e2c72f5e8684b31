"""The house: imports point one way, the exports are what the docs say, README's code runs."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import embeddings
import qa

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
ALLOWED = {
    "embeddings": {"embeddings"},
    "qa": {"qa", "embeddings"},
    "evals": {"evals", "qa", "embeddings"},
    "app": {"app", "qa", "embeddings"},
}
EXEMPT = {("qa/cli/serving.py", "app")}
OURS = {"app", "qa", "embeddings", "evals", "tests"}


def modules() -> list[Path]:
    return [
        ROOT / "app.py",
        *(p for room in ("qa", "embeddings", "evals") for p in sorted((ROOT / room).rglob("*.py"))),
    ]


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names.add(node.module or "")
    return {name.split(".")[0] for name in names}


def test_imports_point_one_way():
    for path in modules():
        room = path.relative_to(ROOT).parts[0].removesuffix(".py")
        name = path.relative_to(ROOT).as_posix()
        upward = (imported(path) & OURS) - ALLOWED[room]
        assert {module for module in upward if (name, module) not in EXEMPT} == set(), name


def test_only_the_page_knows_gradio():
    assert [p.name for p in modules() if "gradio" in imported(p)] == ["app.py"]


@pytest.mark.parametrize("package", [qa, embeddings])
def test_exports_are_sorted_and_exist(package):
    assert list(package.__all__) == sorted(package.__all__)
    assert all(getattr(package, name).__doc__ for name in package.__all__)


def test_the_readme_maps_every_module():
    unlisted = [
        name
        for path in modules()
        if not (name := path.relative_to(ROOT).as_posix()).endswith("__init__.py")
        and f"`{name}`" not in README
    ]
    assert unlisted == []


def test_no_module_shadows_the_function():
    assert not (ROOT / "qa" / "ask.py").exists()
    assert callable(qa.ask)


@pytest.mark.model
@pytest.mark.parametrize("block", re.findall(r"```python\n(.*?)```", README, re.S))
def test_the_readmes_python_runs(block, tmp_path):
    (tmp_path / "articles").symlink_to(ROOT / "seeds")
    done = subprocess.run(
        [sys.executable, "-c", block], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def test_seeds_are_byte_for_byte_in_the_house():
    assert len(list((ROOT / "seeds").glob("*.txt"))) == 5
