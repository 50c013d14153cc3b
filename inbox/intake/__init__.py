"""Mail comes in: bytes are kept first, understood after, filed into conversations in one transaction.

`keep` writes what a server showed as ledger rows, with the folder's cursor in the same commit: from there on nothing
can be lost. `ask` has the children read the bytes, `file_batch` files what they read. A crash in between leaves rows
that `file_pending` finds again. Filing twice is impossible: a row is filed by whoever holds its lock while it is
still pending.
"""

from inbox.intake.filing import Answer, ask, file, file_batch, file_pending, pending, understood
from inbox.intake.keeping import Arrival, Kept, keep

__all__ = ["Answer", "Arrival", "Kept", "ask", "file", "file_batch", "file_pending", "keep", "pending", "understood"]
