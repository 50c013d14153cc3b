"""Who answers: teams and their members, what people can take on, absences, rules with their versions and traces."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from inbox.models.base import Base, Id, filled
from routing.assign import TEAM_WAYS


class Team(Base):
    """People who share work. `turn` and `share` are where its turns stand; whoever hands out locks the row."""

    __tablename__ = "team"
    __table_args__ = (CheckConstraint(f"way IN {TEAM_WAYS}", name="way"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    way: Mapped[str] = mapped_column(String(12), default="round_robin")  # how it hands out by itself
    fallback_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))  # gets what nobody of the team can take
    hand_back_minutes: Mapped[int | None]  # working minutes untouched with somebody who is away; None: never
    turn: Mapped[int] = mapped_column(default=0)
    share: Mapped[int] = mapped_column(Id, default=0)
    created_at: Mapped[datetime]
    members: Mapped[list[TeamMember]] = relationship(
        back_populates="team", cascade="all, delete-orphan", order_by="TeamMember.user_id"
    )


class TeamMember(Base):
    """Somebody of a team, with their weight and where their turns stand."""

    __tablename__ = "team_member"

    team_id: Mapped[int] = mapped_column(ForeignKey("team.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"), primary_key=True, index=True)
    weight: Mapped[int] = mapped_column(default=1)
    turn: Mapped[int] = mapped_column(default=0)
    share: Mapped[int] = mapped_column(Id, default=0)
    team: Mapped[Team] = relationship(back_populates="members")


class MailboxTeam(Base):
    """The team that gets what no rule gives to anybody."""

    __tablename__ = "mailbox_team"

    mailbox_id: Mapped[int] = mapped_column(ForeignKey("mailbox.id", ondelete="CASCADE"), primary_key=True)
    team_id: Mapped[int] = mapped_column(ForeignKey("team.id", ondelete="CASCADE"), index=True)


class Capacity(Base):
    """What a person can take on: at most `cap` open conversations (None: any number), skills, languages."""

    __tablename__ = "capacity"

    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"), primary_key=True)
    cap: Mapped[int | None]
    skills: Mapped[list[Any]] = mapped_column(default=list)
    languages: Mapped[list[Any]] = mapped_column(default=list)  # ISO 639-1


class Absence(Base):
    """Somebody gets no work from `starts_at` until before `ends_at`; None: until they end it."""

    __tablename__ = "absence"
    __table_args__ = (Index(None, "user_id", "ends_at"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime | None]
    why: Mapped[str] = mapped_column(String(10), default="away")  # away, day_off
    entered_by_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))


class Shift(Base):
    """A person's working hours; without a row they may be given work at any hour."""

    __tablename__ = "shift"

    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"), primary_key=True)
    # routing.calendars; None: the mailbox's
    body: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    holidays: Mapped[bool] = mapped_column(default=True)  # own hours stand still on holidays of the mailbox's calendar


class Rule(Base):
    """A rule's place, switch and counters; what it says stands in its versions."""

    __tablename__ = "rule"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    position: Mapped[int]
    enabled: Mapped[bool] = mapped_column(default=False)
    removed: Mapped[bool] = mapped_column(default=False)  # its versions stay: traces speak of them
    version: Mapped[int] = mapped_column(default=1)
    hits: Mapped[int] = mapped_column(default=0)
    last_hit_at: Mapped[datetime | None]
    scheduled_at: Mapped[datetime]  # by the clock it ran last then, or was switched on
    failures: Mapped[int] = mapped_column(default=0)  # mails for which it could not run, since its last version
    failed_at: Mapped[datetime | None]
    failure: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))  # {"error": msgid, "params": {…}}


class RuleVersion(Base):
    """What a rule said from then on; never changed."""

    __tablename__ = "rule_version"

    rule_id: Mapped[int] = mapped_column(ForeignKey("rule.id", ondelete="CASCADE"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    user_id: Mapped[int | None] = mapped_column(ForeignKey("user.id"))
    body: Mapped[dict[str, Any]] = mapped_column(default=dict)  # routing.rules


class RuleTrace(Base):
    """Why a conversation was treated as it was when something happened to it."""

    __tablename__ = "rule_trace"
    __table_args__ = (Index(None, "conversation_id", "id"), filled("rule_trace", "message_id"))

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversation.id", ondelete="CASCADE"))
    message_id: Mapped[int | None] = mapped_column(ForeignKey("message.id", ondelete="CASCADE"))  # the mail in question
    at: Mapped[datetime]
    happened: Mapped[str] = mapped_column(String(20))  # routing.triggers.ONS; handed_back, opened
    done: Mapped[int] = mapped_column(default=0)  # actions that changed something
    capped: Mapped[bool] = mapped_column(default=False)
    trace: Mapped[list[Any]] = mapped_column(default=list)  # routing.traces
    assignment: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))  # inbox.assignment


class RuleWaited(Base):
    """That rule has looked at this waiting already, so that "unanswered for two hours" happens once."""

    __tablename__ = "rule_waited"
    __table_args__ = (UniqueConstraint("conversation_id", "rule_id"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversation.id", ondelete="CASCADE"))
    rule_id: Mapped[int] = mapped_column(ForeignKey("rule.id", ondelete="CASCADE"), index=True)
    waiting_since: Mapped[datetime]
