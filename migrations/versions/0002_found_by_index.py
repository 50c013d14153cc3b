"""What refers to a conversation, a message, a draft or a person is found by an index, so that one can go without a
search through all the others; an approval remembers that it was told to be overdue."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from inbox.db import Utc

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

MOSTLY_EMPTY = (
    ("conversation", "joined_into_id"),
    ("draft", "answers_id"),
    ("message", "answers_id"),
    ("message", "person_id"),
    ("near_miss", "draft_id"),
    ("outgoing", "draft_id"),
    ("rule_trace", "message_id"),
)


def upgrade() -> None:
    for table, column in MOSTLY_EMPTY:
        where = sa.text(f"{column} IS NOT NULL")
        op.create_index(f"ix_{table}_{column}", table, [column], sqlite_where=where, postgresql_where=where)
    op.create_index("ix_read_mark_conversation_id", "read_mark", ["conversation_id"])
    op.add_column("approval", sa.Column("overdue_told_at", Utc(timezone=True), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("approval") as approval:
        approval.drop_column("overdue_told_at")
    for table, column in (*MOSTLY_EMPTY, ("read_mark", "conversation_id")):
        op.drop_index(f"ix_{table}_{column}", table_name=table)
