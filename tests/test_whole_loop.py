"""The whole loop as a visitor of the demo walks it: a customer writes, the team answers in the browser, the customer
reads it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from inbox.demo import customer
from tests.servers import free_port, wait_until

ROOT = Path(__file__).resolve().parents[1]
CUSTOMER = "hanako.loop@customer.example"
QUESTION = "営業時間は何時までですか。①②③"
ANSWER = "平日は18時まで営業しております。"

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Running:
    first_link: str
    data_dir: Path

    @property
    def url(self) -> str:
        return self.first_link.split("/links/")[0]


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    """`python -m inbox run` in an empty folder."""
    process = subprocess.Popen(
        [sys.executable, "-m", "inbox", "run"],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "DATA_DIR": str(tmp_path / "d"),
            "PORT": str(free_port()),
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        link = re.search(r"http://\S+/links/first/\S+", line)
        assert link, line
        yield Running(link[0], tmp_path / "d")
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)


def test_a_customers_mail_is_answered_in_the_browser_and_read_in_the_customers_mailbox(
    running: Running, browser: Any, browser_context_args: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    page = browser.new_context(**browser_context_args).new_page()
    page.set_default_timeout(30_000)

    page.goto(running.first_link)
    page.fill("input[name=email]", "rin@shop.example")
    page.fill("input[name=name]", "凛")
    page.fill("input[name=password]", "a good long sentence")
    page.press("input[name=password]", "Enter")
    page.wait_for_url("**/inbox/**")

    page.goto(f"{running.url}/demo/customer")
    page.fill("#address", CUSTOMER)
    page.fill("#name", "花子")
    page.fill("#subject", "営業時間について")
    page.fill("#text", QUESTION)
    page.click("main form button[type=submit], main form button:not([type])")

    page.goto(f"{running.url}/inbox/unassigned")
    page.locator(".row", has_text="営業時間について").first.wait_for()
    page.locator(".row", has_text="営業時間について").first.locator("a.row-link").click()
    page.locator(f"text={QUESTION} >> visible=true").first.wait_for()
    page.keyboard.press("r")
    editor = page.locator("[contenteditable=true]").first
    editor.wait_for()
    editor.click()
    page.keyboard.insert_text(ANSWER)
    page.keyboard.press("Control+Enter")
    page.wait_for_url(lambda url: "draft=" not in url)

    page.goto(f"{running.url}/demo/customer?address={CUSTOMER}")
    page.locator(".letter-team", has_text=ANSWER).wait_for(timeout=60_000)

    monkeypatch.setenv("DATA_DIR", str(running.data_dir))
    from inbox import config

    config.settings.cache_clear()
    try:
        answers = wait_until(
            lambda: customer.answers(CUSTOMER), seconds=30, what="the answer is in the customer's mailbox"
        )
        written = customer.written(CUSTOMER)
    finally:
        config.settings.cache_clear()
    assert len(answers) == 1
    assert ANSWER in answers[0].text
    assert answers[0].in_reply_to == written[0].message_id
    assert written[0].message_id in answers[0].references
