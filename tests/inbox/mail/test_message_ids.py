"""Message ids survive folding, missing brackets and endless References."""

import pytest

from inbox.mail.message_ids import message_id, message_ids


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("<a@b> <c@d>", ("<a@b>", "<c@d>")),
        ("<a@b><c@d>", ("<a@b>", "<c@d>")),
        ("<a@b>, <invalid.   something@bar.net>", ("<a@b>", "<invalid.something@bar.net>")),
        ("<a@b> <a@b>", ("<a@b>",)),
        ("a@b", ("<a@b>",)),
        ("a@b c@d", ("<a@b>", "<c@d>")),
        ("nothing-but-a-word", ("<nothing-but-a-word>",)),
        ('Your message of "Tue, 1 Jan" <a@b>', ("<a@b>",)),
        ("Your message of Tuesday", ()),
        ("<>", ()),
        ("", ()),
    ],
)
def test_ids_are_found_in_order(text, ids):
    assert message_ids(text) == ids


def test_the_first_is_the_mails_own():
    assert message_id("<a@b> junk") == "<a@b>"
    assert message_id("") == ""


def test_of_endless_references_the_first_and_the_last_fifty_are_kept():
    found = message_ids(" ".join(f"<{n}@x>" for n in range(10_000)))
    assert found == ("<0@x>", *(f"<{n}@x>" for n in range(9_950, 10_000)))
