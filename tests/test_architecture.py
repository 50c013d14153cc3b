"""The arrows between packages hold; see docs/architecture.md."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parent.parent
ABOVE = (
    "cli",
    "run",
    "clock",
    "jobs",
    "poller",
    "worker",
    "mailbox_thread",
    "reconcile",
    "fetching",
    "intake",
)  # use the use cases
BELOW = (
    "outbox",
    "people",
    "conversations",
    "telling",
    "kept_deadlines",
    "working_hours",
    "models",
    "db",
    "blobs",
    "wire",
    "mail",
    "config",
    "logs",
    "errors",
)


def test_every_arrow_points_downwards() -> None:
    """The contracts of pyproject.toml."""
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_a_person_does_stands_between_the_processes_and_the_verbs() -> None:
    """A use case is every module of inbox that is not named above; a new one needs no entry anywhere."""
    graph = grimp.build_graph("inbox", cache_dir=None)
    wrong = [
        f"{module} -> {imported}"
        for module in graph.modules - {"inbox", "inbox.__main__"}
        for imported in graph.find_modules_directly_imported_by(module)
        if _height(module) < _height(imported)
    ]
    assert wrong == []


def _height(module: str) -> int:
    part = [*module.split("."), ""][1]
    return 0 if part in BELOW or not part else 2 if part in ABOVE else 1
