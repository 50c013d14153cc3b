"""The correspondents: found or made by their address, which alone is who they are; a display name proves nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from inbox import blocks
from inbox.db import insert_into, new_ids
from inbox.models import Person, PersonAddress

LONGEST_ADDRESS = 320  # characters; RFC 5321 allows 64 + 1 + 255
LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class Known:
    """A person as the one who files a mail needs them."""

    id: int
    name: str
    blocked: bool


def person_for(session: Session, address: str, name: str, now: datetime) -> int | None:
    """The id of the person with that address, made if new; None when the address can be nobody's."""
    found = people_for(session, {address: name}, now).get(address.lower())
    return found.id if found else None


def people_for(session: Session, named: Mapping[str, str], now: datetime) -> dict[str, Known]:
    """The people behind many addresses (address → display name), by lower-cased address; those that are new are made.

    A person without a name takes the one that comes with a mail; a name once known is never overwritten.
    """
    wanted = {address.lower(): name[:LONGEST_NAME] for address, name in named.items() if is_address(address)}
    if not wanted:
        return {}
    known = _known(session, wanted)
    new = sorted(set(wanted) - set(known))
    if new:
        made = _make(session, {address: wanted[address] for address in new}, now)
        known |= made | _known(session, [address for address in new if address not in made])
    nameless = [
        {"id": one.id, "name": wanted[address]} for address, one in known.items() if not one.name and wanted[address]
    ]
    if nameless:
        session.execute(update(Person), nameless)
    return known


def is_address(address: str) -> bool:
    """Whether the text can be an address at all; carriers' dotted local parts are."""
    local, at, domain = address.rpartition("@")
    return bool(local and at and domain) and len(address) <= LONGEST_ADDRESS and not any(ch.isspace() for ch in address)


def _known(session: Session, addresses: Mapping[str, str] | list[str]) -> dict[str, Known]:
    if not addresses:
        return {}
    rows = session.execute(
        select(PersonAddress.address, Person.id, Person.name, Person.blocked)
        .join(Person, Person.id == PersonAddress.person_id)
        .where(PersonAddress.address.in_(list(addresses)))
    )
    return {address: Known(person_id, name, blocked) for address, person_id, name, blocked in rows}


def _make(session: Session, named: dict[str, str], now: datetime) -> dict[str, Known]:
    """Inserts people and their addresses; an address that another transaction made meanwhile keeps its person."""
    people, blocked = new_ids(session, Person, len(named)), blocks.matching(session, named)
    session.connection().execute(
        insert(Person.__table__),
        [
            {"id": number, "name": name, "created_at": now, "blocked": address in blocked}
            for number, (address, name) in zip(people, named.items(), strict=True)
        ],
    )
    made = session.execute(
        insert_into(session, PersonAddress)
        .on_conflict_do_nothing(index_elements=["address"])
        .returning(PersonAddress.address, PersonAddress.person_id),
        [{"person_id": person, "address": address} for person, address in zip(people, named, strict=True)],
    ).all()
    if len(made) < len(named):
        bare = set(people) - {one.person_id for one in made}
        session.execute(delete(Person).where(Person.id.in_(bare)).execution_options(synchronize_session=False))
    return {one.address: Known(one.person_id, named[one.address], one.address in blocked) for one in made}
