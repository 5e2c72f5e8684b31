"""What README, CONTRIBUTING and docs/ say of the code is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import qa
from qa.settings import PREFIX
from tests.architecture import ROOT

README = (ROOT / "README.md").read_text("utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]


def test_the_readme_is_short():
    assert len(README.splitlines()) <= 150


def test_the_readme_begins_with_the_two_commands_that_ci_runs():
    first, second = re.findall(r"^```sh\n(.*?)\n```$", README, re.S | re.M)[:2]
    assert first == 'pip install . && qa ask "Who led the Nanling delegation?"'
    assert second == "pip install '.[test]' && pytest"


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path):
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", path.read_text("utf-8"))
    assert [link for link in links if not (path.parent / link).exists()] == []


def test_every_setting_is_described():
    text = (ROOT / "docs" / "SETTINGS.md").read_text("utf-8")
    described = set(re.findall(rf"`({PREFIX}\w+)`", text))
    assert described == {PREFIX + name.upper() for name in qa.Settings.model_fields}


def test_contributing_names_a_folder_for_ten_everyday_changes():
    table = CONTRIBUTING.partition("## Where to make a change")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([^|]+) \| `([^`|]+)` \| (.+) \|$", table, re.M)
    assert len(rows) == 10
    for change, folder, how in rows:
        assert (ROOT / folder).is_dir(), change
        named = re.findall(r"`([\w/]+\.(?:py|css))`", how)
        assert [
            name for name in named if not any((top / name).exists() for top in (ROOT / folder, ROOT))
        ] == []
