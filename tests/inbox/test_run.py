"""`run` as its user meets it: one line, everything up, crashes mended, nothing left behind."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from inbox import demo
from tests.servers import free_port, wait_until

ROOT = Path(__file__).resolve().parents[2]
LONG = 90.0  # seconds; two busy cores

pytestmark = pytest.mark.slow


def start(data_dir: Path, port: int, **settings: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "inbox", "run"],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(data_dir.parent),
            "DATA_DIR": str(data_dir),
            "PORT": str(port),
            **settings,
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def refused(data_dir: Path, port: int, **settings: str) -> tuple[int, str]:
    """Exit code and words of a start that must not succeed."""
    process = start(data_dir, port, **settings)
    _, words = process.communicate(timeout=LONG)
    return process.returncode, words


class Product:
    """A started Madoguchi with its demo mailbox."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir, self.port = data_dir, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.begin()

    def begin(self) -> None:
        began = time.monotonic()
        self.process = start(self.data_dir, self.port)
        assert self.process.stdout is not None
        self.line = self.process.stdout.readline().strip()
        self.seconds = time.monotonic() - began
        if not self.line:
            raise AssertionError(self.process.communicate(timeout=LONG))

    def child(self, words: str) -> psutil.Process:
        """The running child whose command line holds these words; the oldest where there are several."""
        found = [p for p in self.children() if words in " ".join(p.cmdline())]
        return min(found, key=lambda p: p.create_time())

    def children(self) -> list[psutil.Process]:
        return [
            p for p in psutil.Process(self.process.pid).children(recursive=True) if p.status() != psutil.STATUS_ZOMBIE
        ]

    def status(self, page: str) -> int:
        try:
            with urllib.request.urlopen(self.url + page, timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def stop(self, number: int = signal.SIGINT) -> float:
        """Seconds until it ended; everything it had started must be gone."""
        children = self.children()
        began = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(LONG)
        _, alive = psutil.wait_procs(children, timeout=20)
        assert alive == []
        return time.monotonic() - began


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    running = Product(tmp_path_factory.mktemp("run") / "data")
    yield running
    if running.process.poll() is None:
        running.stop(signal.SIGTERM)


def test_one_line_names_the_address_and_a_link_that_works(product: Product) -> None:
    assert product.line.startswith(f"Madoguchi runs at {product.url} - first sign-in: {product.url}/")
    link = re.search(r"first sign-in: (\S+)", product.line)
    assert link is not None
    with urllib.request.urlopen(link[1], timeout=10) as page:
        assert page.status == 200


def test_every_part_says_that_it_works(product: Product) -> None:
    assert product.status("/readyz") == 200
    wait_until(lambda: product.status("/healthz") == 200, seconds=30, what="/healthz is green")


def test_the_key_is_for_its_owner_only(product: Product) -> None:
    assert (product.data_dir / "secret.key").stat().st_mode & 0o077 == 0


def test_the_demo_is_connected_and_its_mail_comes_in(product: Product) -> None:
    assert demo.exists(product.data_dir)
    settings = demo.settings(product.data_dir)
    with socket.create_connection((settings.imap_host, settings.imap_port), 5) as connection:
        assert connection.recv(4) == b"* OK"

    def filed() -> bool:
        import sqlite3

        with sqlite3.connect(product.data_dir / "madoguchi.db", timeout=30) as connection:
            (count,) = connection.execute("SELECT count(*) FROM message").fetchone()
        return bool(count >= 400)

    wait_until(filed, seconds=LONG, every=0.5, what="the demo's mails are filed")


def test_a_second_start_in_the_same_folder_is_refused(product: Product) -> None:
    code, words = refused(product.data_dir, free_port())
    assert code == 1
    assert words.startswith(f"Madoguchi already runs in {product.data_dir}")
    assert product.status("/readyz") == 200


def test_a_taken_port_is_named_with_what_to_write(product: Product, tmp_path: Path) -> None:
    code, words = refused(tmp_path / "other", product.port)
    assert code == 1
    assert f"Port {product.port} on 127.0.0.1 cannot be used" in words
    assert f"make run PORT={product.port + 1}" in words


@pytest.mark.parametrize(
    "words", ["inbox worker", "inbox poller", "inbox clock", "valkey-server", "inbox.demo.server", "gunicorn"]
)
def test_whatever_is_killed_comes_back(product: Product, words: str) -> None:
    killed = product.child(words)
    killed.kill()

    def back() -> bool:
        try:
            return product.child(words).pid != killed.pid
        except (ValueError, psutil.NoSuchProcess):
            return False

    wait_until(back, seconds=30, what=f"{words} runs again")
    wait_until(lambda: product.status("/healthz") == 200, seconds=LONG, every=0.2, what="/healthz is green again")


def test_ctrl_c_stops_everything_and_a_second_start_keeps_the_data(product: Product) -> None:
    secret = (product.data_dir / "secret.key").read_bytes()
    assert product.stop() < 30
    assert product.process.returncode == 0
    assert product.process.stderr is not None
    assert product.process.stderr.read() == ""
    assert list(product.data_dir.glob("*.sock")) == []
    product.begin()
    assert product.seconds < 20
    assert (product.data_dir / "secret.key").read_bytes() == secret


def test_nothing_is_left_behind_when_it_is_killed(product: Product) -> None:
    product.stop(signal.SIGKILL)
    product.begin()


def test_a_data_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where the folder should be")
    code, words = refused(tmp_path / "data", free_port())
    assert code == 1
    assert words.startswith(f"The folder {tmp_path / 'data'} cannot be written")
    assert "Traceback" not in words


def test_a_path_too_long_for_a_socket_is_named(tmp_path: Path) -> None:
    code, words = refused(tmp_path / ("long" * 30), free_port())
    assert code == 1
    assert "is too long for a socket" in words


def test_a_wrong_setting_is_named(tmp_path: Path) -> None:
    code, words = refused(tmp_path, free_port(), DATABASE_URL="mysql://somewhere")
    assert code == 78
    assert words.startswith(
        "Wrong setting: DATABASE_URL: must start with sqlite:/// or postgresql:// (it is 'mysql://somewhere')"
    )
    assert words.count("\n") == 1


def test_a_database_that_does_not_answer_is_named(tmp_path: Path) -> None:
    code, words = refused(tmp_path, free_port(), DATABASE_URL=f"postgresql://nobody@127.0.0.1:{free_port()}/none")
    assert code == 1
    assert words.startswith("The database does not answer")
    assert "Traceback" not in words
