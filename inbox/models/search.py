"""Words to search by: on PostgreSQL a tsvector per chunk of text, on SQLite an FTS5 table made by the migration.

The words are made by `mail.search_words`: bigrams for Japanese, Chinese and Korean, whole words for other scripts.
"""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, Text
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from inbox.models.base import Base, Id


class SearchWords(Base):
    """PostgreSQL: a tsvector holds positions to 16,383 only, so long texts stand in several overlapping chunks.

    On SQLite this table stays empty; `search_fts(rowid = message id)` is used instead.
    """

    __tablename__ = "search_words"
    __table_args__ = (Index("ix_search_words_words", "words", postgresql_using="gin"),)

    message_id: Mapped[int] = mapped_column(Id, ForeignKey("message.id", ondelete="CASCADE"), primary_key=True)
    chunk: Mapped[int] = mapped_column(primary_key=True)
    words: Mapped[str] = mapped_column(Text().with_variant(TSVECTOR(), "postgresql"))
