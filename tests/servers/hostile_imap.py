"""A scripted IMAP server that answers what it should not; everything that the script does not name is answered as
usual.

`HostileImap(mails, on_fetch=...)`: the hook gets the tag, the UIDs and the items asked for and returns the bytes to
send, or None for the usual answer. `hang=True` accepts connections and says nothing.
"""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

PAUSE = 0.1  # seconds between two pieces of one line

Hook = Callable[["Talk", str, list[int], str], bytes | None]


class Talk:
    """One connection, as a hook sees it."""

    def __init__(self, server: HostileImap, connection: socket.socket) -> None:
        self.server = server
        self.connection = connection

    def usual(self, uids: list[int], items: str) -> bytes:
        """The honest answer to a FETCH, without its tagged line."""
        out = []
        for uid in uids:
            raw = self.server.mails.get(uid)
            if raw is None:
                continue
            sequence = sorted(self.server.mails).index(uid) + 1
            told = f'UID {uid} INTERNALDATE "20-Nov-2026 03:00:00 +0000" RFC822.SIZE {len(raw)}'
            if "BODY.PEEK[HEADER]" in items:
                head = raw.split(b"\r\n\r\n", 1)[0] + b"\r\n\r\n"
                out.append(f"* {sequence} FETCH (UID {uid} BODY[HEADER] {{{len(head)}}}\r\n".encode() + head + b")\r\n")
            elif "BODY.PEEK[]" in items:
                out.append(f"* {sequence} FETCH (UID {uid} BODY[] {{{len(raw)}}}\r\n".encode() + raw + b")\r\n")
            else:
                out.append(f"* {sequence} FETCH ({told})\r\n".encode())
        return b"".join(out)


class HostileImap:
    """A threaded server on 127.0.0.1; `commands` collects what clients said, without passwords."""

    def __init__(
        self,
        mails: dict[int, bytes] | None = None,
        *,
        on_fetch: Hook | None = None,
        answers: dict[str, bytes] | None = None,
        greeting: bytes = b"* OK [CAPABILITY IMAP4rev1 IDLE] ready\r\n",
        idle: Sequence[bytes] = (b"+ idling\r\n",),
        hang: bool = False,
    ) -> None:
        self.mails = dict(mails or {})
        self.on_fetch = on_fetch
        self.answers = answers or {}
        self.greeting = greeting
        self.idle = idle  # pieces, sent with a pause in between
        self.hang = hang
        self.uidvalidity = 7
        self.commands: list[str] = []
        self.logins = 0
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        for one in (self._listening, *self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _peer = self._listening.accept()
            except OSError:
                return
            self._open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        if self.hang:
            return
        with suppress(OSError, ValueError):
            reader = connection.makefile("rb")
            connection.sendall(self.greeting)
            talk, idling = Talk(self, connection), ""
            while line := reader.readline():
                tag, _, command = line.decode("latin-1").strip().partition(" ")
                self.commands.append(re.sub(r"(?i)^login .*", "LOGIN", command))
                if tag == "DONE":
                    connection.sendall(f"{idling} OK idle ends\r\n".encode())
                    continue
                if command.upper().startswith("IDLE"):
                    idling = tag
                    for piece in self.idle:
                        connection.sendall(piece)
                        time.sleep(PAUSE)
                    continue
                connection.sendall(self._answer(talk, tag, command))
                if command.upper().startswith("LOGOUT"):
                    break
        connection.close()

    def _answer(self, talk: Talk, tag: str, command: str) -> bytes:
        upper = command.upper()
        scripted = next((raw for start, raw in self.answers.items() if upper.startswith(start)), None)
        if scripted is not None:
            return scripted.replace(b"TAG", tag.encode())
        ok = f"{tag} OK done\r\n".encode()
        if upper.startswith("CAPABILITY"):
            return b"* CAPABILITY IMAP4rev1 IDLE\r\n" + ok
        if upper.startswith("LOGIN"):
            self.logins += 1
            return ok
        if upper.startswith("LIST"):
            return b'* LIST () "/" INBOX\r\n' + ok
        if upper.startswith("EXAMINE"):
            return f"* {len(self.mails)} EXISTS\r\n* OK [UIDVALIDITY {self.uidvalidity}] x\r\n".encode() + ok
        if upper.startswith("UID SEARCH"):
            return b"* SEARCH " + " ".join(map(str, sorted(self._sought(upper)))).encode() + b"\r\n" + ok
        if upper.startswith("UID FETCH"):
            match = re.match(r"UID FETCH (\S+) (.*)", upper)
            assert match is not None
            uids, items = _uids(match.group(1)), match.group(2)
            hooked = self.on_fetch(talk, tag, uids, items) if self.on_fetch else None
            return talk.usual(uids, items) + ok if hooked is None else hooked
        if upper.startswith("LOGOUT"):
            return b"* BYE\r\n" + ok
        return ok

    def _sought(self, upper: str) -> set[int]:
        ranged = re.search(r"UID (\d+):\*", upper.removeprefix("UID SEARCH "))
        if ranged:
            first = int(ranged.group(1))
            return {uid for uid in self.mails if uid >= first} | ({max(self.mails)} if self.mails else set())
        listed = re.search(r"UID ([\d,]+)", upper.removeprefix("UID SEARCH "))
        return set(_uids(listed.group(1))) & set(self.mails) if listed else set(self.mails)


def _uids(text: str) -> list[int]:
    return [int(one) for one in text.split(",")]
