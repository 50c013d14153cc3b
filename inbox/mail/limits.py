"""How much of a mail is parsed before it is refused."""

from __future__ import annotations

from dataclasses import dataclass


class TooComplex(ValueError):
    """The mail is beyond the limits of what is parsed; it goes to the quarantine with this sentence, its bytes kept."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a mail may have before parsing it is refused. Sizes in bytes."""

    depth: int = 50  # multiparts in multiparts
    parts: int = 1_000
    headers: int = 1_000  # in one block
    header_block: int = 256 * 1024
    encoded_header: int = 10 * 1024  # a header with encoded words
    parameter_header: int = 64 * 1024  # Content-Type and the like
    continuations: int = 100  # of one RFC 2231 parameter
    addresses: int = 2_000  # in one header
    references: int = 50  # the last ones, beside the first


DEFAULT = Limits()
