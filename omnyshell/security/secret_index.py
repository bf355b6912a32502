"""Lookup of what a principal offered, in a time that tells nothing about who is known."""

import hmac
import os
from collections.abc import Iterable
from typing import Generic, TypeVar

from omnyshell.ids import PrincipalId

T = TypeVar("T")

_OFFERED_BYTES = 32


class SecretIndex(Generic[T]):
    """Finds what a principal's 32 bytes (a token's hash, a public key) stand for. Immutable.

    Every lookup makes the same number of constant-time comparisons: rows are padded to the longest one, and a
    principal that is not known is compared with a row of random bytes.
    """

    def __init__(self, entries: Iterable[tuple[PrincipalId, bytes, T]] = ()) -> None:
        rows: dict[PrincipalId, list[tuple[bytes, T | None]]] = {}
        for principal, offered, value in entries:
            rows.setdefault(principal, []).append((offered, value))
        width = max(map(len, rows.values()), default=1)
        self._stranger: list[tuple[bytes, T | None]] = [(os.urandom(_OFFERED_BYTES), None) for _ in range(width)]
        for row in rows.values():
            row += self._stranger[len(row) :]
        self._rows = rows

    def find(self, principal: PrincipalId, offered: bytes) -> T | None:
        """Return the first value entered for this principal with these bytes; None where there is none."""
        found: T | None = None
        for known, value in self._rows.get(principal, self._stranger):
            if hmac.compare_digest(known, offered) and found is None:
                found = value
        return found
