"""What every mail that leaves us must be like (RFC 5322, 2045, 2047); used by all tests that see one."""

from __future__ import annotations

import re
from email import policy
from email.parser import BytesParser
from email.utils import getaddresses, parsedate_to_datetime

ONCE = (
    "date",
    "from",
    "to",
    "cc",
    "bcc",
    "reply-to",
    "sender",
    "subject",
    "message-id",
    "in-reply-to",
    "references",
    "mime-version",
)
MESSAGE_ID = re.compile(r"<[^<>\s@]+@[^<>\s@]+>")


def lint(raw: bytes) -> None:
    """Raises AssertionError naming the rule that is broken."""
    assert raw.count(b"\n") == raw.count(b"\r") == raw.count(b"\r\n"), "only CRLF ends lines"
    assert b"\0" not in raw, "no NUL"
    assert max(map(len, raw.split(b"\r\n"))) <= 998, "lines of at most 998 octets"
    head, _, body = raw.partition(b"\r\n\r\n")
    for line in head.split(b"\r\n"):
        assert line.isascii(), f"headers are ASCII: {line!r}"
        assert line.strip(), "no empty folded line"
        assert re.match(rb"[!-9;-~]+: ?|[ \t]", line), f"a field or its continuation: {line!r}"
    mail = BytesParser(policy=policy.compat32).parsebytes(raw)
    assert not mail.defects, mail.defects
    names = [name.lower() for name, _ in mail.items()]
    for name in ONCE:
        assert names.count(name) <= 1, f"{name} stands once"
    assert "bcc" not in names, "blind copies stay blind"
    assert MESSAGE_ID.fullmatch(mail["Message-ID"]), "a Message-ID"
    assert parsedate_to_datetime(mail["Date"]).tzinfo is not None, "Date with a zone"
    assert mail["MIME-Version"] == "1.0"
    assert len(getaddresses([mail["From"]])) == 1, "one author"
    for token in re.findall(r"\S+", mail.get("References", "")) + re.findall(r"\S+", mail.get("In-Reply-To", "")):
        assert MESSAGE_ID.fullmatch(token), f"a Message-ID: {token}"
    types = {part.get_content_type() for part in mail.walk()}
    assert "text/plain" in types, "a text part"
    for part in mail.walk():
        assert not part.defects, part.defects
        if part.get_content_type() == "multipart/alternative":
            inside = [one.get_content_type() for one in part.get_payload()]
            assert inside[0] == "text/plain", "the plainest first"
    assert body.endswith(b"\r\n"), "ends with a line end"
