"""What can be asked about the sessions of a node, and how answers become values or errors.

See docs/protocol.md#detached-sessions.
"""

import base64
import binascii

import msgspec

from omnyshell.errors import (
    AuthorizationException,
    NodeUnavailableException,
    OmnyShellException,
    OmnyShellTimeoutException,
    ProtocolException,
    SessionRejectedException,
)
from omnyshell.protocol.messages import SessionScreenResponse
from omnyshell.protocol.messages.detached import Outcome

_ERRORS: dict[str, type[OmnyShellException]] = {
    "Node offline": NodeUnavailableException,
    "Not authorized": AuthorizationException,
    "Timed out": OmnyShellTimeoutException,
}


class SessionScreen(msgspec.Struct, frozen=True):
    """A session's screen: bytes that paint it on a terminal of its size.

    `etag` names this state of the screen, where hub and node know about that; `is_same` stands for a screen that has
    not changed since the one with the etag that was asked about. `exit_code` is that of a session that has ended.
    """

    data: bytes
    alt_screen: bool = False
    etag: str = ""
    is_same: bool = False
    exit_code: int | None = None

    @classmethod
    def from_answer(cls, answer: SessionScreenResponse) -> "SessionScreen":
        """Read the hub's answer. Raises `ProtocolException` where the screen is not base64."""
        try:
            data = base64.b64decode(answer.screen or "", validate=True)
        except (binascii.Error, ValueError) as exc:
            raise ProtocolException("is not base64", field="screen") from exc
        return cls(data, answer.alt_screen, answer.etag or "", answer.same, answer.exit_code)


def check_outcome(answer: Outcome, node_id: str, what: str) -> None:
    """Raise where a request about a node was not done: by the hub's words, or else `SessionRejectedException`.

    `what` says what was asked for: `end sessions`.
    """
    if answer.ok:
        return
    text = answer.message or "The request was refused"
    # What it takes may follow behind a colon.
    error = _ERRORS.get(text.partition(":")[0], SessionRejectedException)
    if error is NodeUnavailableException:
        text = f"No node '{node_id}' is connected"
    raise not_authorized(text, node_id, what) if error is AuthorizationException else error(text)


def not_authorized(text: str, node_id: str, what: str) -> AuthorizationException:
    """Return the exception for a hub's refusal, which says nothing of what was asked for."""
    return AuthorizationException(text.replace("Not authorized", f"Not authorized to {what} on '{node_id}'", 1))
