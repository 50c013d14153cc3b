"""Words to search by: on PostgreSQL a tsvector per chunk of text, on SQLite an FTS5 table made by the migration.

The words are made by `mail.search_words`: bigrams for Japanese, Chinese and Korean, whole words for other scripts.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, ForeignKey, Index, Text
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from inbox.models.base import Base, Id


class SearchWords(Base):
    """PostgreSQL: a tsvector holds positions to 16,383 only, so long texts stand in several overlapping chunks.

    A row belongs to a message or to a note. `place` (see `inbox.search`) is ordered by time. On SQLite this table stays
    empty; `search_fts(rowid = place)` is used instead.
    """

    __tablename__ = "search_words"
    __table_args__ = (Index("ix_search_words_words", "words", postgresql_using="gin"),)

    place: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    chunk: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    message_id: Mapped[int | None] = mapped_column(Id, ForeignKey("message.id", ondelete="CASCADE"), index=True)
    note_id: Mapped[int | None] = mapped_column(Id, ForeignKey("note.id", ondelete="CASCADE"), index=True)
    words: Mapped[str] = mapped_column(Text().with_variant(TSVECTOR(), "postgresql"))
