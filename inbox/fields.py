"""Custom fields: what a mailbox's team writes down about its conversations, as text, number, date or choice."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from inbox import conversations, people
from inbox.errors import N_, NotFound, UserError, a_name
from inbox.models import CustomField, FieldValue
from inbox.models.triage import FIELD_KINDS
from inbox.people import Viewer

KINDS = FIELD_KINDS
LONGEST = 500  # characters of a value
MOST = 30  # fields of one mailbox
MOST_CHOICES = 100


@dataclass(frozen=True)
class Field:
    id: int
    mailbox_id: int
    name: str
    kind: str  # text, number, date, choice
    choices: tuple[str, ...]
    value: str = ""  # of the conversation that is shown


def of_mailbox(session: Session, who: Viewer, mailbox_id: int) -> tuple[Field, ...]:
    people.mailbox(session, who, mailbox_id)
    wanted = select(CustomField).where(CustomField.mailbox_id == mailbox_id).order_by(CustomField.id)
    return tuple(_field(one) for one in session.scalars(wanted))


def of_all(session: Session, who: Viewer) -> tuple[Field, ...]:
    """Of all mailboxes that `who` sees."""
    wanted = select(CustomField).where(CustomField.mailbox_id.in_(who.mailbox_ids))
    return tuple(_field(one) for one in session.scalars(wanted.order_by(CustomField.mailbox_id, CustomField.id)))


def of_conversation(session: Session, conversation_id: int, mailbox_id: int) -> tuple[Field, ...]:
    """The fields of its mailbox with their values; the caller knows who may see it. One query."""
    here = (FieldValue.field_id == CustomField.id) & (FieldValue.conversation_id == conversation_id)
    wanted = select(CustomField, FieldValue.value).outerjoin(FieldValue, here)
    rows = session.execute(wanted.where(CustomField.mailbox_id == mailbox_id).order_by(CustomField.id))
    return tuple(_field(one, value or "") for one, value in rows)


def write(session: Session, who: Viewer, conversation_id: int, field_id: int, value: str, *, now: datetime) -> str:
    """Writes a value down as it is stored; "" takes it away. Raises UserError for what is no number, date or choice."""
    found = people.conversation(session, who, conversation_id)
    field = session.get(CustomField, field_id)
    if field is None or field.mailbox_id != found.mailbox_id:
        raise NotFound
    clean = _read(field, value)
    before = session.get(FieldValue, (conversation_id, field_id))
    if clean == (before.value if before is not None else ""):
        return clean
    if clean:
        conversations.upsert(
            session,
            FieldValue,
            {"conversation_id": conversation_id, "field_id": field_id, "value": clean},
            key=["conversation_id", "field_id"],
            update={"value": clean},
        )
    else:
        session.execute(
            delete(FieldValue).where(FieldValue.conversation_id == conversation_id, FieldValue.field_id == field_id)
        )
    conversations.record(session, found, "field", now=now, actor_id=who.id, field=field.name, value=clean)
    session.expire_all()
    return clean


def add(
    session: Session, who: Viewer, mailbox_id: int, *, name: str, kind: str, choices: Sequence[str] = (), now: datetime
) -> int:
    """Raises UserError, naming the field, for a name that is there, an unknown kind or a choice without choices."""
    mailbox = people.mailbox(session, who, mailbox_id)
    clean = _name(session, mailbox_id, name)
    if kind not in FIELD_KINDS:
        raise UserError(N_("Choose one of the list."), field="kind")
    if len(of_mailbox(session, who, mailbox_id)) >= MOST:
        raise UserError(N_("A mailbox can have at most %(most)d fields."), field="name", most=MOST)
    made = CustomField(mailbox_id=mailbox_id, name=clean, kind=kind, choices=_choices(kind, choices))
    session.add(made)
    session.flush()
    people.audit(session, who, "field_added", now=now, field=clean, mailbox=mailbox.name)
    return made.id


def change(
    session: Session, who: Viewer, field_id: int, *, name: str, choices: Sequence[str] = (), now: datetime
) -> None:
    """Another name or other choices; what was written down stays as it is."""
    found = _mine(session, who, field_id)
    found.name = _name(session, found.mailbox_id, name, but=found.id)
    found.choices = _choices(found.kind, choices)
    people.audit(session, who, "field_changed", now=now, field=found.name)
    session.flush()


def remove(session: Session, who: Viewer, field_id: int, *, now: datetime) -> None:
    """With all that was written into it."""
    found = _mine(session, who, field_id)
    people.audit(session, who, "field_removed", now=now, field=found.name)
    session.execute(delete(FieldValue).where(FieldValue.field_id == field_id))
    session.delete(found)
    session.flush()


def _mine(session: Session, who: Viewer, field_id: int) -> CustomField:
    found = session.get(CustomField, field_id)
    if found is None or not who.may_see(found.mailbox_id):
        raise NotFound
    return found


def _field(one: CustomField, value: str = "") -> Field:
    return Field(one.id, one.mailbox_id, one.name, one.kind, tuple(map(str, one.choices)), value)


def _name(session: Session, mailbox_id: int, name: str, *, but: int = 0) -> str:
    clean = a_name(name, most=50, missing=N_("Give it a name."))
    same = select(CustomField.id).where(
        CustomField.mailbox_id == mailbox_id, CustomField.name == clean, CustomField.id != but
    )
    if session.scalar(same) is not None:
        raise UserError(N_("The mailbox has a field of this name already."), field="name")
    return clean


def _choices(kind: str, choices: Sequence[str]) -> list[str]:
    clean = list(dict.fromkeys(" ".join(one.split())[:LONGEST] for one in choices if one.strip()))
    if kind != "choice":
        return []
    if not clean or len(clean) > MOST_CHOICES:
        raise UserError(N_("Write 1 to %(most)d choices, one a line."), field="choices", most=MOST_CHOICES)
    return clean


def _read(field: CustomField, value: str) -> str:
    """As it is stored; full-width digits are digits."""
    where = f"field-{field.id}"
    if field.kind == "text":
        return " ".join(value.replace("\0", "").split())[:LONGEST]
    clean = unicodedata.normalize("NFKC", value).strip()
    if not clean:
        return ""
    if field.kind == "choice":
        if value.strip() not in field.choices:
            raise UserError(N_("Choose one of the list."), field=where)
        return value.strip()
    try:
        if field.kind == "date":
            return date.fromisoformat(clean.replace("/", "-")).isoformat()
        number = Decimal(clean.replace(",", ""))
        if not number.is_finite() or len(clean) > 30:
            raise InvalidOperation
        return format(number.normalize(), "f") if number else "0"
    except (ValueError, InvalidOperation):
        wrong = N_("This is no date: write 2026-11-20.") if field.kind == "date" else N_("This is no number.")
        raise UserError(wrong, field=where) from None
