"""Lists that somebody keeps at the side: a box, filters and an order under a name, for one person or for the team."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from inbox.errors import N_, Forbidden, NotFound, UserError, a_name
from inbox.lists import BOXES
from inbox.models import SavedView
from inbox.people import Viewer

LONGEST = 60  # characters of a name
MOST = 50  # of one person


@dataclass(frozen=True)
class View:
    """`wanted` are the parts of its list's address, the box among them."""

    id: int
    name: str
    shared: bool
    mine: bool
    owner_name: str
    wanted: dict[str, str]

    @property
    def box(self) -> str:
        return self.wanted["box"]

    @property
    def query(self) -> dict[str, str]:
        return {name: value for name, value in self.wanted.items() if name != "box"}


def all_of(session: Session, who: Viewer) -> tuple[View, ...]:
    """Those of `who` and those of the team, by name."""
    wanted = select(SavedView).where(or_(SavedView.owner_id == who.id, SavedView.shared))
    return tuple(_view(one, who) for one in session.scalars(wanted.order_by(SavedView.name, SavedView.id)))


def keep(
    session: Session, who: Viewer, *, name: str, wanted: Mapping[str, str], shared: bool = False, now: datetime
) -> int:
    """Keeps a list under a name; the id. What it shows depends on who looks: rights stay as they are."""
    if wanted.get("box") not in BOXES:
        raise NotFound
    mine = session.scalars(select(SavedView.id).where(SavedView.owner_id == who.id)).all()
    if len(mine) >= MOST:
        raise UserError(N_("You can keep at most %(most)d views."), field="name", most=MOST)
    clean = {key: str(value)[:200] for key, value in wanted.items() if value}
    made = SavedView(owner_id=who.id, shared=shared, name=_name(name), wanted=clean, at=now)
    session.add(made)
    session.flush()
    return made.id


def change(session: Session, who: Viewer, view_id: int, *, name: str, shared: bool) -> None:
    found = _own(session, who, view_id)
    found.name, found.shared = _name(name), shared
    session.flush()


def remove(session: Session, who: Viewer, view_id: int) -> View:
    """What it was, so that it can be kept again."""
    found = _own(session, who, view_id)
    was = _view(found, who)
    session.delete(found)
    session.flush()
    return was


def _own(session: Session, who: Viewer, view_id: int) -> SavedView:
    """Of `who`; a manager also changes those of the team."""
    found = session.get(SavedView, view_id)
    if found is None or (found.owner_id != who.id and not found.shared):
        raise NotFound
    if found.owner_id != who.id and not who.is_manager:
        raise Forbidden(N_("Only its owner or a manager may change this view."))
    return found


def _name(name: str) -> str:
    return a_name(name, most=LONGEST, missing=N_("Give it a name."))


def _view(one: SavedView, who: Viewer) -> View:
    wanted = {str(name): str(value) for name, value in one.wanted.items()}
    return View(one.id, one.name, one.shared, one.owner_id == who.id, one.owner.name, wanted)
