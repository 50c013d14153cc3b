"""Reading in bounded children: a mail that is too much stands alone, whoever came with it is read."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import Future

import psutil
import pytest

from inbox import config, parse_child
from inbox.blobs import blobs
from inbox.parse_child import Readers, Unreadable
from inbox.reading import Reading
from tests.inbox.intake.story import a_mail
from tests.servers import wait_until

ELDER: set[int] = set()  # children of other readers that this process has: not this test's


@pytest.fixture
def readers(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[Readers]:
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    config.settings.cache_clear()
    blobs.cache_clear()
    ELDER.update(one.pid for one in children())
    made = Readers(1)
    yield made
    made.close()
    config.settings.cache_clear()
    blobs.cache_clear()


def children() -> list[psutil.Process]:
    return [
        one
        for one in psutil.Process().children()
        if one.pid not in ELDER and "inbox.parse_child" in " ".join(one.cmdline())
    ]


def test_mails_come_back_in_order(readers: Readers) -> None:
    hashes = [blobs().put(a_mail(f"text {n}")) for n in range(30)]
    found = readers.read(hashes)
    assert [one.text for one in found if isinstance(one, Reading)] == [f"text {n}\n" for n in range(30)]


def test_a_bomb_is_refused_and_its_neighbours_are_read(readers: Readers) -> None:
    bomb = b"Subject: x\r\n" + b"X-Y: z\r\n" * 5_000 + b"\r\n"
    first, second, third = readers.read([blobs().put(a_mail("1")), blobs().put(bomb), blobs().put(a_mail("3"))])
    assert isinstance(first, Reading)
    assert isinstance(second, Unreadable)
    assert second.cause == "too_complex"
    assert isinstance(third, Reading)


def test_bytes_that_are_gone_are_told(readers: Readers) -> None:
    (found,) = readers.read(["0" * 64])
    assert isinstance(found, Unreadable)
    assert found.cause == "missing_bytes"


def test_a_child_that_is_killed_is_replaced_and_costs_no_mail(readers: Readers) -> None:
    hashes = [blobs().put(a_mail(f"text {n}")) for n in range(200)]
    readers.read(hashes[:1])
    waiting = [readers.submit(one) for one in hashes]
    for read in (20, 60, 120):
        waiting[read].result(60)
        (child,) = wait_until(children, what="a child lives")
        os.kill(child.pid, signal.SIGKILL)
    assert all(isinstance(one.result(60), Reading) for one in waiting)


def test_a_mail_that_takes_too_long_is_given_up(readers: Readers, monkeypatch: pytest.MonkeyPatch) -> None:
    readers.read([blobs().put(a_mail("warm"))])
    monkeypatch.setattr(parse_child, "WALL_SECONDS", 0.5)
    (child,) = children()
    os.kill(child.pid, signal.SIGSTOP)  # as if it computed for ever
    slow, after = readers.submit(blobs().put(a_mail("slow"))), readers.submit(blobs().put(a_mail("after")))
    began = time.monotonic()
    answer = slow.result(30)
    assert isinstance(answer, Unreadable)
    assert answer.cause == "timeout"
    monkeypatch.setattr(parse_child, "WALL_SECONDS", 20.0)
    assert isinstance(after.result(30), Reading)
    assert time.monotonic() - began < 20


def test_a_mail_at_which_a_child_was_killed_and_the_next_one_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    child, answers = parse_child._Child(), [Unreadable("crashed"), Unreadable("timeout")]
    monkeypatch.setattr(child, "_answer", lambda: answers.pop(0))
    monkeypatch.setattr(child, "_replace", lambda: None)
    task = parse_child._Task("0" * 64, (), Future())
    child._given.append(task)
    child.take()
    assert not child.idle  # whoever killed the child, this mail may not be to blame
    child.take()
    assert child.idle
    assert task.answer.result(0) == Unreadable("timeout")


def test_children_end_with_their_parent(readers: Readers) -> None:
    readers.read([blobs().put(a_mail("x"))])
    (child,) = children()
    readers.close()
    wait_until(lambda: not psutil.pid_exists(child.pid) or child.status() == psutil.STATUS_ZOMBIE)
