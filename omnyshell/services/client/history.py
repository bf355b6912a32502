"""Reads the lines above a session's screen, part by part (docs/extensions.md#history)."""

import base64
import binascii
from typing import Final

from omnyshell.errors import ProtocolException
from omnyshell.protocol.messages.history import (
    MESSAGES,
    MOST_LINES,
    SessionHistoryRequest,
    SessionHistoryResponse,
)
from omnyshell.services.client.node_sessions import check_outcome

LONGEST_PART: Final = 64 * 1024
"""Characters of one part in base64; a node sends less."""

MOST_BYTES: Final = 64 * 1024 * 1024
"""Bytes of all parts."""


class HistoryReader:
    """Asks for the newest lines first, until there are `lines` of them. No I/O."""

    MESSAGES = MESSAGES
    ANSWER = SessionHistoryResponse

    def __init__(self, node_id: str, session_ref: str, end: int, lines: int, owner: str | None = None) -> None:
        """`owner` is whose session it is, if that is not the one who asks."""
        self._node_id = node_id
        self._owner = owner
        self._ref = session_ref
        self._before: int | None = end
        self._left = lines
        self._size = 0

    def next_request(self) -> SessionHistoryRequest | None:
        """Return what to ask for next; None where there is no more, or no more is wanted."""
        if self._before is None or self._left <= 0:
            return None
        return SessionHistoryRequest(
            request_id="",
            node_id=self._node_id,
            session_ref=self._ref,
            before=self._before,
            lines=min(self._left, MOST_LINES),
            owner=self._owner,
        )

    def take(self, answer: SessionHistoryResponse) -> bytes:
        """Return the lines of the answer to the last request. Raises as `check_outcome`, and `ProtocolException`."""
        check_outcome(answer, self._node_id, "look at sessions")
        if answer.before is not None and (self._before is None or answer.before >= self._before):
            raise ProtocolException("has lines again that it had before", field="before")
        if len(answer.lines or "") > LONGEST_PART:
            raise ProtocolException("is longer than a part may be", field="lines")
        try:
            lines = base64.b64decode(answer.lines or "", validate=True)
        except (binascii.Error, ValueError) as exc:
            raise ProtocolException("is not base64", field="lines") from exc
        self._size += len(lines)
        if self._size > MOST_BYTES:
            raise ProtocolException("has more than a history may have", field="lines")
        self._before = answer.before
        self._left -= max(1, answer.count)
        return lines
