"""Pure mail understanding: bytes to facts and facts to bytes. No socket, no database, no clock."""
