"""The files of a mail as rows; their bytes stay in the raw mail."""

from __future__ import annotations

from collections.abc import Iterable

from inbox.models import Attachment
from inbox.reading import File


def rows(files: Iterable[File]) -> list[Attachment]:
    """A row for each file that `inbox.reading` found, in its order."""
    return [
        Attachment(
            position=position,
            path=file.path,
            name=file.name,
            content_type=file.content_type,
            size=file.size,
            sha256=file.sha256,
            content_id=file.content_id,
            inline=file.inline,
        )
        for position, file in enumerate(files)
    ]
