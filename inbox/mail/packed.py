"""Takes files out of files: winmail.dat and uuencoded files in plain text become attachments of the mail."""

from __future__ import annotations

import re
from dataclasses import replace

from inbox.mail import tnef, transfer
from inbox.mail.bodies import Choice
from inbox.mail.facts import Part
from inbox.mail.headers import one_line, to_text


def unpacked(choice: Choice) -> tuple[list[Part], list[str]]:
    """All attachments, those inside others instead of their wrapping, and warnings. Adds bodies found to `choice`."""
    warnings: list[str] = []
    _take_out_of_text(choice)
    attachments: list[Part] = []
    for part in choice.rest:
        if not _is_winmail(part):
            attachments.append(part)
        elif (mail := tnef.unpack(part.data)) is None:
            warnings.append("winmail.dat could not be read")
            attachments.append(part)
        else:
            attachments += _out_of_winmail(part, mail, choice)
    return attachments, warnings


def _is_winmail(part: Part) -> bool:
    named = (part.name or "").lower() == "winmail.dat"
    return named or part.content_type in ("application/ms-tnef", "application/vnd.ms-tnef")


def _out_of_winmail(part: Part, mail: tnef.Winmail, choice: Choice) -> list[Part]:
    if mail.text.strip() and not any(body.data.strip() for body in choice.plain):
        words = mail.text.encode("utf-8", "replace")
        choice.plain.append(_inner(part, "t", "text/plain", words, charset="utf-8"))
    if mail.html.strip() and not any(body.content_type == "text/html" for body in choice.html):
        choice.html.append(_inner(part, "h", "text/html", mail.html, charset=mail.html_charset))
    return [
        _inner(part, str(n), file.content_type, file.data, name=file.name, content_id=file.content_id)
        for n, file in enumerate(mail.files, start=1)
        if file.data or file.name
    ]


def _take_out_of_text(choice: Choice) -> None:
    """Uuencoded files leave the words that they stand in."""
    for place, part in enumerate(choice.plain):
        if part.content_type != "text/plain" or b"begin" not in part.data:
            continue
        files = transfer.uuencoded(part.data)
        if not files:
            continue
        kept, position = [], 0
        for n, file in enumerate(files, start=1):
            kept.append(part.data[position : file.start])
            position = file.end
            name = one_line(to_text(file.name))
            choice.rest.append(_inner(part, f"u{n}", "application/octet-stream", file.data, name=name))
        kept.append(part.data[position:])
        words = replace(part, data=b"".join(kept))
        choice.html = [words if other is part else other for other in choice.html]
        choice.plain[place] = words


_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+")


def _inner(
    outer: Part, step: str, content_type: str, data: bytes, *, name: str = "", content_id: str = "", charset: str = ""
) -> Part:
    return Part(
        path=f"{outer.path}.{step}",
        content_type=content_type if _TYPE.fullmatch(content_type) else "application/octet-stream",
        params={"charset": charset} if charset else {},
        disposition="attachment" if name else "",
        name=one_line(name) or None,
        content_id=content_id or None,
        headers=(),
        data=data,
    )
