"""Mails are grouped by the ids that they name, never by subject alone; our own ids cannot be forged."""

import dataclasses
import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbox.mail import threads
from inbox.mail.facts import Address, ParsedMail

SECRET = b"0123456789abcdef0123456789abcdef"
NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


def mail(
    own: str = "", *, to: str = "", references: tuple[str, ...] = (), subject: str = "Order", text: str = ""
) -> ParsedMail:
    return ParsedMail(
        subject=subject,
        from_=(Address("", "hana@customer.example"),),
        date=NOW,
        message_id=f"<{own}>" if own else "",
        in_reply_to=(f"<{to}>",) if to else (),
        references=tuple(f"<{one}>" for one in references),
        text=text,
        headers=(("Subject", subject),),
    )


# --- keys -------------------------------------------------------------------------------------------------------


def test_a_key_is_the_same_however_the_id_is_written():
    wanted = threads.key("<a.b@c.example>")
    assert len(wanted) == 32
    assert set(wanted) <= set("0123456789abcdef")
    for written in ("a.b@c.example", " <a.b@c.example> ", "<a.b@\r\n c.example>", '<"a.b"@c.example>'):
        assert threads.key(written) == wanted
    assert threads.key("<A.b@c.example>") != wanted


def test_the_nearest_parent_stands_first_and_the_mail_itself_nowhere():
    found = threads.keys(mail("m@x", to="p@x", references=("root@x", "m@x", "p@x")))
    assert found == (threads.key("p@x"), threads.key("root@x"))


def test_a_hundred_thousand_references_are_bounded_and_root_and_parents_are_kept():
    references = tuple(f"{number}@x" for number in range(100_000))
    started = time.thread_time()
    found = threads.keys(mail("m@x", references=references))
    assert time.thread_time() - started < 4
    assert len(found) == threads.LAST_REFERENCES + threads.FIRST_REFERENCES
    assert found[0] == threads.key("99999@x")
    assert found[-1] == threads.key("0@x")


def test_a_mail_with_no_id_gets_the_same_key_from_every_folder():
    one = mail(text="Hello")
    other = dataclasses.replace(one, headers=(("Received", "from elsewhere"), *one.headers))
    assert threads.own_key(one) == threads.own_key(other)
    assert threads.own_key(one) != threads.own_key(mail(text="Hello again"))
    assert len(threads.own_key(one)) == 32


# --- groups -----------------------------------------------------------------------------------------------------


def test_an_answer_joins_the_mail_that_it_answers():
    assert threads.group([mail("a@x"), mail("b@x"), mail("c@x", to="a@x")]) == [1, 2, 1]


def test_answers_to_a_mail_that_nobody_has_seen_belong_together():
    assert threads.group([mail("b@x", to="a@x"), mail("z@x"), mail("c@x", references=("a@x",))]) == [1, 2, 1]


def test_a_parent_that_arrives_after_its_answers_joins_them():
    assert threads.group([mail("c@x", references=("a@x", "b@x")), mail("b@x", to="a@x"), mail("a@x")]) == [1, 1, 1]


def test_the_same_subject_alone_joins_nothing():
    assert threads.group([mail("a@x"), mail("b@x", subject="Re: Order")]) == [1, 2]


def test_a_copy_of_a_mail_joins_it_but_a_reused_id_does_not():
    first = mail("a@x")
    reused = dataclasses.replace(first, date=NOW + timedelta(days=1), text="another")
    assert threads.group([first, first, reused]) == [1, 1, 2]


def test_rings_of_references_end():
    ring = [mail("a@x", to="b@x"), mail("b@x", to="c@x"), mail("c@x", to="a@x"), mail("d@x", to="d@x")]
    assert threads.group(ring) == [1, 1, 1, 2]


def test_a_conversation_of_five_thousand_mails_is_grouped_in_a_moment():
    chain = [
        mail(f"{n}@x", to=f"{n - 1}@x", references=tuple(f"{m}@x" for m in range(max(0, n - 20), n)))
        for n in range(5_000)
    ]
    started = time.thread_time()
    assert set(threads.group(chain)) == {1}
    assert time.thread_time() - started < 4


@given(st.lists(st.tuples(st.integers(0, 9), st.lists(st.integers(0, 9), max_size=4)), max_size=12))
def test_every_mail_gets_one_number_and_numbers_count_up(shape):
    mails = [mail(f"{own}@x", references=tuple(f"{one}@x" for one in named)) for own, named in shape]
    numbers = threads.group(mails)
    assert len(numbers) == len(mails)
    assert sorted(set(numbers)) == list(range(1, len(set(numbers)) + 1))


# --- subjects ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("subject", "base"),
    [
        ("Order 12", "Order 12"),
        ("Re: Order 12", "Order 12"),
        ("RE: Fwd: AW: SV: Re[2]: Re(3): Order 12", "Order 12"),
        ("返信: 転送: ご注文", "ご注文"),
        ("Re：ご注文", "ご注文"),
        ("回复: 答复：订单", "订单"),
        ("[shop] Re: [ext] Order 12", "Order 12"),
        ("WG: TR: RV: Antw: Order", "Order"),
        ("Order 12 (fwd)", "Order 12"),
        ("  Order \t 12 ", "Order 12"),
        ("Regarding order", "Regarding order"),
        ("Reply: x", "Reply: x"),
        ("[shop]", "[shop]"),
        ("Re:", ""),
        ("", ""),
    ],
)
def test_prefixes_are_taken_from_a_subject(subject, base):
    assert threads.base_subject(subject) == base


@pytest.mark.parametrize("unit", ["Re: ", "[tag] ", "返信: ", " ", "(fwd) ", "[", "Re"])
def test_a_hundred_thousand_prefixes_are_fast(unit):
    started = time.thread_time()
    threads.base_subject(unit * 100_000 + "x")
    assert time.thread_time() - started < 4


def candidate(number, *, subject="Order 12", is_open=True, days=1):
    return threads.Candidate(number, subject, is_open, NOW - timedelta(days=days))


def test_the_open_conversation_with_the_same_subject_is_suggested_before_later_closed_ones():
    candidates = [
        candidate(1, is_open=False, days=1),
        candidate(2, days=20),
        candidate(3, days=40),
        candidate(4, subject="Order 13"),
    ]
    assert threads.suggest("Re: order 12", candidates, now=NOW) == 2


@pytest.mark.parametrize(
    ("subject", "one"),
    [
        ("Order 13", candidate(1)),
        ("Re:", candidate(1, subject="Re:")),
        ("Order 12", candidate(1, is_open=False, days=31)),
        ("Order 12", candidate(1, days=181)),
    ],
)
def test_nothing_is_suggested_on_weak_grounds(subject, one):
    assert threads.suggest(subject, [one], now=NOW) is None


# --- our own ids ------------------------------------------------------------------------------------------------


@given(
    st.integers(0, 2**63),
    st.text(min_size=1, max_size=60),
    st.sampled_from(["shop.example", "窓口.example", "x." * 100 + "example"]),
)
def test_our_own_ids_are_short_safe_and_tell_their_conversation(conversation_id, token, domain):
    made = threads.new_message_id(SECRET, conversation_id, token, domain)
    assert made.startswith("<")
    assert made.endswith("example>")
    assert len(made) <= threads.OWN_ID_LIMIT
    assert made.isascii()
    assert threads.read_own_id(SECRET, made) == conversation_id
    assert threads.read_own_id(SECRET, made.strip("<>").replace("@", "@\r\n ")) == conversation_id


def test_an_id_that_was_changed_or_signed_by_others_is_not_ours():
    made = threads.new_message_id(SECRET, 7, "a1", "shop.example")
    assert threads.read_own_id(SECRET, made.replace("m.7.", "m.8.")) is None
    assert threads.read_own_id(SECRET, made.replace(".a1.", ".a2.")) is None
    assert threads.read_own_id(b"another secret of some length....", made) is None
    assert threads.read_own_id(SECRET, "<m.7.a1@shop.example>") is None
    assert threads.read_own_id(SECRET, "x" * 100_000) is None
    assert threads.read_own_id(SECRET, "") is None


def test_a_gateway_may_change_the_domain():
    made = threads.new_message_id(SECRET, 7, "a1", "shop.example")
    assert threads.read_own_id(SECRET, made.replace("shop.example", "gw.example")) == 7


@pytest.mark.parametrize(
    ("conversation_id", "token", "domain"), [(-1, "a", "b"), (1, "", "b"), (1, "a", "."), (1, "a", "")]
)
def test_an_id_needs_a_conversation_a_token_and_a_domain(conversation_id, token, domain):
    with pytest.raises(ValueError):
        threads.new_message_id(SECRET, conversation_id, token, domain)
