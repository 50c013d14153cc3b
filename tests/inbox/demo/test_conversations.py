"""The demo's year of conversations is what the inbox's pages promise to show."""

from __future__ import annotations

import email
import email.message
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from inbox.demo import ADDRESSES, attachments
from inbox.demo.conversations import DemoMail, conversations
from inbox.demo.japanese import SCENARIOS as JAPANESE
from inbox.mail.facts import Kind
from inbox.mail.understand import understand

NOW = datetime(2026, 3, 11, 4, 30, tzinfo=UTC)


@pytest.fixture(scope="module")
def mails() -> list[DemoMail]:
    return conversations(NOW)


@pytest.fixture(scope="module")
def headers(mails: list[DemoMail]) -> list[email.message.Message]:
    return [email.message_from_bytes(mail.raw) for mail in mails]


def test_a_year_of_at_least_150_conversations_and_400_mails(
    mails: list[DemoMail], headers: list[email.message.Message]
) -> None:
    assert len(mails) >= 400
    assert sum(mail["In-Reply-To"] is None for mail in headers) >= 150
    assert NOW - mails[0].received_at > timedelta(days=340)
    assert NOW - mails[-1].received_at < timedelta(days=2)
    assert all(earlier.received_at <= later.received_at for earlier, later in pairwise(mails))


def test_the_same_now_gives_the_same_bytes(mails: list[DemoMail]) -> None:
    assert conversations(NOW) == mails


def test_another_now_moves_everything_and_leaves_nothing_in_the_future() -> None:
    later = NOW + timedelta(days=100)
    assert max(mail.received_at for mail in conversations(later)) <= later


def test_every_message_id_is_used_once_and_every_answer_names_a_mail_that_is_there(
    headers: list[email.message.Message],
) -> None:
    ids = Counter(mail["Message-ID"] for mail in headers)
    assert set(ids.values()) == {1}
    answered = [mail["In-Reply-To"] for mail in headers if mail["In-Reply-To"]]
    assert set(answered) <= set(ids)


def test_answers_lie_in_the_sent_folder_and_come_from_the_teams_addresses(
    mails: list[DemoMail], headers: list[email.message.Message]
) -> None:
    for mail, head in zip(mails, headers, strict=True):
        by_team = any(f"<{address}>" in head["From"] for address in ADDRESSES)
        assert by_team == (mail.folder == "Sent")


def test_some_recent_conversations_wait_for_an_answer_and_most_old_ones_do_not(
    mails: list[DemoMail], headers: list[email.message.Message]
) -> None:
    answered = {head["In-Reply-To"] for head in headers}
    unanswered = [
        mail
        for mail, head in zip(mails, headers, strict=True)
        if mail.folder == "INBOX" and head["In-Reply-To"] is None and head["Message-ID"] not in answered
    ]
    recent = [mail for mail in unanswered if NOW - mail.received_at < timedelta(days=14)]
    assert 8 <= len(recent) <= 60
    assert len(unanswered) < len(mails) / 4


def test_our_own_reader_understands_all_of_it_but_the_one_that_is_broken(mails: list[DemoMail]) -> None:
    kinds: Counter[Kind] = Counter()
    refused = []
    for mail in mails:
        try:
            seen = understand(mail.raw)
        except Exception as error:  # noqa: BLE001 - which error says quarantine is the reader's own business
            refused.append(error)
            continue
        kinds[seen.kind] += 1
        assert "\ufffd" not in seen.mail.subject + seen.mail.text
    assert len(refused) == 1
    assert kinds[Kind.BOUNCE] == 1
    assert kinds[Kind.AUTO_REPLY] >= 1
    assert kinds[Kind.LIST] >= 4
    assert kinds[Kind.PERSON] >= 400


def test_charsets_carriers_attachments_and_html_are_all_there(mails: list[DemoMail]) -> None:
    everything = b"\n".join(mail.raw for mail in mails)
    for wanted in (
        rb"charset=ISO-2022-JP",
        rb"charset=Shift_JIS",
        rb"charset=UTF-8",
        rb"From: [^\r\n]*\.\.[^\r\n]*@docomo\.example",
        rb"Content-Type: application/pdf",
        rb"Content-Type: image/png",
        rb"Content-Type: image/jpeg",
        rb"Content-Type: text/csv",
        rb"Content-Type: text/calendar",
        rb"Content-Type: message/rfc822",
        rb"Content-ID: <logo@roasters\.example>",
        rb"filename\*=utf-8''%",
        rb"List-Id:",
        rb"To: billing@demo\.example",
    ):
        assert re.search(wanted, everything), wanted


def test_no_slot_is_left_unfilled(mails: list[DemoMail]) -> None:
    for mail in mails:
        for part in email.message_from_bytes(mail.raw).walk():
            if part.get_content_type() == "text/plain" and part.get_content_charset():
                text = part.get_payload(decode=True).decode(
                    "cp932" if part.get_content_charset() == "shift_jis" else part.get_content_charset()
                )
                assert not re.search(r"\{[a-z_0-9]+\}", text)


def test_addresses_stand_only_in_reserved_domains(headers: list[email.message.Message]) -> None:
    """An answer typed into the demo can never reach a stranger."""
    for head in headers:
        for field in ("From", "To", "Cc", "Reply-To"):
            for address in re.findall(r"[^\s<>\"]+@[^\s<>\",]+", head[field] or ""):
                assert address.endswith(".example"), address


def test_every_scenario_begins_with_the_customer() -> None:
    assert not any(scenario.turns[0].by_team for scenario in JAPANESE)


def test_a_made_pdf_points_to_its_own_objects() -> None:
    data = attachments.pdf(("INVOICE (copy)", "Total"))
    start = int(re.search(rb"startxref\n(\d+)", data)[1])  # type: ignore[index]
    assert data[start : start + 4] == b"xref"
    for number, offset in enumerate(re.findall(rb"(\d{10}) 00000 n", data), start=1):
        assert data[int(offset) :].startswith(b"%d 0 obj" % number)
