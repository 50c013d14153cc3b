"""The operator's page and .env.example explain every setting; the Makefile's commands exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from inbox.config import Settings

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = [name.upper() for name in Settings.model_fields]


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_is_explained_on_the_operators_page_and_in_the_example(name: str) -> None:
    assert re.search(rf"^\| `{name}` \| .+ \| .{{8,}} \|$", (ROOT / "docs/operator.md").read_text(), re.MULTILINE)
    assert re.search(rf"^#{name}=", (ROOT / ".env.example").read_text(), re.MULTILINE)


def test_the_example_and_the_page_name_no_setting_that_is_gone() -> None:
    example = re.findall(r"^#([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    page = re.findall(r"^\| `([A-Z_]+)` \|", (ROOT / "docs/operator.md").read_text(), re.MULTILINE)
    assert sorted(example) == sorted(page) == sorted(SETTINGS)


def test_the_example_shows_the_defaults() -> None:
    for line in re.findall(r"^#([A-Z_]+=.+)$", (ROOT / ".env.example").read_text(), re.MULTILINE):
        name, _, value = line.partition("=")
        assert str(Settings.model_fields[name.lower()].default).lower() == value.lower(), line


def test_ci_runs_the_same_command_as_everybody() -> None:
    steps = [line for line in (ROOT / ".ci/run").read_text().splitlines() if line and not line.startswith("#")]
    assert steps == ["set -euo pipefail", 'cd "$(dirname "$0")/.."', "export CI=true", "exec make test"]
