"""The first steps on a strange machine: one clear sentence for each thing that may be wrong; the lock files."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ("requirements.lock", "requirements-test.lock")


def start(folder: Path, *, python: str = sys.executable, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [python, "bootstrap.py", "-c", "print('started')"],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "HOME": str(folder), **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Only what the first step needs."""
    for name in ("bootstrap.py", *LOCKS):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_file_names_exact_versions_with_hashes_and_no_host(name: str) -> None:
    text = (ROOT / name).read_text()
    assert not re.search(r"https?://|--index-url|--extra-index-url|--find-links|file:", text)
    packages = re.findall(r"^[A-Za-z0-9._-]+(?:\[[a-z,]+\])?(.*?) \\$", text, re.MULTILINE)
    assert len(packages) > 40
    assert all(rest.startswith("==") for rest in packages)
    assert text.count("--hash=sha256:") > len(packages)


def test_the_lock_files_agree_and_hold_what_pyproject_asks_for() -> None:
    small, large = ({_name(line): line for line in _requirements(name)} for name in LOCKS)
    assert small.items() <= large.items()
    asked = re.findall(
        r'^  "([A-Za-z0-9._-]+(?:\[[a-z]+\])?==[^"]+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE
    )
    assert asked
    for requirement in asked:
        name, _, version = re.sub(r"\[.*?\]", "", requirement).partition("==")
        assert large[name.lower().replace("_", "-")].partition("==")[2].split(" ")[0] == version


def _requirements(name: str) -> list[str]:
    return [line.rstrip(" \\") for line in (ROOT / name).read_text().splitlines() if re.match(r"[A-Za-z0-9]", line)]


def _name(line: str) -> str:
    return re.split(r"[=\[ ;]", line)[0].lower()


def test_an_old_python_is_told_so_in_one_sentence(copy: Path) -> None:
    source = (copy / "bootstrap.py").read_text()
    (copy / "bootstrap.py").write_text(source.replace("OLDEST = (3, 11)", "OLDEST = (9, 9)"))
    done = start(copy)
    assert done.returncode == 1
    assert done.stderr.startswith("Python 9.9 or newer is needed; this is 3.")
    assert done.stderr.count("\n") == 1


def test_every_old_python_can_at_least_read_the_file() -> None:
    """A syntax error would be all that its user sees."""
    import ast

    ast.parse((ROOT / "bootstrap.py").read_text(), feature_version=(3, 6))


def test_without_a_network_the_sentence_says_so(copy: Path) -> None:
    done = start(
        copy, PIP_INDEX_URL="http://127.0.0.1:9/", PIP_RETRIES="0", PIP_NO_CACHE_DIR="1", PIP_CONFIG_FILE=os.devnull
    )
    assert done.returncode == 1
    assert "The packages could not be downloaded. Check the network" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_the_venv_module_the_sentence_names_the_package(copy: Path) -> None:
    (copy / "venv.py").write_text(
        "raise SystemExit('The virtual environment was not created because ensurepip is not available.')"
    )
    done = start(copy, PYTHONPATH=str(copy))
    assert done.returncode == 1
    assert "apt install python3-venv" in done.stderr


def test_a_folder_that_cannot_be_written_is_named(copy: Path) -> None:
    (copy / ".venv").write_text("a file where the folder should be")
    done = start(copy)
    assert done.returncode == 1
    assert f"The folder {copy} cannot be written" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_second_start_only_compares_the_stamp(copy: Path) -> None:
    sys.path.insert(0, str(copy))
    try:
        import bootstrap
    finally:
        sys.path.remove(str(copy))
    environment = copy / ".venv"
    (environment / "bin").mkdir(parents=True)
    (environment / "bin" / "python").symlink_to(sys.executable)
    bootstrap.ROOT, bootstrap.VENV, bootstrap.PYTHON = copy, environment, environment / "bin" / "python"
    lock = copy / "requirements.lock"
    assert not bootstrap.is_installed(lock)
    bootstrap.stamp(lock).write_text(bootstrap.wanted(lock))
    assert bootstrap.is_installed(lock)
    done = start(copy)
    assert (done.stdout, done.stderr) == ("started\n", "")
    lock.write_text(lock.read_text() + "# changed\n")
    assert not bootstrap.is_installed(lock)
