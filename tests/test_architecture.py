"""The house: imports run one way, each folder says what it owns, the exports are what the docs say, README's code runs."""

from __future__ import annotations

import ast
import re
import subprocess
import sys

import pytest

import embeddings
import qa
from tests import architecture
from tests.architecture import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
LONGEST_FILE, LINES_OF_A_DOCSTRING = 350, range(3, 9)


def test_no_import_runs_upward():
    assert architecture.upward() == []


def test_no_modules_import_each_other_in_a_circle():
    assert architecture.circles(architecture.imports()) == []


def test_rooms_floors_and_imports_stay_few():
    graph = architecture.room_imports()
    assert len(graph) <= 25
    assert 0 < architecture.floors_used() <= 12
    assert sum(map(len, graph.values())) <= 120


def test_no_file_is_long():
    lines = {name: len(path.read_text("utf-8").splitlines()) for name, path in architecture.modules().items()}
    assert {name: count for name, count in lines.items() if count > LONGEST_FILE} == {}


def test_each_folder_says_what_it_owns():
    wrong = {}
    for name, path in architecture.modules().items():
        if path.name == "__init__.py":
            text = (ast.get_docstring(ast.parse(path.read_text("utf-8"))) or "").strip()
            if len(text.splitlines()) not in LINES_OF_A_DOCSTRING:
                wrong[name] = text
    assert wrong == {}


def test_the_readme_has_a_row_for_each_folder():
    folders = {
        path.parent.relative_to(ROOT).as_posix()
        for path in architecture.modules().values()
        if path.name == "__init__.py"
    }
    shown = {folder for folder in folders if f"`{folder}/" in README or f"`{folder}`" in README}
    inner = {"qa/web/pages", "qa/web/middleware"}
    assert sorted(folders - shown - inner) == []


def test_nothing_above_ingest_knows_the_engines_of_storage():
    engines = {"sqlite3", "faiss", "tantivy"}
    allowed = ("qa.storage", "qa.ingest", "qa.text.tokens")
    found = {
        name
        for name, path in architecture.modules().items()
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        for module in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
        if module.partition(".")[0] in engines and name.startswith("qa") and not name.startswith(allowed)
    }
    assert found == set()


def test_only_the_page_knows_gradio():
    known = {
        name
        for name, path in architecture.modules().items()
        if re.search(r"^\s*(?:import|from) gradio\b", path.read_text("utf-8"), re.M)
    }
    assert known == {"qa.web.app"}


@pytest.mark.parametrize("package", [qa, embeddings])
def test_exports_are_sorted_and_exist(package):
    assert list(package.__all__) == sorted(package.__all__)
    assert all(getattr(package, name).__doc__ for name in package.__all__)


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
