"""The list of conversations: boxes, filters, and pages that stay fast at a million conversations.

A page walks an index: for each mailbox the next few rows of (mailbox, status[, owner]) in order, then the best of
those. Nothing is counted and nothing skipped; counts come from the kept counters (`folder_count`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Literal

from sqlalchemy import Select, and_, bindparam, case, func, literal_column, null, select, tuple_, union_all
from sqlalchemy.orm import Session, aliased

from inbox import db
from inbox.db import Utc
from inbox.errors import NotFound
from inbox.models import (
    Claim,
    Conversation,
    ConversationTag,
    Draft,
    FieldValue,
    FolderCount,
    Mailbox,
    Person,
    Presence,
    ReadMark,
    Tag,
    User,
)
from inbox.models.conversations import JOINED
from inbox.people import Viewer

BOXES = ("unassigned", "mine", "open", "waiting", "snoozed", "closed", "spam")
ORDERS = ("newest", "waiting")
LARGEST_PAGE = 200
FEW = 5_000  # a tag on fewer conversations is read from its own end; one on more is met soon enough along the list
FEW_CUSTOMERS = 1_000  # of a tier or a phase: the same
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class ListRow:
    """One conversation as a list shows it."""

    id: int
    mailbox_id: int
    mailbox_name: str
    colour: str
    subject: str
    people: str
    snippet: str
    status: str
    is_new: bool  # nobody of the team opened it yet
    owner_id: int | None
    owner_name: str
    waiting_since: datetime | None
    activity_at: datetime
    unread: bool
    message_count: int
    attachment_count: int
    tags: tuple[tuple[int, str, str], ...]  # (id, name, colour)
    looking: tuple[str, ...]  # names of others who have it open
    writing: tuple[int, str, datetime] | None  # (user id, name, since)
    trouble: str  # "", failed, uncertain, bounced
    snoozed_until: datetime | None
    last_direction: str  # in, out
    has_draft: bool  # an open draft of the viewer
    due_at: datetime | None = None  # of its most urgent deadline that ticks
    match: tuple[tuple[str, bool], ...] = ()  # search only: pieces of the found text, (text, is it a searched word)


@dataclass(frozen=True)
class ListPage:
    """`older` and `newer` are what `after` takes for the next page in that direction; None: nothing there."""

    rows: tuple[ListRow, ...]
    older: str | None
    newer: str | None


@dataclass(frozen=True)
class More:
    """Further conditions of a list; None asks nothing."""

    category_id: int | None = None
    person_id: int | None = None
    team_id: int | None = None
    priority: str | None = None
    waits_longer: datetime | None = None  # an answer is owed since before this moment
    tier: tuple[str, ...] | None = None  # of the customer, in these spellings (`profiles.spelt_so`)
    phase: tuple[str, ...] | None = None
    field: tuple[int, str] | None = None  # id of a custom field, and its value
    found: tuple[int, ...] | None = None  # only these conversations: what a search for words found

    @property
    def given(self) -> dict[str, Any]:
        """What is asked, by name of the statement's parameter."""
        field = None if self.field is None else {"more_field": self.field[0], "more_value": self.field[1]}
        asked = {f"more_{name}": getattr(self, name) for name in _MORE if getattr(self, name) is not None}
        asked |= {name: list(spellings) for name, spellings in asked.items() if isinstance(spellings, tuple)}
        return asked | (field or {}) | ({} if self.found is None else {"more_found": list(self.found)})


_MORE = ("category_id", "person_id", "team_id", "priority", "waits_longer", "tier", "phase")
NO_MORE = More()


def counts(session: Session, who: Viewer, *, mailbox_id: int | None = None) -> dict[str, int]:
    """How many conversations stand in each box, of one mailbox or of all that `who` sees."""
    boxes = counts_by_mailbox(session, who)
    chosen = boxes.values() if mailbox_id is None else [boxes[mailbox_id]] if mailbox_id in boxes else []
    return {box: sum(of_one[box] for of_one in chosen) for box in BOXES}


def counts_by_mailbox(session: Session, who: Viewer) -> dict[int, dict[str, int]]:
    """The same for each mailbox, in one query."""
    found = db.rows(session, IN_BOXES, {"mailboxes": who.mailbox_ids, "me": who.id})
    nothing = {mailbox_id: dict.fromkeys(BOXES, 0) for mailbox_id in who.mailbox_ids}
    return nothing | {row.mailbox_id: boxes_of(row) for row in found}


def boxes_of(row: Any) -> dict[str, int]:
    """The counts of a row of IN_BOXES."""
    return {box: max(0, int(getattr(row, box) or 0)) for box in BOXES}


def tags(session: Session) -> tuple[tuple[int, str, str], ...]:
    """All tags, by name: (id, name, colour)."""
    return tuple(map(tuple, db.rows(session, _EVERY_TAG)))


def page(
    session: Session,
    who: Viewer,
    box: str,
    *,
    now: datetime,
    mailbox_id: int | None = None,
    tag_id: int | None = None,
    owner_id: int | None = None,
    after: str | None = None,
    size: int = 50,
    order: Literal["newest", "waiting"] = "newest",
    more: More = NO_MORE,
) -> ListPage:
    """One page of a box. `after` is a cursor of an earlier page; one that cannot be read gives the first page.

    `order="waiting"`: who waits longest for an answer comes first, then the rest by age. Raises NotFound for a box or a
    mailbox that `who` may not see.
    """
    walk = _walk(session, who, box, mailbox_id=mailbox_id, tag_id=tag_id, owner_id=owner_id, order=order, more=more)
    size = max(1, min(size, LARGEST_PAGE))
    start = Cursor.read(after, order)
    keys = walk.keys(session, start, size + 1)
    goes_on, keys = len(keys) > size, keys[:size]
    if start is not None and start.back:
        keys.reverse()
    rows = rows_of(session, who, [key.id for key in keys], now=now)
    if not keys:
        return ListPage(rows=(), older=None, newer=None)
    has_older, has_newer = (True, goes_on) if start is not None and start.back else (goes_on, start is not None)
    return ListPage(
        rows=rows,
        older=keys[-1].written(back=False) if has_older else None,
        newer=keys[0].written(back=True) if has_newer else None,
    )


def neighbours(
    session: Session,
    who: Viewer,
    conversation_id: int,
    box: str,
    *,
    mailbox_id: int | None = None,
    tag_id: int | None = None,
    owner_id: int | None = None,
    order: Literal["newest", "waiting"] = "newest",
    more: More = NO_MORE,
) -> tuple[int | None, int | None]:
    """Ids of the conversations above and below this one in the list, whether it still stands in that box or not."""
    walk = _walk(session, who, box, mailbox_id=mailbox_id, tag_id=tag_id, owner_id=owner_id, order=order, more=more)
    here = next(iter(db.rows(session, _PLACE, {"id": conversation_id})), None)
    if here is None or not who.may_see(here.mailbox_id):
        raise NotFound
    at = here.activity_at if order == "newest" else here.waiting_since
    above = walk.keys(session, Cursor(at=at, id=conversation_id, back=True), 1)
    below = walk.keys(session, Cursor(at=at, id=conversation_id, back=False), 1)
    return (above[0].id if above else None, below[0].id if below else None)


def every_id(
    session: Session,
    who: Viewer,
    box: str,
    *,
    mailbox_id: int | None = None,
    tag_id: int | None = None,
    owner_id: int | None = None,
    more: More = NO_MORE,
    most: int,
) -> list[int]:
    """Ids of all conversations of a list, the newest first, up to `most`."""
    walk = _walk(session, who, box, mailbox_id=mailbox_id, tag_id=tag_id, owner_id=owner_id, order="newest", more=more)
    return [key.id for key in walk.keys(session, None, most)]


def rows_of(session: Session, who: Viewer, ids: Sequence[int], *, now: datetime) -> tuple[ListRow, ...]:
    """Those of the conversations that `who` may see, in the order of `ids`; two queries, however many."""
    if not ids:
        return ()
    given = {"ids": list(ids), "me": who.id, "now": now}
    # not a condition in SQL: without statistics SQLite would read a whole mailbox by it instead of these few rows
    found = {row.id: row for row in db.rows(session, _ROWS, given) if who.may_see(row.mailbox_id)}
    tagged, looking = _tags_and_lookers(session, given)
    return tuple(_row(found[i], tuple(tagged.get(i, ())), tuple(looking.get(i, ()))) for i in ids if i in found)


@dataclass(frozen=True)
class Cursor:
    """A place in a list: the key of a row, and in which direction to go on from it."""

    at: datetime | None  # None: order "waiting", among those that do not wait
    id: int
    back: bool = False

    def written(self, *, back: bool) -> str:
        micros = "" if self.at is None else str((self.at - EPOCH) // MICROSECOND)
        return f"{'n' if back else 'o'}{micros}_{self.id}"

    @classmethod
    def read(cls, text: str | None, order: str = "newest") -> Cursor | None:
        if not text or text[0] not in "no" or len(text) > 40 or not text.isascii():
            return None
        micros, _, number = text[1:].partition("_")
        if not number.isdigit() or not (micros.removeprefix("-").isdigit() or (micros == "" and order == "waiting")):
            return None
        try:
            at = EPOCH + int(micros) * MICROSECOND if micros else None
        except OverflowError:
            return None
        return cls(at=at, id=min(int(number), 2**62), back=text[0] == "n")


@dataclass(frozen=True)
class Walk:
    """Which rows a list goes through, and in which order."""

    mailbox_ids: tuple[int, ...]
    status: str
    owner: int | Literal["any"] | None  # None: of nobody
    order: str
    tag_id: int | None = None
    few_tagged: bool = False
    more: More = NO_MORE
    few: frozenset[str] = frozenset()  # conditions of `more` that few customers fulfil

    def keys(self, session: Session, start: Cursor | None, limit: int) -> list[Cursor]:
        """The next `limit` keys beyond `start`, in walking direction."""
        if not self.mailbox_ids:
            return []
        if self.order == "newest":
            return self._leg(session, start, limit, waiting=None)
        return self._longest_waiting(session, start, limit)

    def _longest_waiting(self, session: Session, start: Cursor | None, limit: int) -> list[Cursor]:
        """Two legs over one index: those that wait, then those that do not (a NULL has no place in a comparison)."""
        back = start is not None and start.back
        legs = [True, False] if not back else [False, True]
        if start is not None and (start.at is None) != back:
            legs = legs[1:]  # the first leg lies behind us already
        keys: list[Cursor] = []
        for waiting in legs:
            beyond = start if start is not None and (start.at is not None) == waiting else None
            keys += self._leg(session, beyond, limit - len(keys), waiting=waiting, back=back)
            if len(keys) >= limit:
                break
        return keys

    def _leg(
        self, session: Session, start: Cursor | None, limit: int, *, waiting: bool | None, back: bool = False
    ) -> list[Cursor]:
        back = back or (start is not None and start.back)
        owner = "any" if self.owner == "any" else "nobody" if self.owner is None else "one"
        tagged = "no" if self.tag_id is None else "few" if self.few_tagged else "many"
        more = self.more.given
        shape = tuple(f"few_{name}" if name in self.few else name for name in more)
        statement = _keys(len(self.mailbox_ids), owner, tagged, waiting, start is not None, back, shape)
        given: dict[str, Any] = {f"mailbox{n}": mailbox_id for n, mailbox_id in enumerate(self.mailbox_ids)}
        given |= more | {"status": self.status, "limit": limit}
        if owner == "one":
            given["owner"] = self.owner
        if self.tag_id is not None:
            given["tag"] = self.tag_id
        if start is not None:
            given |= {"at": start.at, "id": start.id} if waiting is not False else {"id": start.id}
        return [Cursor(at=at, id=found) for found, at in db.rows(session, statement, given)]


def _walk(
    session: Session,
    who: Viewer,
    box: str,
    *,
    mailbox_id: int | None,
    tag_id: int | None,
    owner_id: int | None,
    order: str,
    more: More,
) -> Walk:
    if box not in BOXES or order not in ORDERS or (mailbox_id is not None and not who.may_see(mailbox_id)):
        raise NotFound
    owner: int | Literal["any"] | None = owner_id if owner_id is not None else "any"
    if box == "unassigned":
        owner = None
    elif box == "mine":
        owner = who.id
    return Walk(
        mailbox_ids=who.mailbox_ids if mailbox_id is None else (mailbox_id,),
        status="open" if box in ("unassigned", "mine") else box,
        owner=owner,
        order=order,
        tag_id=tag_id,
        few_tagged=tag_id is not None and _few_tagged(session, tag_id),
        more=more,
        few=frozenset(name for name, few in _FEW.items() if name in more.given and _is_few(session, few, more)),
    )


def _few_tagged(session: Session, tag_id: int) -> bool:
    some = select(ConversationTag.conversation_id).where(ConversationTag.tag_id == tag_id).limit(FEW + 1).subquery()
    return (session.scalar(select(func.count()).select_from(some)) or 0) <= FEW


def _is_few(session: Session, statement: Select[Any], more: More) -> bool:
    (row,) = db.rows(session, statement, more.given)
    return bool(row.customers <= FEW_CUSTOMERS)


@cache
def _keys(
    mailboxes: int, owner: str, tagged: str, waiting: bool | None, beyond: bool, back: bool, more: tuple[str, ...]
) -> Select[Any]:
    """The statement for one shape of walk: (id, key) of the next rows, the best of each mailbox's best."""
    arms = [_arm(n, owner, tagged, waiting, beyond, back, more).subquery() for n in range(mailboxes)]
    if len(arms) == 1:
        (arm,) = arms
        merged = select(arm.c.id, arm.c.place)
    else:
        every = union_all(*(select(arm.c.id, arm.c.place) for arm in arms)).subquery()
        merged, arm = select(every.c.id, every.c.place), every  # type: ignore[assignment]
    downwards = (waiting is None) != back
    sorting = (arm.c.place.desc(), arm.c.id.desc()) if downwards else (arm.c.place, arm.c.id)
    return merged.order_by(*(sorting if waiting is not False else sorting[1:])).limit(bindparam("limit", type_=_INT))


def _arm(
    n: int, owner: str, tagged: str, waiting: bool | None, beyond: bool, back: bool, more: tuple[str, ...]
) -> Select[Any]:
    c = aliased(Conversation)
    key = c.activity_at if waiting is None else c.waiting_since
    arm = select(c.id.label("id"), key.label("place")).where(
        c.mailbox_id == bindparam(f"mailbox{n}"), c.status == bindparam("status")
    )
    if owner == "one":
        arm = arm.where(c.owner_id == bindparam("owner"))
    elif owner == "nobody":
        arm = arm.where(c.owner_id.is_(None))
    if waiting is not None:
        arm = arm.where(key.is_not(None) if waiting else key.is_(None))
    if tagged != "no":
        carriers = select(ConversationTag.conversation_id).where(ConversationTag.tag_id == bindparam("tag"))
        if tagged == "few":
            arm = arm.where(c.id.in_(carriers))
        else:
            arm = arm.where(carriers.where(ConversationTag.conversation_id == c.id).correlate(c).exists())
    arm = arm.where(*(_CONDITIONS[name](c) for name in more if name in _CONDITIONS))
    downwards = (waiting is None) != back
    if beyond:
        place = (key, c.id) if waiting is not False else (c.id,)
        mark = (bindparam("at", type_=Utc()), bindparam("id", type_=_INT))[-len(place) :]
        here, there = (tuple_(*place), tuple_(*mark)) if len(place) == 2 else (place[0], mark[0])
        arm = arm.where(here < there if downwards else here > there)
    # owner stands first although it is one value: PostgreSQL does not see that IS NULL leaves the index in order
    columns = [c.owner_id, key, c.id] if owner == "nobody" else [key, c.id]
    return arm.order_by(*(column.desc() if downwards else column for column in columns)).limit(
        bindparam("limit", type_=_INT)
    )


def _tags_and_lookers(
    session: Session, given: dict[str, Any]
) -> tuple[dict[int, list[tuple[int, str, str]]], dict[int, list[str]]]:
    """By conversation: tags by name, and names of others who look, the first comer first."""
    tagged: dict[int, list[tuple[int, str, str]]] = {}
    looking: dict[int, list[str]] = {}
    for conversation_id, number, name, colour in sorted(db.rows(session, _COMPANY, given), key=lambda row: row.number):
        if colour is None:
            looking.setdefault(conversation_id, []).append(name)
        else:
            tagged.setdefault(conversation_id, []).append((number, name, colour))
    for tags_of_one in tagged.values():
        tags_of_one.sort(key=lambda tag: tag[1])
    return tagged, looking


def _row(row: Any, its_tags: tuple[tuple[int, str, str], ...], looking: tuple[str, ...]) -> ListRow:
    return ListRow(
        id=row.id,
        mailbox_id=row.mailbox_id,
        mailbox_name=row.mailbox_name,
        colour=row.colour,
        subject=row.subject,
        people=row.people,
        snippet=row.snippet,
        status=row.status,
        is_new=row.opened_at is None and row.status == "open",
        owner_id=row.owner_id,
        owner_name=row.owner_name or "",
        waiting_since=row.waiting_since,
        activity_at=row.activity_at,
        unread=_unread(row),
        message_count=row.message_count,
        attachment_count=row.attachment_count,
        tags=its_tags,
        looking=looking,
        writing=(row.writer_id, row.writer_name, row.claimed_at) if row.writer_id is not None else None,
        trouble=row.trouble,
        snoozed_until=row.snoozed_until,
        last_direction=row.last_direction,
        has_draft=bool(row.has_draft),
        due_at=row.due_at,
    )


def _unread(row: Any) -> bool:
    """Something came after what the viewer last saw; old mail of a first import is no news to anybody."""
    if row.read_version is None:
        return not (row.silent and row.status != "open")
    return row.read_version < row.version


# -- the statements that never change their shape

_INT = Conversation.id.type
# the literal tells SQLite that an index without the empty ones will do
_of_tier = and_(Person.tier.in_(bindparam("more_tier", expanding=True)), Person.tier != literal_column("''"))
_in_phase = and_(Person.phase.in_(bindparam("more_phase", expanding=True)), Person.phase != literal_column("''"))
_FEW = {
    name: select(func.count().label("customers")).select_from(
        select(Person.id).where(holds).limit(FEW_CUSTOMERS + 1).subquery()
    )
    for name, holds in (("more_tier", _of_tier), ("more_phase", _in_phase))
}
_CONDITIONS: dict[str, Callable[[Any], Any]] = {
    "more_category_id": lambda c: c.category_id == bindparam("more_category_id"),
    # one person's conversations are few: they are read from their own end
    "more_person_id": lambda c: c.id.in_(
        select(Conversation.id).where(Conversation.person_id == bindparam("more_person_id"))
    ),
    "more_tier": lambda c: select(Person.id).where(Person.id == c.person_id, _of_tier).correlate(c).exists(),
    "more_phase": lambda c: select(Person.id).where(Person.id == c.person_id, _in_phase).correlate(c).exists(),
    "few_more_tier": lambda c: c.id.in_(select(Conversation.id).join(Conversation.person).where(_of_tier)),
    "few_more_phase": lambda c: c.id.in_(select(Conversation.id).join(Conversation.person).where(_in_phase)),
    "more_team_id": lambda c: c.team_id == bindparam("more_team_id"),
    "more_priority": lambda c: c.priority == bindparam("more_priority"),
    "more_waits_longer": lambda c: c.waiting_since < bindparam("more_waits_longer", type_=Utc()),
    "more_field": lambda c: c.id.in_(
        select(FieldValue.conversation_id).where(
            FieldValue.field_id == bindparam("more_field"), FieldValue.value == bindparam("more_value")
        )
    ),
    "more_found": lambda c: db.one_of(c.id, "more_found"),
}
_NOW = bindparam("now", type_=Utc())
_owner, _writer = aliased(User), aliased(User)

_PLACE = select(Conversation.mailbox_id, Conversation.activity_at, Conversation.waiting_since).where(
    Conversation.id == bindparam("id")
)
_OF_BOX = {
    "unassigned": (FolderCount.status == "open") & (FolderCount.owner_id == 0),
    "mine": (FolderCount.status == "open") & (FolderCount.owner_id == bindparam("me")),
    **{status: FolderCount.status == status for status in BOXES[2:]},
}
IN_BOXES = (
    select(
        FolderCount.mailbox_id,
        *(func.sum(case((within, FolderCount.count), else_=0)).label(box) for box, within in _OF_BOX.items()),
    )
    .where(db.one_of(FolderCount.mailbox_id, "mailboxes"))
    .group_by(FolderCount.mailbox_id)
)
_ROWS = (
    select(
        Conversation.id,
        Conversation.mailbox_id,
        Conversation.subject,
        Conversation.people,
        Conversation.snippet,
        Conversation.status,
        Conversation.opened_at,
        Conversation.owner_id,
        Conversation.waiting_since,
        Conversation.activity_at,
        Conversation.version,
        Conversation.silent,
        Conversation.message_count,
        Conversation.attachment_count,
        Conversation.trouble,
        Conversation.snoozed_until,
        Conversation.due_at,
        Conversation.last_direction,
        Mailbox.name.label("mailbox_name"),
        Mailbox.colour,
        _owner.name.label("owner_name"),
        ReadMark.version.label("read_version"),
        Claim.user_id.label("writer_id"),
        Claim.since.label("claimed_at"),
        _writer.name.label("writer_name"),
        select(Draft.id)
        .where(
            Draft.conversation_id == Conversation.id,
            Draft.state == "open",
            Draft.touched,
            Draft.author_id == bindparam("me"),
        )
        .exists()
        .label("has_draft"),
    )
    .join(Mailbox, Mailbox.id == Conversation.mailbox_id)
    .outerjoin(_owner, _owner.id == Conversation.owner_id)
    .outerjoin(ReadMark, (ReadMark.conversation_id == Conversation.id) & (ReadMark.user_id == bindparam("me")))
    .outerjoin(Claim, (Claim.conversation_id == Conversation.id) & (Claim.until > _NOW))
    .outerjoin(_writer, _writer.id == Claim.user_id)
    .where(db.one_of(Conversation.id, "ids"), Conversation.status != JOINED)
)
_COMPANY = union_all(
    select(ConversationTag.conversation_id, Tag.id.label("number"), Tag.name, Tag.colour)
    .join(Tag, Tag.id == ConversationTag.tag_id)
    .where(db.one_of(ConversationTag.conversation_id, "ids")),
    select(Presence.conversation_id, Presence.id, User.name, null())
    .join(User, User.id == Presence.user_id)
    .where(db.one_of(Presence.conversation_id, "ids"), Presence.until > _NOW, Presence.user_id != bindparam("me")),
)
_EVERY_TAG = select(Tag.id, Tag.name, Tag.colour).order_by(Tag.name)
