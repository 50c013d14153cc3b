"""pymap's mailboxes in memory, kept on disk as one .eml file a mail: a restart changes neither UID nor UIDVALIDITY."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from pymap.backend.dict.mailbox import MailboxData, MailboxSet, Message
from pymap.mime import MessageBody, MessageContent, MessageHeader
from pymap.parsing.message import AppendMessage
from pymap.parsing.specials import ObjectId
from pymap.parsing.specials.flag import Flag

FIRST_UID = 1


class KeptMailbox(MailboxData):
    """A folder whose mails stand in `folder` as UID.eml, their arrival as the file's time. Flags are not kept."""

    def __init__(self, folder: Path, mailbox_set: KeptMailboxes) -> None:
        super().__init__(mailbox_set._content_cache, mailbox_set._thread_cache)
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._uid_validity = _kept_number(folder / "uidvalidity", self._uid_validity)
        self._max_uid = FIRST_UID - 1

    async def load(self) -> None:
        """Reads what was kept, each mail under its old UID."""
        for path in sorted(self._folder.glob("*.eml"), key=lambda path: int(path.stem)):
            self._max_uid = int(path.stem) - 1
            arrived = datetime.fromtimestamp(path.stat().st_mtime, UTC)
            await self._add(path.read_bytes(), arrived, frozenset())
        self._max_uid = max(self._max_uid, _kept_number(self._folder / "last_uid", 0))

    async def append(self, append_msg: AppendMessage, *, recent: bool = False) -> Message:
        arrived = append_msg.when or datetime.now(UTC)
        return await self._add(bytes(append_msg.literal), arrived, append_msg.flag_set, recent=recent, fresh=True)

    async def _add(
        self, raw: bytes, arrived: datetime, flags: frozenset[Flag], *, recent: bool = False, fresh: bool = False
    ) -> Message:
        """As MailboxData.append; on disk before anybody can see it, and whatever the bytes are."""
        content = _content(raw)
        async with self.messages_lock.write_lock():
            uid = self._max_uid + 1
            if fresh:
                keep(self._folder, uid, raw, arrived)
            self._max_uid = uid
            self._messages[uid] = message = Message(
                uid,
                arrived,
                flags,
                email_id=self._content_cache.add(content),
                thread_id=ObjectId.random_thread_id(),
                recent=recent,
                content=content,
            )
            self._mod_sequences.update([uid])
            self._updated.set()
        return message

    async def copy(self, uid: int, destination: MailboxData, *, recent: bool = False) -> int | None:
        copied = await super().copy(uid, destination, recent=recent)
        if copied is not None and isinstance(destination, KeptMailbox):
            self._copy_file(uid, destination, copied)
        return copied

    async def move(self, uid: int, destination: MailboxData, *, recent: bool = False) -> int | None:
        moved = await super().move(uid, destination, recent=recent)
        if moved is not None and isinstance(destination, KeptMailbox):
            self._copy_file(uid, destination, moved)
            self._forget([uid])
        return moved

    async def delete(self, uids: Iterable[int]) -> None:
        gone = list(uids)
        await super().delete(gone)
        self._forget(gone)

    def _copy_file(self, uid: int, destination: KeptMailbox, new_uid: int) -> None:
        source = self._folder / f"{uid}.eml"
        keep(destination._folder, new_uid, source.read_bytes(), datetime.fromtimestamp(source.stat().st_mtime, UTC))

    def _forget(self, uids: list[int]) -> None:
        (self._folder / "last_uid").write_text(str(self._max_uid))  # a UID is never used twice
        for uid in uids:
            (self._folder / f"{uid}.eml").unlink(missing_ok=True)


class KeptMailboxes(MailboxSet):
    """All folders of one user under `home`; sub-folders of IMAP are folders with %2F in their name."""

    def __init__(self, home: Path) -> None:
        super().__init__()
        self._home = home
        self._inbox = KeptMailbox(home / "INBOX", self)

    @classmethod
    async def load(cls, home: Path, *, folders: Iterable[str] = ()) -> KeptMailboxes:
        """The user's folders as they were kept; INBOX and `folders` exist in any case."""
        home.mkdir(parents=True, exist_ok=True)
        kept = {path.name.replace("%2F", "/") for path in home.iterdir() if path.is_dir()}
        loaded = cls(home)
        for name in sorted((kept | set(folders)) - {"INBOX"}):
            loaded._set[name] = KeptMailbox(loaded._place(name), loaded)
        for mailbox in (loaded._inbox, *loaded._set.values()):
            assert isinstance(mailbox, KeptMailbox)
            await mailbox.load()
        return loaded

    async def add_mailbox(self, name: str) -> ObjectId:
        if name in self._set:
            raise ValueError(name)
        self._set[name] = mailbox = KeptMailbox(self._place(name), self)
        return mailbox.mailbox_id

    async def delete_mailbox(self, name: str) -> None:
        await super().delete_mailbox(name)
        for path in self._place(name).glob("*"):
            path.unlink()
        self._place(name).rmdir()

    def _place(self, name: str) -> Path:
        return self._home / name.replace("/", "%2F").replace("..", "%2E%2E")


def keep(folder: Path, uid: int, raw: bytes, arrived: datetime) -> None:
    """Writes one mail so that it stands there whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    fresh = folder / f"{uid}.new"
    fresh.write_bytes(raw)
    os.utime(fresh, (arrived.timestamp(), arrived.timestamp()))
    fresh.replace(folder / f"{uid}.eml")


def _content(raw: bytes) -> MessageContent:
    """pymap's view of a mail; one flat text where its parser gives up (it has no bound on depth)."""
    try:
        return MessageContent.parse(raw)
    except Exception:  # noqa: BLE001 - whatever the standard library's header parser raises on hostile bytes
        head, body = MessageContent._split_lines(raw, MessageContent._find_lines(raw))
        header = MessageHeader._parse(raw, memoryview(raw), head)
        return MessageContent(raw, header, MessageBody(raw, body, MessageBody._parse_content_type("text/plain"), []))


def _kept_number(path: Path, fresh: int) -> int:
    """The number in the file; without a file `fresh`, which is then kept (0 is not)."""
    try:
        return int(path.read_text())
    except FileNotFoundError:
        if fresh:
            path.write_text(str(fresh))
        return fresh
