"""The independent checker: reads database, IMAP store and what the SMTP server took; says what was lost or doubled.

It shares no code with the service: plain SQL, Python's own IMAP client, its own idea of a mail's bytes. What it holds
the service to, for a system at rest:

I1  each (folder, UIDVALIDITY, UID) of the store is one ledger row with the same bytes, and the byte store has them
I2  each ledger row reached one end: a message, the quarantine, or a reason why not; each message came from one row
I3  each delivery belongs to one queue row and carries its bytes; each sent row was delivered once per recipient, and
    lies in the Sent folder once
I4  a row is uncertain only where DATA had begun, and was then delivered at most once
I5  nothing is "sending" any more, no lease outlives its owner by a minute
I6  each answer that its author was told is queued is one queue row; no two answers went out from one version
I8  every state has its history event, and counters are what counting finds
I9  the database is sound

As a program: `python -m tests.faults.check DATABASE_URL BLOBS --imap HOST:PORT:USER:PASSWORD --sink FOLDER`; exit
code 1 when something is lost, doubled or wrong.
"""

from __future__ import annotations

import argparse
import hashlib
import imaplib
import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, create_engine, text

from tests.servers.smtp_sink import Delivery, taken

DEAD_OWNER = timedelta(seconds=60)
AT_ONCE = 200  # mails of one IMAP FETCH
ENDS = ("filed", "known", "own", "quarantined", "vanished", "ignored")

Place = tuple[str, int, int]  # folder, UIDVALIDITY, UID


@dataclass
class Report:
    """What does not hold, in sentences. `uncertain` are ids of queue rows that wait for a person's decision."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    uncertain: list[int] = field(default_factory=list)
    mails: int = 0
    answers: int = 0

    @property
    def clean(self) -> bool:
        return not (self.lost or self.doubled or self.wrong)

    def __str__(self) -> str:
        head = (
            f"mails={self.mails} answers={self.answers} lost={len(self.lost)} doubled={len(self.doubled)} "
            f"wrong={len(self.wrong)} uncertain={len(self.uncertain)}"
        )
        told = [f"{kind}: {one}" for kind in ("lost", "doubled", "wrong") for one in getattr(self, kind)[:20]]
        return "\n".join([head, *told])


@dataclass(frozen=True)
class Imap:
    """How to reach the store itself."""

    host: str
    port: int
    user: str
    password: str


def check(
    database_url: str,
    blobs: Path,
    *,
    store: Mapping[Place, str],
    deliveries: Sequence[Delivery],
    accepted: Collection[int] | None = None,
    now: datetime | None = None,
) -> Report:
    """Holds everything against everything.

    `store` is what `read_store` found; `accepted` are ids of drafts whose authors were told "it is on its way" (None:
    not asked for).
    """
    report = Report()
    engine = create_engine(_driver(database_url))
    try:
        with engine.connect() as connection:
            _ledger(report, connection, store, blobs)
            _messages(report, connection)
            _queue(report, connection, deliveries, blobs)
            _copies(report, connection, store)
            _answers(report, connection, accepted)
            _leases(report, connection, now or datetime.now(UTC))
            _history(report, connection)
            _counters(report, connection)
            _soundness(report, connection)
    finally:
        engine.dispose()
    return report


def read_store(imap: Imap, folders: Iterable[str] = ("INBOX",)) -> dict[Place, str]:
    """The SHA-256 of every mail that the IMAP server shows, by place. Opens read-only, sets no flag."""
    found: dict[Place, str] = {}
    client = imaplib.IMAP4(imap.host, imap.port, timeout=30)
    try:
        client.login(imap.user, imap.password)
        for folder in folders:
            client.select(f'"{folder}"', readonly=True)
            validity = int(client.response("UIDVALIDITY")[1][0])
            uids = client.uid("SEARCH", "ALL")[1][0].split()
            for start in range(0, len(uids), AT_ONCE):
                asked = b",".join(uids[start : start + AT_ONCE]).decode()
                for part in client.uid("FETCH", asked, "(UID BODY.PEEK[])")[1]:
                    if isinstance(part, tuple):
                        uid = int(re.search(rb"UID (\d+)", part[0])[1])  # type: ignore[index]
                        found[folder, validity, uid] = hashlib.sha256(part[1]).hexdigest()
    finally:
        client.logout()
    return found


def read_maildir(folder: Path) -> Counter[str]:
    """The hashes of the mails that lie in a Maildir, with the line ends that IMAP gives them: no server is asked."""
    files = [file for part in ("new", "cur") for file in (folder / part).glob("*")]
    return Counter(hashlib.sha256(_crlf(file.read_bytes())).hexdigest() for file in files)


# -- I1, I2: in


def _ledger(report: Report, connection: Connection, store: Mapping[Place, str], blobs: Path) -> None:
    rows = _rows(
        connection,
        "SELECT f.name AS folder, r.uidvalidity, r.uid, r.sha256, r.state, r.cause, r.id, r.message_id "
        "FROM raw_mail r JOIN folder f ON f.id = r.folder_id",
    )
    report.mails = len(store)
    places = Counter((row["folder"], row["uidvalidity"], row["uid"]) for row in rows)
    report.doubled += [f"I1 {place} stands {times} times in the ledger" for place, times in places.items() if times > 1]
    report.lost += [f"I1 {place} of the store is not in the ledger" for place in store if place not in places]
    folders = {place[0] for place in store}
    for row in rows:
        place = (row["folder"], row["uidvalidity"], row["uid"])
        if row["folder"] in folders and place not in store and row["state"] != "vanished":
            report.wrong.append(f"I1 {place} stands in the ledger, but not in the store")
        if place in store and row["sha256"] and store[place] != row["sha256"]:
            report.lost.append(f"I1 the bytes of {place} are not those of the store")
        if row["sha256"]:
            _bytes(report, blobs, row["sha256"], f"I1 {place}")
        if row["state"] not in ENDS:
            report.lost.append(f"I2 {place} waits as {row['state']!r} {row['cause']}")
        if row["state"] == "quarantined" and not row["cause"]:
            report.wrong.append(f"I2 {place} is in quarantine without a cause")
        if row["state"] in ("filed", "known") and row["message_id"] is None:
            report.lost.append(f"I2 {place} is {row['state']} but its message is gone")


def _messages(report: Report, connection: Connection) -> None:
    came = Counter(
        row["message_id"] for row in _rows(connection, "SELECT message_id FROM raw_mail WHERE state = 'filed'")
    )
    rows = _rows(
        connection,
        "SELECT m.id, m.raw_sha256, m.direction, m.kind, c.mailbox_id FROM message m "
        "JOIN conversation c ON c.id = m.conversation_id WHERE m.direction = 'in' OR m.kind = 'elsewhere'",
    )
    for row in rows:
        if came[row["id"]] != 1:
            kind = report.doubled if came[row["id"]] > 1 or came[row["id"]] == 0 else report.wrong
            kind.append(f"I2 message {row['id']} was filed from {came[row['id']]} ledger rows")
    bytes_in = Counter((row["mailbox_id"], row["raw_sha256"]) for row in rows)
    report.doubled += [f"I2 the bytes {key[1][:12]} are {n} messages" for key, n in bytes_in.items() if n > 1]
    known = {row["id"] for row in rows}
    outside = [message_id for message_id in came if message_id is not None and message_id not in known]
    report.wrong += [f"I2 a ledger row was filed as message {one}, which is none from outside" for one in outside]


# -- I3, I4, I6: out


def _queue(report: Report, connection: Connection, deliveries: Sequence[Delivery], blobs: Path) -> None:
    rows = _rows(
        connection,
        "SELECT id, state, mail_id, recipients, raw_sha256, data_started_at, sent_at, message_id, kind FROM outgoing",
    )
    report.answers = sum(row["kind"] == "reply" for row in rows)
    delivered: dict[str, Counter[str]] = defaultdict(Counter)
    hashes: dict[str, set[str]] = defaultdict(set)
    for one in deliveries:
        mail_id = _message_id(one.raw)
        delivered[mail_id].update(one.recipients)
        hashes[mail_id].add(hashlib.sha256(one.raw).hexdigest())
    ours = {row["mail_id"] for row in rows}
    report.wrong += [f"I3 {mail_id} was delivered but never queued" for mail_id in delivered if mail_id not in ours]
    for mail_id, times in Counter(row["mail_id"] for row in rows).items():
        if times > 1:
            report.doubled.append(f"I3 {mail_id} stands {times} times in the queue")
    for row in rows:
        _delivery(report, row, delivered[row["mail_id"]])
        if hashes[row["mail_id"]] - {row["raw_sha256"]}:
            report.wrong.append(f"I3 outgoing {row['id']}: what was delivered is not what was composed")
        if row["state"] != "cancelled":
            _bytes(report, blobs, row["raw_sha256"], f"I3 outgoing {row['id']}")
        if row["state"] == "uncertain":
            report.uncertain.append(row["id"])
            _uncertain(report, connection, row)


def _delivery(report: Report, row: Mapping[str, Any], delivered: Counter[str]) -> None:
    about = f"outgoing {row['id']} ({row['state']})"
    states = {one["address"]: one["state"] for one in _json(row["recipients"])}
    for address, times in delivered.items():
        if times > 1:
            report.doubled.append(f"I3 {about} was delivered {times} times to {address}")
        if address not in states:
            report.wrong.append(f"I3 {about} went to {address}, to whom nobody wrote")
    for address, state in states.items():
        got = delivered[address]
        if row["state"] == "sent" and state == "accepted" and got == 0:
            report.lost.append(f"I3 {about} was never delivered to {address}")
        if state == "refused" and got:
            report.wrong.append(f"I3 {about} counts as refused by {address}, who has it")
    if row["state"] in ("queued", "held", "sending"):
        report.lost.append(f"I3 {about} did not leave")
        if delivered:
            report.wrong.append(f"I3 {about} was delivered already")
    if row["state"] == "cancelled" and delivered:
        report.wrong.append(f"I3 {about} was delivered although it was taken back")
    if row["state"] == "sent" and row["sent_at"] is None:
        report.wrong.append(f"I3 {about} has no time of sending")


def _uncertain(report: Report, connection: Connection, row: Mapping[str, Any]) -> None:
    begun = _rows(
        connection,
        f"SELECT data_started_at FROM attempt WHERE outgoing_id = {row['id']} AND outcome = 'uncertain' ORDER BY id",
    )
    if row["data_started_at"] is None or not begun or begun[-1]["data_started_at"] is None:
        report.wrong.append(f"I4 outgoing {row['id']} is uncertain although DATA had not begun")


def _copies(report: Report, connection: Connection, store: Mapping[Place, str]) -> None:
    """The Sent folder holds each mail once, as soon as its copy counts as done; only if that folder was read at all."""
    sent = {row["name"] for row in _rows(connection, "SELECT name FROM folder WHERE role = 'sent'")}
    if not sent & {place[0] for place in store}:
        return
    copies = Counter(sha256 for place, sha256 in store.items() if place[0] in sent)
    for row in _rows(connection, "SELECT id, raw_sha256, sent_copy FROM outgoing WHERE kind = 'reply'"):
        if copies[row["raw_sha256"]] > 1:
            report.doubled.append(f"I3 the Sent folder has outgoing {row['id']} {copies[row['raw_sha256']]} times")
        if row["sent_copy"] == "done" and not copies[row["raw_sha256"]]:
            report.lost.append(f"I3 the Sent folder lacks outgoing {row['id']}, whose copy counts as done")


def _answers(report: Report, connection: Connection, accepted: Collection[int] | None) -> None:
    rows = _rows(
        connection,
        "SELECT o.id, o.draft_id, o.conversation_id, o.message_id, o.before, d.seen_version, d.kind FROM outgoing o "
        "JOIN draft d ON d.id = o.draft_id WHERE o.kind = 'reply' AND o.state != 'cancelled'",
    )
    per_draft = Counter(row["draft_id"] for row in rows)
    report.doubled += [f"I6 draft {draft} is {n} queue rows" for draft, n in per_draft.items() if n > 1]
    answers = [row for row in rows if row["kind"] in ("reply", "reply_all")]
    seen = Counter((row["conversation_id"], row["seen_version"]) for row in answers)
    for (conversation_id, version), times in seen.items():
        if times > 1:
            report.doubled.append(f"I6 {times} answers from version {version} of conversation {conversation_id}")
    for row in answers:
        after, saw = _json(row["before"]).get("after_version"), row["seen_version"]
        if after != saw + 1:
            report.wrong.append(f"I6 outgoing {row['id']} left at version {after}, its author saw {saw}")
    messages = Counter(row["message_id"] for row in rows)
    report.doubled += [f"I6 message {one} stands {n} times in the queue" for one, n in messages.items() if n > 1]
    written = _rows(
        connection,
        "SELECT id FROM message WHERE direction = 'out' AND kind IN ('reply', 'forward', 'new')",
    )
    report.lost += [f"I6 answer {row['id']} is shown but not queued" for row in written if row["id"] not in messages]
    if accepted is None:
        return
    report.lost += [f"I6 draft {one} was accepted but is not queued" for one in accepted if not per_draft[one]]
    report.wrong += [f"I6 draft {one} was queued unasked" for one in per_draft if one not in set(accepted)]


# -- I5, I8, I9


def _leases(report: Report, connection: Connection, now: datetime) -> None:
    rows = _rows(connection, "SELECT id, lease_owner, lease_until FROM outgoing WHERE state = 'sending'")
    report.wrong += [f"I5 outgoing {row['id']} is still being sent by {row['lease_owner']}" for row in rows]
    for row in _rows(connection, "SELECT name, lease_owner, lease_until FROM folder WHERE lease_until IS NOT NULL"):
        if _time(row["lease_until"]) - now > DEAD_OWNER:
            report.wrong.append(f"I5 folder {row['name']} is leased for more than a minute by {row['lease_owner']}")
    open_attempts = _rows(
        connection,
        "SELECT a.id, a.outgoing_id FROM attempt a JOIN outgoing o ON o.id = a.outgoing_id "
        "WHERE a.ended_at IS NULL AND o.state != 'sending'",
    )
    report.wrong += [f"I5 an attempt for outgoing {row['outgoing_id']} never ended" for row in open_attempts]


def _history(report: Report, connection: Connection) -> None:
    events: Counter[tuple[str, int]] = Counter()
    for row in _rows(connection, "SELECT kind, about FROM event"):
        about = _json(row["about"])
        for name in ("message_id", "outgoing_id"):
            if isinstance(about.get(name), int):
                events[f"{row['kind']}:{name}", about[name]] += 1
    for row in _rows(connection, "SELECT id FROM message WHERE direction = 'in' AND kind != 'bounce'"):
        times = events["received:message_id", row["id"]]
        if times != 1:
            report.wrong.append(f"I8 message {row['id']} has {times} events of arrival")
    ended = "state IN ('sent', 'uncertain', 'failed') AND conversation_id IS NOT NULL"
    for row in _rows(connection, f"SELECT id, state FROM outgoing WHERE {ended}"):
        names = ("sent", "resolved") if row["state"] == "sent" else (row["state"],)
        if not any(events[f"{name}:outgoing_id", row["id"]] for name in names):
            report.wrong.append(f"I8 outgoing {row['id']} is {row['state']} without an event")
        if events["sent:outgoing_id", row["id"]] > 1:
            report.wrong.append(f"I8 outgoing {row['id']} has two events of sending")


def _counters(report: Report, connection: Connection) -> None:
    kept = {
        (row["mailbox_id"], row["status"], row["owner_id"]): row["count"]
        for row in _rows(connection, "SELECT mailbox_id, status, owner_id, count FROM folder_count")
        if row["count"]
    }
    counted = {
        (row["mailbox_id"], row["status"], row["owner_id"]): row["n"]
        for row in _rows(
            connection,
            "SELECT mailbox_id, status, COALESCE(owner_id, 0) AS owner_id, COUNT(*) AS n FROM conversation "
            "WHERE status != 'joined' GROUP BY 1, 2, 3",
        )
    }
    for key in sorted(kept.keys() | counted.keys()):
        if kept.get(key, 0) != counted.get(key, 0):
            report.wrong.append(f"I8 the counter of {key} says {kept.get(key, 0)}, there are {counted.get(key, 0)}")
    for row in _rows(
        connection,
        "SELECT c.id, c.message_count, COUNT(m.id) AS n FROM conversation c "
        "LEFT JOIN message m ON m.conversation_id = c.id "
        "GROUP BY c.id, c.message_count HAVING c.message_count != COUNT(m.id)",
    ):
        report.wrong.append(f"I8 conversation {row['id']} counts {row['message_count']} messages, there are {row['n']}")


def _soundness(report: Report, connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        told = [row["integrity_check"] for row in _rows(connection, "PRAGMA integrity_check")]
        report.wrong += [f"I9 {one}" for one in told if one != "ok"]
        report.wrong += [f"I9 foreign key: {row}" for row in _rows(connection, "PRAGMA foreign_key_check")]


# -- reading


def _rows(connection: Connection, statement: str) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.execute(text(statement)).mappings()]


def _bytes(report: Report, blobs: Path, sha256: str, about: str) -> None:
    path = blobs / sha256[:2] / sha256[2:]
    try:
        whole = hashlib.sha256(path.read_bytes()).hexdigest() == sha256
    except FileNotFoundError:
        whole = False
    if not whole:
        report.lost.append(f"{about}: its bytes are missing from the store or damaged")


def _json(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


def _time(value: Any) -> datetime:
    found = datetime.fromisoformat(value) if isinstance(value, str) else value
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _message_id(raw: bytes) -> str:
    head = re.sub(rb"\r\n[ \t]+", b" ", raw.partition(b"\r\n\r\n")[0])
    found = re.search(rb"(?im)^message-id:[ \t]*(<[^>\r\n]*>)", head)
    return found[1].decode("ascii", "replace") if found else ""


def _crlf(raw: bytes) -> bytes:
    return raw.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def _driver(url: str) -> str:
    return "postgresql+psycopg://" + url.removeprefix("postgresql://") if url.startswith("postgresql://") else url


def main() -> int:
    parser = argparse.ArgumentParser(description="Says what was lost or doubled.")
    parser.add_argument("database")
    parser.add_argument("blobs", type=Path)
    parser.add_argument("--imap", help="HOST:PORT:USER:PASSWORD", required=True)
    parser.add_argument("--folders", nargs="+", default=["INBOX"])
    parser.add_argument("--sink", type=Path, required=True)
    given = parser.parse_args()
    host, port, user, password = given.imap.split(":", 3)
    store = read_store(Imap(host, int(port), user, password), given.folders)
    report = check(given.database, given.blobs, store=store, deliveries=taken(given.sink))
    print(report)
    return 0 if report.clean else 1


if __name__ == "__main__":
    sys.exit(main())
