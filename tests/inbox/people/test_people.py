"""People: the first administrator, invitations, resets, signing in, slowed guessing, rights, sessions that end."""

from __future__ import annotations

import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from inbox import db, people
from inbox.errors import Forbidden, NotFound, UserError
from inbox.models import AuditEvent, OneTimeLink, SignInAttempt, User
from inbox.people import passwords
from tests.inbox.cast import DAY, HOUR, MINUTE, NOW, a_conversation, a_mailbox, a_user, a_viewer

WORDS = "correct horse battery"
SECOND = timedelta(seconds=1)


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch):
    """The figures of argon2 cost time; what is tested here does not depend on them."""
    from argon2 import PasswordHasher

    quick = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    monkeypatch.setattr(passwords, "HASHER", quick)
    monkeypatch.setattr(passwords, "NOBODYS", quick.hash("nobody"))


def token_of(link: str) -> str:
    return urlsplit(link).path.rpartition("/")[2]


@pytest.fixture
def rin(session: Session) -> people.Viewer:
    """The first administrator, through the link that is printed at the first start."""
    link = people.first_login_link(session, "http://127.0.0.1:8025", now=NOW)
    assert link is not None
    assert link.startswith("http://127.0.0.1:8025/links/first/")
    return people.take_up(
        session, "first", token_of(link), email=" Rin@Shop.Example ", name="Rin", password=WORDS, locale="en", now=NOW
    )


def sign_in(session: Session, email: str = "rin@shop.example", password: str = WORDS, *, ip: str = "10.0.0.1", now=NOW):
    return people.sign_in(session, email, password, ip=ip, now=now)


# -- links


def test_the_first_link_makes_the_administrator_once(session: Session) -> None:
    assert not people.any_user(session)
    older = people.first_login_link(session, "http://x", now=NOW)
    link = people.first_login_link(session, "http://x/", now=NOW)
    token = token_of(link)
    with pytest.raises(people.DeadLink):
        people.link_owner(session, "first", token_of(older), now=NOW)
    assert people.link_owner(session, "first", token, now=NOW).email == ""
    for email, name, password, field in (
        ("no address", "Rin", WORDS, "email"),
        ("rin@shop.example", " ", WORDS, "name"),
        ("rin@shop.example", "Rin", "short", "password"),
    ):
        with pytest.raises(UserError) as refused, session.begin_nested():
            people.take_up(session, "first", token, email=email, name=name, password=password, now=NOW)
        assert refused.value.field == field
    rin = people.take_up(session, "first", token, email="rin@shop.example", name="Rin", password=WORDS, now=NOW)
    assert (rin.role, rin.is_admin, rin.locale) == ("admin", True, "ja")
    assert people.any_user(session)
    assert people.first_login_link(session, "http://x", now=NOW) is None
    with pytest.raises(people.DeadLink):
        people.take_up(session, "first", token, email="b@shop.example", name="B", password=WORDS, now=NOW)


def test_a_second_first_link_does_not_make_a_second_administrator(session: Session, rin) -> None:
    from inbox.people.links import make

    token = make(session, "first", None, now=NOW)
    with pytest.raises(people.DeadLink):
        people.take_up(session, "first", token, email="b@shop.example", name="B", password=WORDS, now=NOW)


def test_an_invitation_is_taken_up_once_within_seven_days(session: Session, rin) -> None:
    support = a_mailbox(session)
    invite = {
        "email": "Aoi@shop.example",
        "name": "Aoi",
        "role": "agent",
        "mailbox_ids": [support.id],
        "locale": "ja",
        "now": NOW,
    }
    older = people.invite(session, rin, **invite)
    token = people.invite(session, rin, **invite)
    assert [m.name for m in people.team(session, rin) if m.invited] == ["Aoi"]
    for dead, at in ((older, NOW), (token, NOW + 7 * DAY), ("", NOW), ("x" * 43, NOW)):
        with pytest.raises(people.DeadLink):
            people.link_owner(session, "invite", dead, now=at)
    with pytest.raises(people.DeadLink):
        people.link_owner(session, "reset", token, now=NOW)
    with pytest.raises(people.NotSignedIn):
        sign_in(session, "aoi@shop.example")
    assert people.link_owner(session, "invite", token, now=NOW + 6 * DAY).name == "Aoi"
    aoi = people.take_up(session, "invite", token, name="葵", password=WORDS, now=NOW + DAY)
    assert (aoi.name, aoi.role, aoi.mailbox_ids) == ("葵", "agent", (support.id,))
    with pytest.raises(people.DeadLink):
        people.take_up(session, "invite", token, password=WORDS, now=NOW + DAY)
    with pytest.raises(UserError):
        people.invite(session, rin, **invite)
    assert sign_in(session, "AOI@shop.example ").id == aoi.id


def test_links_are_stored_as_hashes_only(session: Session, rin) -> None:
    token = people.invite(
        session, rin, email="b@shop.example", name="B", role="agent", mailbox_ids=[], locale="ja", now=NOW
    )
    stored = session.scalars(select(OneTimeLink)).all()
    assert all(token not in str(vars(link)) for link in stored)
    assert all(token not in str(event.about) for event in session.scalars(select(AuditEvent)))


def test_a_reset_works_for_an_hour_ends_sessions_and_tells_nothing_about_strangers(session: Session, rin) -> None:
    assert people.start_reset(session, "nobody@shop.example", ip="10.0.0.1", now=NOW) is None
    assert people.start_reset(session, "no address", ip="10.0.0.1", now=NOW) is None
    member, token = people.start_reset(session, "rin@shop.example", ip="10.0.0.1", now=NOW)
    assert (member.id, member.email) == (rin.id, "rin@shop.example")
    with pytest.raises(people.DeadLink):
        people.link_owner(session, "reset", token, now=NOW + HOUR)
    again = people.take_up(session, "reset", token, password="another long phrase", now=NOW + MINUTE)
    assert people.viewer(session, rin.id, rin.epoch) is None
    assert people.viewer(session, rin.id, again.epoch) == again
    with pytest.raises(people.NotSignedIn):
        sign_in(session)
    assert people.start_reset(session, "rin@shop.example", ip="10.0.0.1", now=NOW)
    assert people.start_reset(session, "rin@shop.example", ip="10.0.0.1", now=NOW)
    assert people.start_reset(session, "rin@shop.example", ip="10.0.0.1", now=NOW) is None
    assert people.start_reset(session, "rin@shop.example", ip="10.0.0.1", now=NOW + HOUR)


# -- signing in


def test_five_wrong_tries_are_free_then_the_wait_doubles_and_ends(session: Session, rin) -> None:
    now = NOW
    for _ in range(5):
        with pytest.raises(people.NotSignedIn):
            sign_in(session, password="wrong", now=now)
    for expected in (15, 30, 60, 120):
        with pytest.raises(people.TooManyTries) as slowed:
            sign_in(session, now=now)
        assert slowed.value.seconds == expected
        now += timedelta(seconds=expected)
        with pytest.raises(people.NotSignedIn):
            sign_in(session, password="wrong", now=now)
    now += HOUR
    assert sign_in(session, now=now).id == rin.id
    with pytest.raises(people.NotSignedIn):
        sign_in(session, password="wrong", now=now)
    assert sign_in(session, now=now).id == rin.id


def test_guessing_from_elsewhere_does_not_lock_the_owner_out(session: Session, rin) -> None:
    for n in range(200):
        with pytest.raises(UserError):
            sign_in(session, password="wrong", ip=f"203.0.113.{n % 100}", now=NOW + n * SECOND)
    assert sign_in(session, ip="10.9.9.9", now=NOW + 201 * SECOND).id == rin.id
    with pytest.raises(people.NotSignedIn):  # and a slip of the owner's hand is forgiven
        sign_in(session, password="slip", ip="10.8.8.8", now=NOW + 202 * SECOND)
    assert sign_in(session, ip="10.8.8.8", now=NOW + 203 * SECOND).id == rin.id


def test_ten_thousand_guesses_from_one_place_come_to_nothing(session: Session, rin) -> None:
    checked, now = 0, NOW
    for _ in range(10_000):
        now += 2 * SECOND
        try:
            sign_in(session, password="wrong", now=now)
        except people.NotSignedIn:
            checked += 1
        except people.TooManyTries as slowed:
            now += timedelta(seconds=min(slowed.seconds, 600) - 1)
        if now > NOW + DAY:
            break
    assert checked < 24 * 4 * 12


def test_guesses_at_the_same_moment_count_like_guesses_one_by_one(engine: Engine, monkeypatch) -> None:
    with db.transaction() as session:
        a_user(session, "Aoi", password_hash=passwords.hashed("a good long sentence"))
    right = passwords.right

    def slowly(stored: str | None, password: str) -> bool:
        time.sleep(0.1)  # as the real figures take
        return right(stored, password)

    monkeypatch.setattr(passwords, "right", slowly)

    def guess(number: int) -> type[Exception] | None:
        with Session(db.engine()) as session:
            try:
                people.sign_in(session, "aoi@shop.example", f"guess {number}", ip="192.0.2.9", now=NOW)
            except UserError as error:
                session.commit()
                return type(error)
        return None

    with ThreadPoolExecutor(20) as at_once:
        outcomes = list(at_once.map(guess, range(20)))
    assert outcomes.count(people.NotSignedIn) == 5
    assert outcomes.count(people.TooManyTries) == 15


def test_guessing_at_many_accounts_from_one_address_is_slowed(session: Session, rin) -> None:
    for n in range(people.signing_in.FREE_TRIES_OF_ADDRESS):
        with pytest.raises(people.NotSignedIn):
            sign_in(session, f"person{n}@shop.example", "wrong", now=NOW)
    with pytest.raises(people.TooManyTries):
        sign_in(session, "one.more@shop.example", "wrong", now=NOW)
    assert sign_in(session, ip="10.0.0.2").id == rin.id


def test_old_tries_are_forgotten(session: Session, rin) -> None:
    with pytest.raises(people.NotSignedIn):
        sign_in(session, password="wrong", now=NOW - 5 * DAY)
    sign_in(session, now=NOW)
    assert people.forget_old_tries(session, now=NOW) == 1
    assert len(session.scalars(select(SignInAttempt)).all()) == 1


@pytest.mark.parametrize("email", ["", "x", "nobody@shop.example", "a@b\0.example", "x" * 5_000, "ａ@b.example", "'--"])
def test_strange_addresses_are_simply_wrong(session: Session, rin, email: str) -> None:
    with pytest.raises(people.NotSignedIn):
        sign_in(session, email.replace("\0", ""), "p" * 3_000)


@pytest.mark.only_on("sqlite")
def test_an_unknown_address_takes_as_long_as_a_wrong_password(session: Session, monkeypatch) -> None:
    monkeypatch.undo()
    a_user(session, "Aoi", password_hash=passwords.hashed(WORDS))

    def took(email: str, n: int) -> float:
        start = time.thread_time()  # other work on the machine does not count
        with pytest.raises(people.NotSignedIn):
            sign_in(session, email, "wrong words here", ip=f"10.1.{n}.1")
        return time.thread_time() - start

    known = statistics.median(took("aoi@shop.example", n) for n in range(15))
    unknown = statistics.median(took("nobody@shop.example", 100 + n) for n in range(15))
    assert abs(known - unknown) < 0.02
    assert known > 0.005


def test_a_deactivated_person_is_out_at_once_and_the_work_is_given_back(session: Session, rin) -> None:
    support = a_mailbox(session)
    aoi = a_user(session, "Aoi", support, password_hash=passwords.hashed(WORDS))
    seen = sign_in(session, "aoi@shop.example")
    mine = a_conversation(session, support, owner=aoi)
    done = a_conversation(session, support, owner=aoi, status="closed")
    rin = people.viewer(session, rin.id, rin.epoch)
    people.change_person(session, rin, aoi.id, role="agent", active=False, mailbox_ids=[support.id], now=NOW)
    assert people.viewer(session, seen.id, seen.epoch) is None
    assert people.viewer(session, seen.id, aoi.session_epoch) is None
    with pytest.raises(people.NotSignedIn):
        sign_in(session, "aoi@shop.example")
    assert (mine.owner_id, done.owner_id) == (None, aoi.id)
    assert people.start_reset(session, "aoi@shop.example", ip="10.0.0.1", now=NOW) is None


# -- rights


def test_only_administrators_change_the_team_and_one_always_remains(session: Session, rin) -> None:
    support = a_mailbox(session)
    mei, aoi = a_viewer(session, "Mei", support, role="manager"), a_viewer(session, "Aoi", support)
    change = {"role": "agent", "active": True, "mailbox_ids": [], "now": NOW}
    assert [m.name for m in people.team(session, mei)] == ["Aoi", "Mei", "Rin"]
    for who in (mei, aoi):
        with pytest.raises(Forbidden):
            people.change_person(session, who, aoi.id, **change)
        with pytest.raises(Forbidden):
            people.invite(
                session, who, email="x@y.example", name="X", role="agent", mailbox_ids=[], locale="ja", now=NOW
            )
        with pytest.raises(Forbidden):
            people.trail(session, who)
    with pytest.raises(Forbidden):
        people.team(session, aoi)
    with pytest.raises(UserError):
        people.change_person(session, rin, rin.id, **change)
    with pytest.raises(UserError):
        people.change_person(session, rin, aoi.id, role="king", active=True, mailbox_ids=[], now=NOW)
    with pytest.raises(UserError):
        people.change_person(session, rin, aoi.id, role="agent", active=True, mailbox_ids=[999], now=NOW)
    with pytest.raises(NotFound):
        people.change_person(session, rin, 999, **change)
    people.change_person(session, rin, aoi.id, role="manager", active=True, mailbox_ids=[], now=NOW)
    assert people.viewer(session, aoi.id, aoi.epoch).mailbox_ids == ()
    kinds = [row.kind for row in people.trail(session, rin)]
    assert kinds[:1] == ["person_changed"]
    assert "first_admin" in kinds


def test_access_goes_by_mailbox_and_administrators_reach_all(session: Session, rin) -> None:
    support, sales = a_mailbox(session), a_mailbox(session, "Sales")
    aoi = a_viewer(session, "Aoi", support)
    conversation = a_conversation(session, sales)
    assert people.viewer(session, rin.id, rin.epoch).mailbox_ids == (support.id, sales.id)
    with pytest.raises(NotFound):
        people.conversation(session, aoi, conversation.id)
    with pytest.raises(NotFound):
        people.conversation(session, aoi, conversation.id, lock=True)
    with pytest.raises(NotFound):
        people.mailbox(session, aoi, sales.id)
    assert people.mailbox(session, aoi, support.id).id == support.id
    assert people.colleagues(session, aoi, mailbox_id=sales.id) == ()
    assert [name for _id, name in people.colleagues(session, aoi, mailbox_id=support.id)] == ["Aoi", "Rin"]
    assert [
        name for _id, name in people.colleagues(session, people.viewer(session, rin.id, rin.epoch), mailbox_id=sales.id)
    ] == ["Rin"]


def test_a_person_added_by_hand_can_sign_in(session: Session) -> None:
    people.add(session, None, email="ops@shop.example", name="Ops", role="admin", password=WORDS, now=NOW)
    assert sign_in(session, "ops@shop.example").is_admin
    with pytest.raises(UserError):
        people.add(session, None, email="OPS@shop.example", name="Ops", role="admin", password=WORDS, now=NOW)


# -- own settings


def test_preferences_are_checked_one_by_one(session: Session, rin) -> None:
    changed = people.preferences(
        session, rin, locale="ja", time_zone="Europe/Berlin", theme="dark", undo_seconds=30, after_send="list"
    )
    assert (changed.locale, changed.time_zone, changed.theme, changed.undo_seconds, changed.after_send) == (
        "ja", "Europe/Berlin", "dark", 30, "list",
    )  # fmt: skip
    for wrong in (
        {"locale": "xx"},
        {"time_zone": "Mars/Base"},
        {"theme": "pink"},
        {"undo_seconds": 61},
        {"after_send": "x"},
    ):
        with pytest.raises(UserError) as refused:
            people.preferences(session, rin, **wrong)
        assert refused.value.field in wrong


def test_a_new_password_ends_other_sessions_and_keeps_this_one(session: Session, rin) -> None:
    with pytest.raises(UserError) as refused:
        people.change_password(session, rin, "wrong", "some other phrase", now=NOW)
    assert refused.value.field == "old"
    after = people.change_password(session, rin, WORDS, "some other phrase", now=NOW)
    assert people.viewer(session, rin.id, rin.epoch) is None
    assert people.viewer(session, rin.id, after.epoch) is not None


def test_signatures_are_own_or_the_mailboxs_and_are_cleaned(session: Session, rin) -> None:
    support = a_mailbox(session)
    support.signature_html = "<p>Shop</p>"
    rin = people.viewer(session, rin.id, rin.epoch)
    people.sign_as(session, rin, support.id, from_name=" Rin of Shop ", html="<p>Rin</p><script>alert(1)</script>")
    (signature,) = people.signatures(session, rin)
    assert (signature.from_name, signature.html, signature.mailbox_html) == ("Rin of Shop", "<p>Rin</p>", "<p>Shop</p>")
    people.sign_as(session, rin, support.id, from_name=None, html=None)
    assert people.signatures(session, rin)[0].html is None
    with pytest.raises(NotFound):
        people.sign_as(session, a_viewer(session, "Cho"), support.id, from_name="x", html=None)


@pytest.mark.parametrize(
    "password",
    ["", "short", "password123", "PassWord123", "aaaaaaaaaaaaaaa", "1234567890", "9876543210", "abcdefghijkl",
     "rin@shop.example", "Rin Tanaka Suzuki", "rintanakasuzuki1", "x" * 300, "ａｂｃｄｅｆｇｈｉｊ"],
)  # fmt: skip
def test_passwords_that_are_guessed_first_are_refused(password: str) -> None:
    with pytest.raises(UserError) as refused:
        passwords.check(password, email="rin@shop.example", name="Rin Tanaka Suzuki")
    assert refused.value.field == "password"


@pytest.mark.parametrize(
    "password", ["correct horse battery", "ひらがなだけでもよい文", "x7#pQ9!mZ2", "tanaka went home at nine"]
)
def test_long_phrases_in_any_language_are_welcome(password: str) -> None:
    passwords.check(password, email="rin@shop.example", name="Rin Tanaka")


def test_full_width_letters_are_the_same_password() -> None:
    assert passwords.right(passwords.hashed("ｐａｓｓphrase of mine"), "passphrase of mine")
    assert not passwords.right(None, "anything")
    assert not passwords.right("no hash at all", "anything")


def test_the_real_figures_are_argon2id_and_need_time() -> None:
    from argon2 import extract_parameters

    from inbox.people import passwords as real

    assert extract_parameters(real.HASHER.hash("x")).type.name == "ID"


def test_an_address_has_one_spelling() -> None:
    assert people.normalised(" Aoi@Shop.EXAMPLE ") == "aoi@shop.example"
    assert people.normalised("ａｏｉ＠ｓｈｏｐ.example") == "aoi@shop.example"
    for wrong in (
        "",
        "a",
        "a@",
        "@b",
        "a@b@c",
        "a b@c",
        "a@b\r\nBcc: x@y",
        "a@b,c@d",
        "x" * 250 + "@b.example",
        "a@b..c",
    ):
        with pytest.raises(UserError):
            people.normalised(wrong)


def test_the_time_of_the_last_sign_in_is_kept(session: Session, rin) -> None:
    sign_in(session, now=NOW + HOUR)
    assert session.get(User, rin.id).last_seen_at == NOW + HOUR
    assert isinstance(people.team(session, rin)[0].last_seen_at, datetime)
