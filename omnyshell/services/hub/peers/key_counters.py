"""The counters of hardware tokens, which only rise: one that does not says that there are two tokens with one key.

A login is not refused for it. Its owner's token may be the one that is behind, and whoever has the copy could set the
counter so high that the owner never logs in again.
"""

from collections.abc import Mapping

from omnyshell.services.hub.ground.late_writes import LateTable
from omnyshell.services.hub.ground.store import KeyCounter


class KeyCounters:
    """The last counter of each token that logged in, by its key's `identity`."""

    def __init__(
        self, records: LateTable[bytes, KeyCounter] | None = None, remembered: Mapping[bytes, int] | None = None
    ) -> None:
        """`remembered` are the stored ones; `records` is the table for changes."""
        self._records = records
        self._last = dict(remembered or {})

    def note(self, key: bytes, counter: int) -> int | None:
        """Note a login's counter; return the one before where this one is not higher, else None.

        A token that does not count always says 0.
        """
        before = self._last.get(key, 0)
        self._last[key] = counter
        if self._records is not None and counter != before:
            self._records.put(key, KeyCounter(key, counter))
        return before if before and counter <= before else None
