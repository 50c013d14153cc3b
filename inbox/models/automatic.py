"""Automatic answers of mailboxes: what they say, what was decided about each mail, and the breaker that stops them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from inbox.models.base import Base, Id
from templates.auto_answers import OCCASIONS


class AutoAnswer(Base):
    """What a mailbox answers by itself on one occasion, in each language: {"ja": {"subject", "text"}, "en": …}."""

    __tablename__ = "auto_answer"
    __table_args__ = (CheckConstraint(f"occasion IN {OCCASIONS}", name="occasion"),)

    mailbox_id: Mapped[int] = mapped_column(ForeignKey("mailbox.id", ondelete="CASCADE"), primary_key=True)
    occasion: Mapped[str] = mapped_column(String(12), primary_key=True)
    enabled: Mapped[bool] = mapped_column(default=False)
    words: Mapped[dict[str, Any]] = mapped_column(default=dict)


class AnswerText(Base):
    """What rules answer, in any mailbox; `words` as above."""

    __tablename__ = "answer_text"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    words: Mapped[dict[str, Any]] = mapped_column(default=dict)
    version: Mapped[int] = mapped_column(default=1)  # two people may write it at once
    created_at: Mapped[datetime]


class AnswerBreaker(Base):
    """How many automatic answers may leave a mailbox in an hour, and what happened when there were too many.

    The alarm stands until a person has seen it. The mailbox is silent until `open_until` (None: it is not stopped).
    """

    __tablename__ = "answer_breaker"

    mailbox_id: Mapped[int] = mapped_column(ForeignKey("mailbox.id", ondelete="CASCADE"), primary_key=True)
    hourly: Mapped[int]
    open_until: Mapped[datetime | None]
    counts_from: Mapped[datetime | None]  # a person closed it then: what left before no longer counts for the mailbox
    alarm: Mapped[str] = mapped_column(String(20), default="")  # the budget that was used up; "": all is well
    alarm_at: Mapped[datetime | None]
    alarm_domain: Mapped[str] = mapped_column(String(255), default="")


class AnswerDecision(Base):
    """Whether a mail got an automatic answer, and if not, why not. Those that left are what the budgets count.

    Where a rule wanted the answer, its name and the text's stand here as they were then.
    """

    __tablename__ = "answer_decision"
    __table_args__ = (
        Index("ix_answer_decision_sender", "mailbox_id", "address", "at"),
        Index("ix_answer_decision_domain", "domain", "at"),
        Index("ix_answer_decision_mailbox", "mailbox_id", "at"),
    )

    message_id: Mapped[int] = mapped_column(ForeignKey("message.id", ondelete="CASCADE"), primary_key=True)
    mailbox_id: Mapped[int] = mapped_column(ForeignKey("mailbox.id", ondelete="CASCADE"))
    at: Mapped[datetime]
    occasion: Mapped[str] = mapped_column(String(12), default="")  # of the answer that left or would have; or rule
    rule_name: Mapped[str] = mapped_column(String(100), default="")
    text_name: Mapped[str] = mapped_column(String(100), default="")
    instead: Mapped[str] = mapped_column(String(12), default="")  # the mailbox's own answer that the rule's goes before
    reason: Mapped[str] = mapped_column(String(20), default="")  # routing.autoreply.Reason; "": it left
    most: Mapped[int | None]  # the budget that was used up
    address: Mapped[str] = mapped_column(String(320), default="")  # to which it goes, lower case
    domain: Mapped[str] = mapped_column(String(255), default="")
