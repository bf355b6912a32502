"""Lookup of a principal's secrets in a time that does not reveal whether the principal is known."""

import hmac
import os
from collections.abc import Iterable
from typing import Generic, TypeVar

from omnyshell.ids import PrincipalId

T = TypeVar("T")

_OFFERED_BYTES = 32


class SecretIndex(Generic[T]):
    """Finds what a principal's 32 bytes (a token's hash, a public key) stand for.

    Every lookup makes the same number of constant-time comparisons: rows are padded to the longest one, and a
    principal that is not known is compared with a row of random bytes.
    """

    def __init__(self, entries: Iterable[tuple[PrincipalId, bytes, T]] = ()) -> None:
        rows: dict[PrincipalId, list[tuple[bytes, T | None]]] = {}
        for principal, offered, value in entries:
            rows.setdefault(principal, []).append((offered, value))
        self._rows = rows
        self._stranger: list[tuple[bytes, T | None]] = []
        self._widen(max(map(len, rows.values()), default=1))

    def put(self, principal: PrincipalId, entries: Iterable[tuple[bytes, T]]) -> None:
        """Replace the entries of this principal."""
        row: list[tuple[bytes, T | None]] = list(entries)
        if not row:
            self._rows.pop(principal, None)
            return
        if len(row) > len(self._stranger):
            self._widen(len(row))
        self._rows[principal] = row + self._stranger[len(row) :]

    def _widen(self, width: int) -> None:
        """Pad all rows to this length. They never get shorter again."""
        self._stranger += [(os.urandom(_OFFERED_BYTES), None) for _ in range(width - len(self._stranger))]
        for row in self._rows.values():
            row += self._stranger[len(row) :]

    def find(self, principal: PrincipalId, offered: bytes) -> T | None:
        """Return the first value of this principal for these bytes; None where there is none."""
        found: T | None = None
        for known, value in self._rows.get(principal, self._stranger):
            if hmac.compare_digest(known, offered) and found is None:
                found = value
        return found
