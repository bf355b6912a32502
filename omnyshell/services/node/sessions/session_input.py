"""How far a session's input has come."""

from omnyshell.protocol.limits import MAX_CREDIT
from omnyshell.services.node.sessions.notes import SessionNotes

MOST_WAITING = 2 * MAX_CREDIT
"""Bytes of input that wait for the process: what was under way to one who was lost, and to those who came after."""


class SessionInput:
    """Counts input that has arrived, and what of it the process has not taken; notes when it has ended."""

    def __init__(self, notes: SessionNotes) -> None:
        self.offset = 0
        """Bytes that have arrived since the session began."""

        self.has_ended = False
        self._notes = notes
        self._waiting = 0
        self._debt = 0

    def has_room(self, size: int) -> bool:
        """Whether so much more may arrive."""
        return self._waiting + size <= MOST_WAITING

    def arrived(self, size: int) -> None:
        """Count input, which is passed on."""
        self.offset += size
        self._waiting += size

    def taken(self, size: int) -> int:
        """The process has taken input; return how much of it is to be credited to who is attached now."""
        self._waiting -= size
        self._note_end()
        debt = min(size, self._debt)
        self._debt -= debt
        return size - debt

    def attached(self) -> None:
        """Somebody else is attached: what waits came over an earlier channel."""
        self._debt = self._waiting

    def end(self) -> None:
        """Nothing more will come."""
        self.has_ended = True
        self._note_end()

    def _note_end(self) -> None:
        # Until all before it is written, it can be told again, with what is missing.
        if self.has_ended and not self._waiting:
            self._notes.input_ended()
