"""What our own people type as recipients."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inbox.mail.address_check import WrongAddress, check_recipient, split_typed
from inbox.mail.facts import Address


@pytest.mark.parametrize(
    ("typed", "checked"),
    [
        ("a..b@docomo.ne.jp", "a..b@docomo.ne.jp"),
        (".a.@ezweb.ne.jp", ".a.@ezweb.ne.jp"),
        (" Jane@Example.TEST ", "Jane@example.test"),
        ("ｔａｒｏ＠ｅｘａｍｐｌｅ．ｔｅｓｔ", "taro@example.test"),
        ("mailto:a@example.test", "a@example.test"),
        ("\u200ba@example.test\ufeff", "a@example.test"),
        ("a@日本語.test", "a@xn--wgv71a119e.test"),
        ("a@example.test.", "a@example.test"),
        ('"john doe"@example.test', '"john doe"@example.test'),
        ("太郎@example.test", "太郎@example.test"),
        ("a/b=c+d@example.test", "a/b=c+d@example.test"),
    ],
)
def test_addresses_are_mended_and_kept(typed: str, checked: str) -> None:
    assert check_recipient(typed) == checked


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        ("", "empty"),
        ("jane", "no_at"),
        ("a b@example.test", "space"),
        ("a@example", "domain"),
        ("a@", "domain"),
        ("@example.test", "local"),
        ("a@-x.test", "domain"),
        ("a@x..test", "domain"),
        ("a@127.0.0.1", "domain"),
        ("a@example.test\r\nBcc: b@example.test", "control"),
        ("a\u2028@example.test", "control"),
        ("a\0@example.test", "control"),
        ("a<b@example.test", "local"),
        ("a,b@example.test", "local"),
        ("a" * 65 + "@example.test", "too_long"),
        ("a@" + "b" * 64 + ".test", "domain"),
        ("a@b@example.test", "local"),
    ],
)
def test_addresses_that_no_mail_can_reach_are_refused_with_a_reason(typed: str, reason: str) -> None:
    with pytest.raises(WrongAddress) as refused:
        check_recipient(typed)
    assert refused.value.reason == reason


def test_a_field_of_recipients_is_read_as_people_type_it() -> None:
    assert split_typed('Name <a@b.test>, c@d.test; e@f.test、"Doe, Jane" <g@h.test>\n山田 太郎＜i@j.test＞，') == [
        Address("Name", "a@b.test"),
        Address("", "c@d.test"),
        Address("", "e@f.test"),
        Address("Doe, Jane", "g@h.test"),
        Address("山田 太郎", "i@j.test"),
    ]
    assert split_typed(" , ;") == []
    assert split_typed('O"Neil <a@b.test>, c@d.test') == [Address('O"Neil', "a@b.test"), Address("", "c@d.test")]


@settings(max_examples=500, deadline=None)
@given(st.text(max_size=80))
def test_whatever_is_typed_is_either_read_or_refused(text: str) -> None:
    try:
        found = split_typed(text)
    except WrongAddress:
        return
    for address in found:
        assert "@" in address.address
        assert not any(char in address.address for char in "\r\n\0<>\u2028")
        assert check_recipient(address.address) == address.address
