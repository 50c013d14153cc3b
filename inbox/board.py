"""The warning board: what is late, what is nearly due, what one has in hand, what nobody has; each from an index."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, bindparam, func, select, union
from sqlalchemy.orm import Session

from inbox import db, lists
from inbox.db import Utc
from inbox.lists import ListRow
from inbox.models import Claim, Conversation, Draft
from inbox.models.conversations import JOINED
from inbox.people import Viewer

SHOWN = 12  # rows of a section
MOST_COUNTED = 1_000  # beyond it a section says "more than"


@dataclass(frozen=True)
class Section:
    """A part of the board. `count` is at most MOST_COUNTED; `more` says that there are more."""

    name: str  # late, soon, mine, nobody
    count: int
    more: bool
    rows: tuple[ListRow, ...]


@dataclass(frozen=True)
class Board:
    sections: tuple[Section, ...]

    @property
    def is_clear(self) -> bool:
        return not any(section.count for section in self.sections)


def show(session: Session, who: Viewer, *, now: datetime) -> Board:
    """The board of what `who` may see, the most urgent first in each section."""
    given = {"mailboxes": who.mailbox_ids, "now": now, "me": who.id, "limit": SHOWN, "most": MOST_COUNTED + 1}
    found = {name: [row.id for row in db.rows(session, statement, given)] for name, statement in _ROWS.items()}
    (counts,) = db.rows(session, _COUNTS, given)
    nobody = lists.page(session, who, "unassigned", now=now, size=SHOWN, order="waiting")
    unowned = lists.counts(session, who)["unassigned"]
    sections = [
        Section(
            name,
            min(counts[number], MOST_COUNTED),
            counts[number] > MOST_COUNTED,
            lists.rows_of(session, who, found[name], now=now),
        )
        for number, name in enumerate(_ROWS)
    ]
    return Board((*sections, Section("nobody", unowned, False, nobody.rows)))


_SEEN = db.one_of(Conversation.mailbox_id, "mailboxes")
_NOW = bindparam("now", type_=Utc())
_HELD = union(
    select(Draft.conversation_id.label("id")).where(
        Draft.author_id == bindparam("me"), Draft.state == "open", Draft.touched, Draft.conversation_id.is_not(None)
    ),
    select(Claim.conversation_id).where(Claim.user_id == bindparam("me"), Claim.until > _NOW),
).subquery()
_WHERE: dict[str, tuple[ColumnElement[bool], ...]] = {
    "late": (_SEEN, Conversation.due_at <= _NOW),
    "soon": (_SEEN, Conversation.due_at > _NOW, Conversation.soon_at <= _NOW),
    "mine": (  # few, found by their ids: no condition that an index of all conversations would be asked for
        db.one_of(Conversation.mailbox_id + 0, "mailboxes"),
        Conversation.id.in_(select(_HELD.c.id)),
        Conversation.status.not_in(("closed", "spam", JOINED)),
    ),
}
_ORDER = {"late": Conversation.due_at, "soon": Conversation.due_at, "mine": Conversation.activity_at}
_ROWS = {
    name: select(Conversation.id).where(*where).order_by(_ORDER[name], Conversation.id).limit(bindparam("limit"))
    for name, where in _WHERE.items()
}
_COUNTS = select(
    *(
        select(func.count())
        .select_from(select(Conversation.id).where(*where).limit(bindparam("most")).subquery())
        .scalar_subquery()
        .label(name)
        for name, where in _WHERE.items()
    )
)
LATE = (  # for the sidebar: how many are late
    select(func.count())
    .select_from(select(Conversation.id).where(*_WHERE["late"]).limit(MOST_COUNTED + 1).subquery())
    .scalar_subquery()
    .label("late")
)
