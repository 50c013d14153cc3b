"""Connecting a mailbox: known providers, forms, both directions tried, passwords at rest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select, text
from sqlalchemy.orm import Session

from inbox import config, db, demo, mailboxes, profiles
from inbox.errors import Forbidden, UserError
from inbox.mailboxes import MailboxForm
from inbox.models import AuditEvent, Folder, Mailbox, MailboxAddress, Message, Person
from inbox.wire.problems import WireProblem
from tests.inbox.boxes import form_of
from tests.inbox.cast import a_viewer
from tests.inbox.intake.story import Story, a_mail, count
from tests.servers.dovecot import Account, Dovecot
from tests.servers.smtp_sink import SmtpSink

NOW = datetime(2026, 11, 20, tzinfo=UTC)
CANARY = "canary-パスワード-9f31"


@pytest.fixture
def form() -> MailboxForm:
    return form_of(143, Account("support@shop.example", CANARY), name="Support")


@pytest.mark.parametrize(
    ("address", "host", "user"),
    [
        ("a.b@gmail.com", "imap.gmail.com", "a.b@gmail.com"),
        ("hanako@yahoo.co.jp", "imap.mail.yahoo.co.jp", "hanako"),
        ("x@docomo.ne.jp", "imap.spmode.ne.jp", "x@docomo.ne.jp"),
        ("me@icloud.com", "imap.mail.me.com", "me@icloud.com"),
        ("x@mx.biglobe.ne.jp", "mail.biglobe.ne.jp", "x@mx.biglobe.ne.jp"),
        ("X@Fastmail.COM", "imap.fastmail.com", "X@Fastmail.COM"),
    ],
)
def test_a_providers_settings_follow_from_the_address(address: str, host: str, user: str) -> None:
    provider = mailboxes.suggest(address)
    assert provider is not None
    assert (provider.imap_host, provider.user_for(address)) == (host, user)


def test_an_own_domain_could_be_hosted_anywhere() -> None:
    assert mailboxes.suggest("support@shop.example") is None
    assert mailboxes.suggest("x@evilgmail.com") is None


def test_what_is_not_supported_is_said_before_anybody_types_a_password() -> None:
    provider = mailboxes.suggest("x@outlook.com")
    assert provider is not None
    assert provider.oauth_only
    assert "OAuth" in provider.hint


def test_every_preset_is_encrypted_and_complete() -> None:
    keys = [one.key for one in mailboxes.PROVIDERS]
    assert len(keys) == len(set(keys))
    for one in mailboxes.PROVIDERS:
        assert one.imap_security in ("tls", "starttls")
        assert one.smtp_security in ("tls", "starttls")
        assert one.imap_host
        assert one.smtp_host


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"name": "  "}, "name"),
        ({"address": "no address"}, "address"),
        ({"aliases": ("a@b.example", "x y@z")}, "aliases"),
        ({"imap_host": "http://x"}, "imap_host"),
        ({"imap_host": ""}, "imap_host"),
        ({"smtp_port": 0}, "smtp_port"),
        ({"imap_security": "none"}, "imap_security"),
        ({"imap_user": ""}, "imap_user"),
        ({"imap_password": "x\r\nA1 LOGOUT"}, "imap_password"),
        ({"folders": ()}, "folders"),
        ({"colour": "red"}, "colour"),
        ({"locale": "xx"}, "locale"),
    ],
)
def test_a_wrong_field_is_named(session: Session, form: MailboxForm, wrong: dict[str, object], field: str) -> None:
    with pytest.raises(UserError) as caught:
        mailboxes.add(session, None, replace(form, **wrong), now=NOW)  # type: ignore[arg-type]
    assert caught.value.field == field


def test_s29_the_password_stands_nowhere_in_the_clear(engine: Engine, form: MailboxForm) -> None:
    with db.transaction() as session:
        mailbox_id = mailboxes.add(session, None, form, now=NOW)
    with db.reading() as session:
        row = session.get_one(Mailbox, mailbox_id)
        assert CANARY not in row.imap_secret
        assert mailboxes.open_secret(row.imap_secret) == CANARY
        for table in ("mailbox", "audit_event"):
            assert CANARY not in repr(session.execute(text(f"SELECT * FROM {table}")).all())
        assert CANARY not in repr(form)
        assert CANARY not in repr(mailboxes.account(session, mailbox_id))
        assert mailboxes.form_of(session, mailbox_id).imap_password == ""


def test_a_lost_key_is_told_and_not_guessed(engine: Engine, form: MailboxForm, monkeypatch: pytest.MonkeyPatch) -> None:
    with db.transaction() as session:
        mailbox_id = mailboxes.add(session, None, form, now=NOW)
    monkeypatch.setenv("SECRET_KEY", "another key altogether, 0123456789")
    config.settings.cache_clear()
    with db.reading() as session, pytest.raises(WireProblem) as caught:
        mailboxes.account(session, mailbox_id)
    assert caught.value.problem.code == "secret"


def test_one_address_is_connected_once(session: Session, form: MailboxForm) -> None:
    mailboxes.add(session, None, form, now=NOW)
    with pytest.raises(UserError):
        mailboxes.add(session, None, form, now=NOW)


def test_only_admins_connect_mailboxes(session: Session, form: MailboxForm) -> None:
    with pytest.raises(Forbidden):
        mailboxes.add(session, a_viewer(session, "Mei", role="manager"), form, now=NOW)


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"imap_host": "elsewhere.example"}, "imap_password"),
        ({"smtp_host": "elsewhere.example"}, "smtp_password"),
        ({"imap_security": "plain", "imap_port": 143}, "imap_password"),
        ({"smtp_security": "plain", "smtp_port": 25}, "smtp_password"),
    ],
)
def test_s29_a_kept_password_goes_to_no_other_server_and_not_in_the_clear(
    session: Session, form: MailboxForm, changed: dict[str, object], field: str
) -> None:
    encrypted = replace(form, imap_security="tls", smtp_security="starttls", smtp_user="support@shop.example")
    mailbox_id = mailboxes.add(session, None, encrypted, now=NOW)
    elsewhere = replace(mailboxes.form_of(session, mailbox_id), **changed)  # type: ignore[arg-type]
    for attempt in (
        lambda: mailboxes.with_kept_passwords(session, mailbox_id, elsewhere),
        lambda: mailboxes.change(session, None, mailbox_id, elsewhere, now=NOW),
    ):
        with pytest.raises(UserError) as caught:
            attempt()
        assert caught.value.field == field
    typed = replace(elsewhere, **{field: "typed anew"})  # type: ignore[arg-type]
    mailboxes.change(session, None, mailbox_id, typed, now=NOW)


def test_an_alias_may_have_a_name_of_its_own(session: Session, form: MailboxForm) -> None:
    typed = ('"Returns & repairs"  <Returns@Shop.example>', "info@shop.example", "info@shop.example", form.address)
    mailbox_id = mailboxes.add(session, None, replace(form, aliases=typed), now=NOW)
    row = session.get_one(Mailbox, mailbox_id)
    assert [(one.display_name, one.address) for one in row.addresses] == [
        ("", "support@shop.example"),
        ("Returns & repairs", "returns@shop.example"),
        ("", "info@shop.example"),
    ]
    kept = mailboxes.form_of(session, mailbox_id)
    assert kept.aliases == ("Returns & repairs <returns@shop.example>", "info@shop.example")
    renamed = replace(kept, aliases=("returns@shop.example", "Info <info@shop.example>"))
    mailboxes.change(session, None, mailbox_id, renamed, now=NOW)
    assert [one.display_name for one in row.addresses] == ["", "", "Info"]
    with pytest.raises(UserError):
        mailboxes.change(session, None, mailbox_id, replace(kept, aliases=("Name <not an address>",)), now=NOW)


def test_a_change_keeps_what_was_not_typed_and_starts_anew_after_trouble(session: Session, form: MailboxForm) -> None:
    mailbox_id = mailboxes.add(session, None, replace(form, aliases=("info@shop.example",)), now=NOW)
    row = session.get_one(Mailbox, mailbox_id)
    row.error_code, row.failures, row.failing_since = "login", 3, NOW
    before = mailboxes.account(session, mailbox_id)
    changed = replace(
        mailboxes.form_of(session, mailbox_id), name="Help", aliases=("help@shop.example",), folders=("INBOX", "受信箱")
    )
    mailboxes.change(session, None, mailbox_id, changed, now=NOW)
    session.flush()
    assert (row.name, row.error_code, row.failures, row.failing_since) == ("Help", "", 0, None)
    assert mailboxes.open_secret(row.imap_secret) == CANARY
    assert set(session.scalars(select(MailboxAddress.address))) == {"support@shop.example", "help@shop.example"}
    assert set(session.scalars(select(Folder.name))) == {"INBOX", "受信箱"}
    after = mailboxes.account(session, mailbox_id)
    assert before is not None
    assert after is not None
    assert before.fingerprint != after.fingerprint
    kinds = list(session.scalars(select(AuditEvent.kind)))
    assert kinds == ["mailbox_added", "mailbox_changed"]


def test_a_folder_that_is_chosen_again_goes_on_where_it_stood(session: Session, form: MailboxForm) -> None:
    mailbox_id = mailboxes.add(session, None, form, now=NOW)
    session.scalars(select(Folder)).one().last_uid = 77
    mailboxes.choose_folders(session, mailbox_id, ("Other",), sent_folder="")
    mailboxes.choose_folders(session, mailbox_id, ("INBOX",), sent_folder="Sent")
    session.flush()
    found = {one.name: (one.read, one.role, one.last_uid) for one in session.scalars(select(Folder))}
    assert found == {"INBOX": (True, "inbox", 77), "Other": (False, "inbox", 0), "Sent": (True, "sent", 0)}


def test_a_removed_mailbox_takes_all_of_its_own_and_nothing_else(engine: Engine) -> None:
    story, other = Story(), Story("Sales")
    raw = a_mail(files=[("a.txt", b"x")])
    row = story.arrive(raw)
    story.sent(story.conversation_of(row).id)
    story.arrive(a_mail(sender=("", "only@here.example")))
    other.arrive(raw)
    with db.transaction() as session:
        mailboxes.remove(session, None, story.mailbox_id, now=NOW)
    with db.reading() as session:
        assert (count(session, Mailbox), count(session, Message), count(session, Person)) == (1, 1, 1)
        assert len(other.conversations()) == 1


def test_the_demo_is_connected_once_and_removed_without_a_trace(engine: Engine) -> None:
    with db.transaction() as session:
        first = mailboxes.connect_demo(session, now=NOW)
        assert mailboxes.connect_demo(session, now=NOW) == first
        assert session.get_one(Mailbox, first).is_demo
        assert set(profiles.tiers(session)) == {"ハイタッチ", "ロータッチ", "テックタッチ"}
        assert set(profiles.phases(session)) == {"導入", "運用", "活用", "定着"}
        assert session.scalar(select(func.count()).where(Person.company != "", Person.tier == "")) > 3
    assert demo.exists(config.settings().data)
    with db.transaction() as session:
        mailboxes.remove_demo(session, now=NOW)
    with db.reading() as session:
        assert (count(session, Mailbox), count(session, Person)) == (0, 0)
        assert profiles.tiers(session) == ()
    assert not demo.exists(config.settings().data)


# -- trying both directions


@pytest.fixture
def no_settings_left() -> Iterator[None]:
    yield
    config.settings.cache_clear()


def test_both_directions_are_tried(dovecot: Dovecot, account: Account, smtp_sink: SmtpSink) -> None:
    form = form_of(dovecot.imap, account, smtp_port=smtp_sink.port, smtp_security="plain", smtp_user="")
    steps = {step.name: step for step in mailboxes.test(form)}
    assert {name: step.ok for name, step in steps.items()} == {
        "imap": True, "folders": True, "sent": True, "smtp": True, "sender": True,
    }  # fmt: skip
    assert steps["sent"].facts == {"sent_folder": "Sent"}
    assert steps["folders"].facts["mails"] == {"INBOX": 0}


@pytest.mark.parametrize(
    ("wrong", "step", "code"),
    [
        ({"imap_password": "wrong"}, "imap", "login"),
        ({"imap_port": 1}, "imap", "refused"),
        ({"imap_security": "tls"}, "imap", "no_tls"),
        ({"imap_host": "no-such-host.invalid"}, "imap", "unknown_host"),
        ({"folders": ("INBOX", "Nowhere")}, "folders", "folder"),
        ({"sent_folder": "Nowhere"}, "sent", "folder"),
        ({"smtp_port": 1}, "smtp", "refused"),
    ],
)
def test_what_is_wrong_is_named_at_its_step(
    dovecot: Dovecot, account: Account, smtp_sink: SmtpSink, wrong: dict[str, object], step: str, code: str
) -> None:
    values = {"smtp_port": smtp_sink.port, "smtp_security": "plain", "smtp_user": ""}
    steps = mailboxes.test(form_of(dovecot.imap, account, **(values | wrong)))
    failed = [(one.name, one.problem.code) for one in steps if not one.ok and one.problem]
    assert failed == [(step, code)]


def test_a_providers_refusal_says_what_kind_of_password_it_wants(dovecot: Dovecot, smtp_sink: SmtpSink) -> None:
    account = dovecot.account("someone@gmail.com")
    form = form_of(dovecot.imap, replace(account, password="wrong"), smtp_port=smtp_sink.port, smtp_security="plain")
    (problem,) = [step.problem for step in mailboxes.test(form) if step.name == "imap"]
    assert problem is not None
    assert problem.code == "app_password"


def test_secrets_are_told_apart_by_installation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_settings_left: None
) -> None:
    sealed = mailboxes.seal("x")
    assert mailboxes.open_secret(sealed) == "x"
    assert mailboxes.seal("x") != sealed
