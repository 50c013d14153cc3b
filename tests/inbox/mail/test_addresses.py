"""Address fields are read as people mean them, and never as an attacker wants them read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbox.mail.addresses import addresses
from inbox.mail.limits import TooComplex


def pairs(text: str, *, senders: bool = False):
    return [(one.name, one.address) for one in addresses(text, senders=senders)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hanako@customer.example", [("", "hanako@customer.example")]),
        ("Hanako Sato <hanako@customer.example>", [("Hanako Sato", "hanako@customer.example")]),
        ('"Sato, Hanako" <h@c.example>, x@y.example', [("Sato, Hanako", "h@c.example"), ("", "x@y.example")]),
        ("Sato, Hanako <h@c.example>", [("Sato, Hanako", "h@c.example")]),
        ("h@c.example (Hanako)", [("Hanako", "h@c.example")]),
        ("Hanako h@c.example", [("Hanako", "h@c.example")]),
        ("Hanako <h@c.example", [("Hanako", "h@c.example")]),
        ("=?utf-8?B?5L2Q6Jek?= <h@c.example>", [("佐藤", "h@c.example")]),
        ('"=?utf-8?B?5L2Q6Jek?=" <h@c.example>', [("佐藤", "h@c.example")]),
        ("=?utf-8?Q?Sato, Hanako?= <h@c.example>", [("Sato, Hanako", "h@c.example")]),
        ("佐藤 花子 <hanako@例え.example>", [("佐藤 花子", "hanako@例え.example")]),
        ("'h@c.example' <h@c.example>", [("h@c.example", "h@c.example")]),
        ('Team: a@b.example, "D" <d@e.example>;, f@g.example',
         [("", "a@b.example"), ("D", "d@e.example"), ("", "f@g.example")]),
        ("undisclosed-recipients:;", []),
        ("<@relay.example,@x.example:joe@z.example>", [("", "joe@z.example")]),
        ('":sysmail"@  Some-Group. Some-Org', [("", '":sysmail"@Some-Group.Some-Org')]),
        ("Muhammed.(I am  the greatest) Ali @(the)Vegas.WBA", [("I am the greatest the", "Muhammed.Ali@Vegas.WBA")]),
        ("Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>", [("Pete", "pete@silly.test")]),
        ("a@b.example; d@e.example", [("", "a@b.example"), ("", "d@e.example")]),
        (", a@b.example,,", [("", "a@b.example")]),
        ("moderator", [("", "moderator")]),
        ("joe@[192.0.2.1]", [("", "joe@[192.0.2.1]")]),
        ("<mailto:a@b.example>", [("", "a@b.example")]),
        ("<<<a@b.example>>>", [("", "a@b.example")]),
        ("'a@b.example'", [("", "a@b.example")]),
        ("Hanako h@c.example>", [("Hanako", "h@c.example")]),
        ("(Hanako) <h@c.example>", [("Hanako", "h@c.example")]),
        ("[External] <h@c.example>", [("[External]", "h@c.example")]),
        ("", []),
    ],
)  # fmt: skip
def test_what_people_write_is_understood(text, expected):
    assert pairs(text) == expected


@pytest.mark.parametrize("address", ["a..b@docomo.ne.jp", ".a@docomo.ne.jp", "a.@ezweb.ne.jp", "a...@docomo.ne.jp"])
@pytest.mark.parametrize("form", ["{}", "<{}>", "Taro <{}>", "x@y.example, {}"])
def test_carriers_dotted_addresses_are_kept_as_written(address, form):
    assert pairs(form.format(address))[-1][1] == address


ALICE, BOB = "alice@example.org", "bob@example.com"


@pytest.mark.parametrize("sign", [*'()<>[]@;:."', " ", "\u2028", "\\"])
def test_a_sender_before_the_angle_brackets_is_only_a_name(sign):
    """The class of CVE-2023-27043: the address in front must not be taken for the sender."""
    found = pairs(f"{ALICE}{sign}<{BOB}>", senders=True)
    assert ALICE not in [address for _, address in found]
    assert [address for _, address in found if address] in ([BOB], [])


@pytest.mark.parametrize(
    "text",
    [
        f"{ALICE})bob@evil.example",
        f"{ALICE}@evil.example",
        f"<{ALICE}@evil.example>",
        f"{ALICE} bob@evil.example",
        "a\u200blice@example.org",
        "alice@exam\u202eple.org",
        "ali\x00ce@example.org",
        "alice@exa mple.org",
        "=?utf-8?B?YWxpY2VAZXhhbXBsZS5vcmc=?=",
    ],
)
def test_text_that_can_be_read_as_two_addresses_or_hides_something_is_none(text):
    assert all(address == "" for _, address in pairs(text, senders=True))


def test_an_encoded_word_never_becomes_an_address():
    assert pairs("=?utf-8?q?evil=40x=2Ecom?= <a@b.example>") == [("evil@x.com", "a@b.example")]
    assert pairs("=?utf-8?q?=40attacker.com?=@microsoft.com") == [("", "=?utf-8?q?=40attacker.com?=@microsoft.com")]
    encoded = "=?utf-8?B?IlJ5ZGVsIiA8UnlkZWxrYWxvdEAxN2d1YWd1YS5jb20+?=, andris@tr.ee"
    assert [address for _, address in pairs(encoded)] == ["", "andris@tr.ee"]


def test_quoted_local_parts_stay_one_address():
    assert pairs('"foo@evil.example x"@example.com') == [("", '"foo@evil.example x"@example.com')]
    assert pairs('""example" example"@example.com') == [("", '"example example"@example.com')]
    assert pairs("merwok  wok  @example.com") == [("", '"merwok wok"@example.com')]
    assert pairs("merwok. wok .  wok@example.com") == [("", "merwok.wok.wok@example.com")]


def test_two_brackets_are_two_recipients_but_one_sender():
    assert pairs("A <a@x.example> B <b@y.example>") == [("A", "a@x.example"), ("B", "b@y.example")]
    assert [a for _, a in pairs("<support@shop.example> <evil@x.example>", senders=True)] == ["evil@x.example"]


def test_too_many_addresses_are_refused():
    with pytest.raises(TooComplex):
        addresses(", ".join(f"u{n}@x.example" for n in range(2001)))
    assert len(addresses(", ".join(f"u{n}@x.example" for n in range(2000)))) == 2000


@given(st.text(alphabet=st.sampled_from('ab@.<>()[]",;:\\ =?\t\u200b\x00é'), max_size=60), st.booleans())
def test_no_text_raises_and_no_address_holds_a_control_or_a_second_reading(text, senders):
    for one in addresses(text, senders=senders):
        assert not any(ord(ch) < 32 or ch == "\x7f" for ch in one.name + one.address)
        if one.address and not one.address.startswith('"'):
            assert one.address.count("@") <= 1
            assert not set(one.address) & set("<>(),;")
