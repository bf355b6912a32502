"""What is noted of a session for the node's next process."""

from datetime import datetime

from omnyshell.model.sessions import PtySpec
from omnyshell.protocol.messages import NodeSessionOpen
from omnyshell.services.node.records.record import NotedState, SessionRecord

_OUTPUT = "a part of the output may be missing here, as the node was killed while it read it"
_INPUT = "the last {} bytes of input may be missing, as the node was killed while it passed them on"
UNKNOWN = "what was written before is not known, as another version of the node has noted it"


class SessionNotes:
    """Notes a session's state in its record, once it has one."""

    def __init__(self, request: NodeSessionOpen, created_at: datetime) -> None:
        self._record: SessionRecord | None = None
        self._state = NotedState(
            id=request.session_id,
            owner=request.principal,
            mode=request.mode,
            pty=request.pty,
            created_at=created_at,
            leader_only=request.leader_only,
        )

    def begin(self, record: SessionRecord) -> None:
        """Note everything in this record from now on."""
        self._record = record
        record.note(self._state)

    def go_on(self, state: NotedState) -> None:
        """Go on from what an earlier process has noted."""
        self._state = state

    def resized(self, size: PtySpec) -> None:
        """The terminal has another size."""
        before = self._state.pty or PtySpec()
        self._state.pty = PtySpec(term=before.term, cols=size.cols, rows=size.rows, widths=before.widths)
        self._write()

    def client_came(self, *, is_kept: bool) -> None:
        """A client is attached; `is_kept` tells whether output is kept for it."""
        self._state.is_attached, self._state.is_kept = True, is_kept
        self._state.since = self._state.until = None
        self._write()

    def client_left(self, since: datetime | None, until: datetime | None, *, is_kept: bool) -> None:
        """No client is attached since then."""
        self._state.is_attached, self._state.is_kept = False, is_kept
        self._state.since, self._state.until = since, until
        self._write()

    def input_ended(self) -> None:
        """The process has the end of its input."""
        self._state.input_ended = True
        self._write()

    def input_offset(self, arrived: int) -> int:
        """Return how much input needs not be sent again, of so much that has arrived."""
        return self._record.input_offset if self._record is not None else arrived

    def _write(self) -> None:
        if self._record is not None:
            self._record.note(self._state)


def doubts(record: SessionRecord) -> list[str]:
    """Return, in sentences, what may be missing of a session that a killed process has left."""
    found = []
    if record.journal.is_in_doubt:
        found.append(_OUTPUT)
    if record.input_in_doubt:
        found.append(_INPUT.format(record.input_in_doubt))
    return found
