"""found by index: what refers to a conversation, a message, a draft or a person, so that one can go without a search
through all the others"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

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


def downgrade() -> None:
    for table, column in (*MOSTLY_EMPTY, ("read_mark", "conversation_id")):
        op.drop_index(f"ix_{table}_{column}", table_name=table)
