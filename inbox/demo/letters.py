"""Writes a demo mail as the mail programs of real customers do: charsets, quoting habits, HTML, carriers' phones."""

from __future__ import annotations

import base64
import email.quoprimime
import email.utils
import html
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from inbox.demo.attachments import File

WEEKDAYS_JA = "月火水木金土日"


class Program(StrEnum):
    """What the sender writes with."""

    THUNDERBIRD = "thunderbird"  # plain text, UTF-8
    BECKY = "becky"  # plain text, ISO-2022-JP
    OLD = "old"  # plain text, Shift_JIS, eight bit
    GMAIL = "gmail"  # text and HTML, quoted in a blockquote
    OUTLOOK = "outlook"  # text and HTML, quoted under a block of headers
    IPHONE = "iphone"  # plain text, "Sent from my iPhone"
    CARRIER = "carrier"  # a phone's own mail address: short, ISO-2022-JP, no quote


@dataclass(frozen=True)
class Letter:
    """One mail before it is bytes. `date` is aware and in the sender's own zone."""

    sender: tuple[str, str]  # name, address
    to: tuple[str, str]
    subject: str
    text: str
    date: datetime
    message_id: str
    program: Program
    japanese: bool
    answers: Letter | None = None
    cc: tuple[tuple[str, str], ...] = ()
    files: tuple[File, ...] = field(default=())

    @property
    def references(self) -> tuple[str, ...]:
        return (*self.answers.references, self.answers.message_id) if self.answers else ()


def raw(letter: Letter) -> bytes:
    """The mail's bytes, with CRLF."""
    charset = _charset(letter)
    headers = [
        f"Date: {email.utils.format_datetime(letter.date)}",
        f"From: {address(letter.sender, charset)}",
        f"To: {address(letter.to, charset)}",
    ]
    if letter.cc:
        headers.append("Cc: " + ", ".join(address(one, charset) for one in letter.cc))
    headers += [f"Subject: {words(letter.subject, charset)}", f"Message-ID: {letter.message_id}"]
    if letter.answers:
        headers += [f"In-Reply-To: {letter.answers.message_id}", "References: " + "\r\n ".join(letter.references)]
    headers += [*_MAILERS.get(letter.program, ()), "MIME-Version: 1.0"]
    return "\r\n".join(headers).encode("ascii") + b"\r\n" + _body(letter, charset)


_MAILERS = {
    Program.BECKY: ("X-Mailer: Becky! ver. 2.75 [ja]",),
    Program.OUTLOOK: ("X-Mailer: Microsoft Outlook 16.0", "Thread-Index: AdsTQ2hpbmF0YWNvZmZlZXN1cHBseQ=="),
    Program.IPHONE: ("X-Mailer: iPhone Mail (22A3354)",),
    Program.OLD: ("X-Mailer: Microsoft Outlook Express 6.00.2900.5512", "X-Priority: 3"),
}


def _charset(letter: Letter) -> str:
    """What the program would choose; UTF-8 where it cannot write the words."""
    wanted = {Program.BECKY: "ISO-2022-JP", Program.CARRIER: "ISO-2022-JP", Program.OLD: "Shift_JIS"}.get(
        letter.program
    )
    if wanted is None or not letter.japanese:
        return "UTF-8"
    try:
        (letter.subject + full_text(letter) + letter.sender[0] + letter.to[0]).encode(_codec(wanted))
    except UnicodeEncodeError:
        return "UTF-8"
    return wanted


def _codec(charset: str) -> str:
    return {"Shift_JIS": "cp932"}.get(charset, charset)  # Windows writes its own characters under that label


# -- headers


def words(text: str, charset: str) -> str:
    """A header's text as encoded words (RFC 2047), folded; plain ASCII stays as it is."""
    if text.isascii():
        return text
    chunks = [text[start : start + 12] for start in range(0, len(text), 12)]
    return "\r\n ".join(
        f"=?{charset}?B?{base64.b64encode(chunk.encode(_codec(charset))).decode()}?=" for chunk in chunks
    )


def address(who: tuple[str, str], charset: str) -> str:
    name, addr = who
    if not name:
        return addr
    if name.isascii():
        return f'"{name}" <{addr}>' if any(c in name for c in '.,&()"@') else f"{name} <{addr}>"
    return f"{words(name, charset)}\r\n <{addr}>"


# -- bodies


def _body(letter: Letter, charset: str) -> bytes:
    if letter.program in (Program.GMAIL, Program.OUTLOOK):
        shown = multipart(
            "alternative",
            [text_part("plain", full_text(letter), charset), text_part("html", full_html(letter), charset)],
            letter.message_id,
        )
    else:
        shown = text_part("plain", full_text(letter), charset)
    if not letter.files:
        return shown
    return multipart("mixed", [shown, *(file_part(file, charset) for file in letter.files)], letter.message_id)


def text_part(subtype: str, text: str, charset: str) -> bytes:
    text = text.replace("\r\n", "\n")
    if charset == "ISO-2022-JP":
        encoding, body = "7bit", text.replace("\n", "\r\n").encode(charset)
    elif charset == "Shift_JIS":
        encoding, body = "8bit", text.replace("\n", "\r\n").encode("cp932")
    elif sum(not c.isascii() for c in text) > len(text) // 10:
        encoding, body = "base64", base64.encodebytes(text.replace("\n", "\r\n").encode()).replace(b"\n", b"\r\n")
    else:
        latin = text.encode().decode("latin-1")
        encoding, body = "quoted-printable", email.quoprimime.body_encode(latin, eol="\r\n").encode("ascii")
    head = f"Content-Type: text/{subtype}; charset={charset}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n"
    return head.encode() + body + (b"" if body.endswith(b"\r\n") else b"\r\n")


def file_part(file: File, charset: str, *, content_id: str = "") -> bytes:
    if file.name.isascii():
        names = f'name="{file.name}"', f'filename="{file.name}"'
    else:  # RFC 2047 in the one and RFC 2231 in the other, as most programs do
        plain = words(file.name, charset).replace("\r\n ", " ")
        names = f'name="{plain}"', "filename*=" + email.utils.encode_rfc2231(file.name, "utf-8", "")
    disposition = "inline" if content_id else "attachment"
    head = [
        f"Content-Type: {file.content_type};\r\n {names[0]}",
        f"Content-Disposition: {disposition};\r\n {names[1]}",
        "Content-Transfer-Encoding: base64",
        *([f"Content-ID: <{content_id}>"] if content_id else []),
    ]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + base64.encodebytes(file.data).replace(b"\n", b"\r\n")


def multipart(subtype: str, parts: list[bytes], seed: str, *, more: str = "") -> bytes:
    """`seed` makes the boundary the mail's own; `more` are further parameters of Content-Type."""
    boundary = f"=_{subtype[:3]}_{abs(hash_of(seed)):012x}"
    out = f'Content-Type: multipart/{subtype}; boundary="{boundary}"{more}\r\n\r\n'.encode()
    for part in parts:
        out += f"--{boundary}\r\n".encode() + part + b"\r\n"
    return out + f"--{boundary}--\r\n".encode()


def hash_of(text: str) -> int:
    """A number that is the same in every process, unlike hash()."""
    return int.from_bytes(text.encode()[-8:], "big") & 0xFFFFFFFFFFFF


# -- quoting


def full_text(letter: Letter) -> str:
    """New words, the phone's line, and the quoted mail below them."""
    parts = [letter.text]
    if letter.program is Program.IPHONE:
        parts.append("iPhoneから送信" if letter.japanese else "Sent from my iPhone")
    if letter.answers and letter.program is not Program.CARRIER:
        parts.append(_quoted_text(letter, letter.answers))
    return "\n\n".join(parts) + "\n"


def _quoted_text(letter: Letter, quoted: Letter) -> str:
    body = full_text(quoted).rstrip("\n")
    if letter.program is Program.OUTLOOK:
        return "\n".join([*_outlook_head(letter, quoted), "", body])
    marked = "\n".join(f"> {line}" if line else ">" for line in body.split("\n"))
    return f"{attribution(letter, quoted)}\n\n{marked}"


def attribution(letter: Letter, quoted: Letter) -> str:
    """The line over a quoted mail, as this program writes it."""
    name, addr = quoted.sender
    at = quoted.date.astimezone(letter.date.tzinfo)
    if not letter.japanese:
        if letter.program is Program.GMAIL:
            return f"On {at:%a}, {at.day} {at:%b %Y} at {at:%H:%M}, {name} <{addr}> wrote:"
        return f"On {at:%d/%m/%Y %H:%M}, {name} wrote:"
    if letter.program is Program.GMAIL:
        return f"{at.year}年{at.month}月{at.day}日({WEEKDAYS_JA[at.weekday()]}) {at:%H:%M} {name} <{addr}>:"
    if letter.program is Program.IPHONE:
        return f"{at:%Y/%m/%d} {at:%H:%M}、{name} <{addr}>のメール:"
    return f"{at:%Y/%m/%d %H:%M}、{name} さんは書きました:"


def _outlook_head(letter: Letter, quoted: Letter) -> list[str]:
    at = quoted.date.astimezone(letter.date.tzinfo)
    sender, to = f"{quoted.sender[0]} <{quoted.sender[1]}>", f"{quoted.to[0]} <{quoted.to[1]}>".strip()
    if letter.japanese:
        sent = f"{at.year}年{at.month}月{at.day}日 {at.hour}:{at:%M}"
        return [
            "-----Original Message-----",
            f"差出人: {sender}",
            f"送信日時: {sent}",
            f"宛先: {to}",
            f"件名: {quoted.subject}",
        ]
    sent = f"{at:%A}, {at.day} {at:%B %Y} {at:%H:%M}"
    return ["-----Original Message-----", f"From: {sender}", f"Sent: {sent}", f"To: {to}", f"Subject: {quoted.subject}"]


def full_html(letter: Letter) -> str:
    if letter.program is Program.OUTLOOK:
        return _outlook_html(letter)
    body = f'<div dir="ltr">{_lines(letter.text)}</div>'
    if letter.answers:
        body += (
            f'<br><div class="gmail_quote gmail_quote_container"><div dir="ltr" class="gmail_attr">'
            f"{html.escape(attribution(letter, letter.answers))}<br></div>"
            '<blockquote class="gmail_quote" style="margin:0px 0px 0px 0.8ex;border-left:1px solid rgb(204,204,204);padding-left:1ex">'
            f"{_lines(full_text(letter.answers))}</blockquote></div>"
        )
    return body + "\r\n"


def _outlook_html(letter: Letter) -> str:
    font = "游ゴシック" if letter.japanese else "Aptos"
    paragraphs = "".join(
        f'<p class="MsoNormal"><span style="font-family:{font}">{html.escape(line) or "<o:p>&nbsp;</o:p>"}</span></p>'
        for line in letter.text.split("\n")
    )
    if letter.answers:
        head = "<br>".join(
            f"<b>{html.escape(name)}:</b>{html.escape(value)}"
            for name, _, value in (line.partition(":") for line in _outlook_head(letter, letter.answers)[1:])
        )
        paragraphs += (
            '<div style="border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0mm 0mm 0mm">'
            f'<p class="MsoNormal">{head}</p></div><p class="MsoNormal">{_lines(full_text(letter.answers))}</p>'
        )
    return (
        '<html xmlns:o="urn:schemas-microsoft-com:office:office"><head><style>p.MsoNormal{margin:0mm;font-size:10.5pt}</style></head>'
        f'<body lang="{"JA" if letter.japanese else "EN-GB"}"><div class="WordSection1">{paragraphs}</div></body></html>\r\n'
    )


def _lines(text: str) -> str:
    return html.escape(text).replace("\n", "<br>\r\n")
