"""Server times of the pages that a team looks at all day, at two sizes, beside a bare Flask page of the same size."""

from __future__ import annotations

import http.client
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import quote

from bench.servers import child
from tests.servers import answers, free_port, wait_until

ROUNDS, EACH, WARM = 6, 50, 20  # alternating rounds, so that a noisy moment hits every page alike
PATHS = {
    "list": "/inbox/open",
    "conversation": "/conversations/{conversation}",
    "search": "/search?q=" + quote("請求書"),
}


@dataclass(frozen=True)
class Times:
    """Milliseconds of one page."""

    p50: float
    p95: float
    bytes: int


def measure(environment: dict[str, str], count: int) -> dict[str, Times]:
    """Times of "bare" and of each page in a database of `count` conversations, seeded now."""
    cookie = child(environment, "-m", "bench.seed", str(count), seconds=3600)
    paths = {name: path.format(conversation=count // 2) for name, path in PATHS.items()}
    with _serving(environment, "wsgi:app") as port:
        size = len(_get(port, paths["list"], cookie))
        with _serving({**environment, "PAGE_BYTES": str(size)}, "bench.bare:app") as bare:
            pages = {"bare": (bare, "/"), **{name: (port, path) for name, path in paths.items()}}
            times: dict[str, list[float]] = {name: [] for name in pages}
            sizes: dict[str, int] = {}
            for number in range(ROUNDS + 1):
                for name, (where, path) in pages.items():
                    taken, sizes[name] = _times(where, path, cookie, WARM if number == 0 else EACH)
                    if number:
                        times[name] += taken
    return {name: Times(statistics.median(t), sorted(t)[int(len(t) * 0.95)], sizes[name]) for name, t in times.items()}


def _times(port: int, path: str, cookie: str, requests: int) -> tuple[list[float], int]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    taken, size = [], 0
    for _ in range(requests):
        begin = time.perf_counter()
        connection.request("GET", path, headers={"Cookie": cookie})
        response = connection.getresponse()
        size = len(response.read())
        taken.append((time.perf_counter() - begin) * 1000)
        if response.status != 200:
            raise RuntimeError(f"{path} answered {response.status}")
    connection.close()
    return taken, size


def _get(port: int, path: str, cookie: str) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", path, headers={"Cookie": cookie})
    response = connection.getresponse()
    body = response.read()
    connection.close()
    if response.status != 200:
        raise RuntimeError(f"{path} answered {response.status}: {body[:300]!r}")
    return body


@contextmanager
def _serving(environment: dict[str, str], app: str) -> Iterator[int]:
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "gunicorn",
        "-k",
        "gthread",
        "-w",
        "1",
        "--threads",
        "8",
        "--graceful-timeout",
        "1",
    ]
    process = subprocess.Popen(
        [*command, "--no-control-socket", "-b", f"127.0.0.1:{port}", app],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: answers(port), seconds=30, what=f"{app} listens")
        yield port
    finally:
        process.terminate()
        process.wait(15)
