"""From the customer's mail server to an agent's screen: real Dovecot, every process of the product, real Chromium."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import psutil
from playwright.sync_api import Page, sync_playwright

from bench.servers import child, data_folder
from tests.servers import NotHere, answers, free_port, wait_until
from tests.servers.dovecot import Dovecot
from tests.servers.valkey import Valkey

DELIVERIES = 20
SHOWN = """subject => {
  const fresh = document.querySelector('[data-fresh]:not([hidden])')  // "3 new mails", while the list must not jump
  if (fresh) fresh.click()
  return [...document.querySelectorAll('.row-subject')].some(row => row.textContent.trim() === subject)
}"""
FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@dataclass(frozen=True)
class Screen:
    """Milliseconds from the end of the delivery to the row on the screen, and megabytes of each process."""

    p50: float
    p95: float
    memory: dict[str, float]


def measure(dovecot: Dovecot) -> Screen:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        raise NotHere("Chromium (Debian package chromium)")
    account = dovecot.account()
    dovecot.deliver(account.user, _mail("first"))
    with ExitStack() as stack:
        valkey = Valkey()
        stack.callback(valkey.close)
        environment = stack.enter_context(data_folder(REDIS_URL=valkey.url, POLL_SECONDS="60"))
        cookie = child(environment, "-m", "bench.ours", "connect", str(dovecot.imap), account.user, account.password)
        port, processes = stack.enter_context(_product(environment))
        playwright = stack.enter_context(sync_playwright())
        flags = [*FLAGS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        stack.callback(browser.close)
        context = browser.new_context()
        name, _, value = cookie.partition("=")
        context.add_cookies([{"name": name, "value": value, "domain": "127.0.0.1", "path": "/"}])
        page = context.new_page()
        page.goto(f"http://127.0.0.1:{port}/inbox/unassigned")
        _wait(page, "first", 60)
        taken = [_delivered(dovecot, account.user, page, f"delivery {number}") for number in range(DELIVERIES)]
        memory = {name: _megabytes(process) for name, process in processes.items()}
    return Screen(statistics.median(taken), sorted(taken)[int(len(taken) * 0.95)], memory)


def _delivered(dovecot: Dovecot, user: str, page: Page, subject: str) -> float:
    dovecot.deliver(user, _mail(subject))
    begin = time.perf_counter()
    _wait(page, subject, 30)
    return (time.perf_counter() - begin) * 1000


def _wait(page: Page, subject: str, seconds: float) -> None:
    page.wait_for_function(SHOWN, arg=subject, timeout=seconds * 1000, polling=10)


def _mail(subject: str) -> bytes:
    return (
        f"From: Customer <c@customer.example>\r\nTo: support@shop.example\r\nSubject: {subject}\r\n"
        f"Message-ID: <{subject.replace(' ', '.')}.{time.time_ns()}@customer.example>\r\n\r\nHello, {subject}.\r\n"
    ).encode()


@contextmanager
def _product(environment: dict[str, str]) -> Iterator[tuple[int, dict[str, subprocess.Popen[bytes]]]]:
    port = free_port()
    web = ["gunicorn", "-k", "gthread", "-w", "2", "--threads", "400", "--graceful-timeout", "1", "--no-control-socket"]
    commands = {
        "web (2 processes)": [*web, "-b", f"127.0.0.1:{port}", "wsgi:app"],
        "poller (2 parse children, 1 storing)": ["inbox", "poller"],
        "worker": ["inbox", "worker"],
        "clock": ["inbox", "clock"],
    }
    processes = {
        name: subprocess.Popen(
            [sys.executable, "-m", *command],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for name, command in commands.items()
    }
    try:
        wait_until(lambda: answers(port), seconds=30, what="the web server listens")
        yield port, processes
    finally:
        for process in processes.values():
            process.terminate()
        for process in processes.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(5)


def _megabytes(process: subprocess.Popen[bytes]) -> float:
    """Proportional set size of a process and its children: shared pages are counted once."""
    parent = psutil.Process(process.pid)
    return sum(one.memory_full_info().pss for one in (parent, *parent.children(recursive=True))) / 1e6
