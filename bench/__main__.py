"""`make bench`: everything measured on throwaway servers in one run; a table on the screen and under docs/.

`python -m bench ingest send pages screen rules` runs only the named parts; `--conversations N` is the large size
(1,000,000). `rules` alone needs no server.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from bench import corpus, floors, pages, report, rules, screen
from bench.report import Line
from bench.servers import child, data_folder, smtp_sink
from tests.servers import NotHere
from tests.servers.dovecot import Account, Dovecot
from tests.servers.postgres import Postgres
from tests.servers.valkey import Valkey

MAILS = 2000
BEFORE = 100  # mails that each pipeline has read before it is measured
ROUNDS = 3  # floor and ours in turn; the median of the rounds' ratios counts
SMALL = 30_000  # bytes: replies are short
INGEST, SEND = 0.60, 0.70  # at least this part of the floor
PAGE, GROWN = 5.0, 1.3  # at most so many times the bare page, and its own time when small
SLOWEST = 150.0  # milliseconds for the 95th of a hundred lists, when grown
SCREEN = 1000.0  # milliseconds at most
DECISIONS = 2000.0  # of rules a second, at least


def main() -> int:
    parts = {"ingest": ingest, "send": send, "pages": page_times, "screen": to_the_screen, "rules": decisions}
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="|".join(parts), help="which parts (all)")
    parser.add_argument("--conversations", type=int, default=1_000_000)
    parser.add_argument("--mails", type=int, default=MAILS)
    asked = parser.parse_args()
    lines: list[Line] = []
    with nullcontext() if asked.parts == ["rules"] else _servers() as servers:
        for name in asked.parts or parts:
            print(f"measuring {name} …", file=sys.stderr, flush=True)
            found = list(parts[name](servers, asked))
            print(report.table(found, head=name), flush=True)
            lines += found
    python = f"{platform.python_implementation()} {platform.python_version()}"
    head = f"Madoguchi beside bare floors, {python}, {os.cpu_count()} cores"
    if not asked.parts:
        report.write(lines, head=head)
    print(report.table(lines, head=head))
    return 0


class Servers:
    """What is there on this machine; PostgreSQL and Dovecot only where Debian's packages are."""

    def __init__(self, dovecot: Dovecot, postgres: Postgres, valkey: Valkey) -> None:
        self.dovecot, self.postgres, self.valkey = dovecot, postgres, valkey

    def databases(self) -> dict[str, Callable[[], str]]:
        """A fresh, empty one at each call: "" is SQLite in the data folder."""
        return {"SQLite": lambda: "", "PostgreSQL": lambda: self.postgres.url(self.postgres.create())}


@contextmanager
def _servers() -> Iterator[Servers]:
    try:
        dovecot, postgres = Dovecot(), Postgres()
    except NotHere as missing:
        raise SystemExit(f"The bench needs {missing}.") from None
    dovecot.start()
    valkey = Valkey()
    try:
        yield Servers(dovecot, postgres, valkey)
    finally:
        valkey.close()
        postgres.close()
        dovecot.close()


def ingest(servers: Servers, asked: argparse.Namespace) -> Iterator[Line]:
    before, account = _filled(servers.dovecot, BEFORE, seed=8), _filled(servers.dovecot, asked.mails)
    for name, fresh in servers.databases().items():
        rounds = [_ingest_once(servers, before, account, fresh) for _ in range(ROUNDS)]
        yield _rate(f"ingest, {name}", [(floor, ours) for floor, _, ours in rounds], wanted=INGEST)
        yield _rate(f"ingest, {name}, floor flushes too", [(durable, ours) for _, durable, ours in rounds])


def _ingest_once(
    servers: Servers, before: Account, account: Account, fresh: Callable[[], str]
) -> tuple[float, float, float]:
    """The floor, the floor that loses nothing at a power cut either, and ours; none of them starts cold."""
    port, password = servers.dovecot.imap, account.password
    measured = []
    for durable in (False, True):
        for user in (before.user, account.user):
            os.sync()  # nobody pays for what the run before left to be written
            with tempfile.TemporaryDirectory() as folder:
                database = fresh() or "sqlite"
                rate = floors.ingest(port, user, password, database=database, folder=Path(folder), durable=durable)
        measured.append(rate)
    with data_folder(fresh(), REDIS_URL=servers.valkey.url) as environment:
        os.sync()
        ours = child(environment, "-m", "bench.ours", "ingest", str(port), before.user, account.user, password)
    return measured[0], measured[1], ours["rate"]


def _filled(dovecot: Dovecot, count: int, *, seed: int = 7) -> Account:
    account = dovecot.account()
    box = dovecot.maildir(account.user)
    for part in ("cur", "new", "tmp"):
        (box / part).mkdir(parents=True, exist_ok=True)
    for number, raw in enumerate(corpus.mails(count, seed=seed)):
        (box / "new" / f"{1_767_225_600 + 37 * number}.M{number:06d}P1.bench").write_bytes(raw.replace(b"\r\n", b"\n"))
    dovecot.own(box)
    return account


def send(servers: Servers, asked: argparse.Namespace) -> Iterator[Line]:
    small = [raw for raw in corpus.mails(4 * asked.mails) if len(raw) < SMALL and _any_server_takes(raw)][: asked.mails]
    with smtp_sink() as (port, what), tempfile.TemporaryDirectory() as folder:
        for number, raw in enumerate(small):
            Path(folder, f"{number:06d}.eml").write_bytes(raw)
        for name, fresh in servers.databases().items():
            pairs = []
            for _ in range(ROUNDS):
                floor = floors.send(port, small)
                with data_folder(fresh(), REDIS_URL=servers.valkey.url) as environment:
                    ours = child(environment, "-m", "bench.ours", "send", str(port), folder)
                if ours["sent"] != len(small):
                    raise RuntimeError(f"only {ours['sent']} of {len(small)} mails were sent")
                pairs.append((floor, ours["rate"]))
            yield _rate(f"send, {name}, {what}", pairs, wanted=SEND)


def _any_server_takes(raw: bytes) -> bool:
    """Lines of at most 998 bytes (RFC 5321 §4.5.3.1.6)."""
    return max(map(len, raw.split(b"\r\n"))) <= 998


def page_times(servers: Servers, asked: argparse.Namespace) -> Iterator[Line]:
    sizes = (MAILS, asked.conversations)
    for database, fresh in servers.databases().items():
        times = {}
        for size in sizes:
            with data_folder(fresh(), REDIS_URL=servers.valkey.url) as environment:
                times[size] = pages.measure(environment, size)
            for name in pages.PATHS:
                yield _beside_bare(f"{name} page, {database}, {size:,}", times[size][name], times[size]["bare"])
        small, large = (times[size] for size in sizes)
        for name in pages.PATHS:
            yield _grown(f"{name} page grown, {database}", small[name].p50, large[name].p50)
        yield _slowest(f"list page p95, {database}, {sizes[1]:,}", large["list"].p95)


def _beside_bare(what: str, ours: pages.Times, bare: pages.Times) -> Line:
    ratio = ours.p50 / bare.p50
    return Line(
        what,
        f"p50 {bare.p50:.1f} p95 {bare.p95:.1f} ms",
        f"p50 {ours.p50:.1f} p95 {ours.p95:.1f} ms",
        f"{ratio:.1f}×",
        f"≤ {PAGE:g}×",
        ratio <= PAGE,
        ratio / PAGE,
    )


def _grown(what: str, small: float, large: float) -> Line:
    ratio = large / small
    share = ratio / GROWN
    return Line(what, f"p50 {small:.1f} ms", f"p50 {large:.1f} ms", f"{ratio:.2f}×", f"≤ {GROWN:g}×", share <= 1, share)


def _slowest(what: str, p95: float) -> Line:
    return Line(what, "", f"p95 {p95:.1f} ms", f"{p95:.0f} ms", f"≤ {SLOWEST:g} ms", p95 <= SLOWEST, p95 / SLOWEST)


def to_the_screen(servers: Servers, asked: argparse.Namespace) -> Iterator[Line]:
    seen = screen.measure(servers.dovecot)
    yield Line(
        "delivery to the browser",
        "Dovecot tells after 500 ms",
        f"p50 {seen.p50:.0f} p95 {seen.p95:.0f} ms",
        f"{seen.p50:.0f} ms",
        f"≤ {SCREEN:g} ms",
        seen.p50 <= SCREEN,
        seen.p50 / SCREEN,
    )
    for name, megabytes in seen.memory.items():
        yield Line(f"memory, {name}", "", f"{megabytes:.0f} MB", "")


def decisions(servers: Servers | None, asked: argparse.Namespace) -> Iterator[Line]:
    speed = rules.measure()
    for what, ours in (("decisions", speed.decisions), ("decisions with their traces as JSON", speed.traced)):
        yield Line(
            f"{what}, {rules.RULES} rules",
            f"{speed.matched:.1f} rules match a mail",
            f"{ours:.0f} mails/s",
            f"{ours / DECISIONS:.1f}×",
            f"≥ {DECISIONS:g}/s",
            ours >= DECISIONS,
            ours / DECISIONS,
        )


def _rate(what: str, pairs: list[tuple[float, float]], *, wanted: float | None = None) -> Line:
    """`wanted`: the least part of the floor; None where nothing is promised."""
    ratio = statistics.median(ours / floor for floor, ours in pairs)
    floor, ours = (statistics.median(column) for column in zip(*pairs, strict=True))
    return Line(
        what,
        f"{floor:.0f} mails/s",
        f"{ours:.0f} mails/s",
        f"{ratio:.0%}",
        f"≥ {wanted:.0%}" if wanted else "",
        ratio >= wanted if wanted else None,
        ratio / wanted if wanted else None,
    )


if __name__ == "__main__":
    sys.exit(main())
