"""Converts answers about the sessions of a node to values or errors.

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

    `etag` names this state of the screen, if hub and node support that. `is_same` says that the screen has not changed
    since the requested `etag`, and is not contained. `exit_code` is set for a session that has ended,
    `history_end` where the lines above the screen were asked for, and can be had (`OmnyShellClient.history`).
    """

    data: bytes
    alt_screen: bool = False
    etag: str = ""
    is_same: bool = False
    exit_code: int | None = None
    history_end: int | None = None

    @classmethod
    def from_answer(cls, answer: SessionScreenResponse) -> "SessionScreen":
        """Read the hub's answer. Raises `ProtocolException` where the screen is not base64."""
        try:
            data = base64.b64decode(answer.screen or "", validate=True)
        except (binascii.Error, ValueError) as exc:
            raise ProtocolException("is not base64", field="screen") from exc
        return cls(data, answer.alt_screen, answer.etag or "", answer.same, answer.exit_code, answer.history_end)


def check_outcome(answer: Outcome, node_id: str, what: str) -> None:
    """Raise if a request about a node failed.

    The hub's text decides the exception; else it is `SessionRejectedException`.

    `what` names the request in the error, as in `end sessions`.
    """
    if answer.ok:
        return
    text = answer.message or "The request was refused"
    # The needed role may follow after a colon.
    error = _ERRORS.get(text.partition(":")[0], SessionRejectedException)
    if error is NodeUnavailableException:
        text = f"No node '{node_id}' is connected"
    raise not_authorized(text, node_id, what) if error is AuthorizationException else error(text)


def not_authorized(text: str, node_id: str, what: str) -> AuthorizationException:
    """Return the exception for a hub's refusal, whose text does not name the request."""
    return AuthorizationException(text.replace("Not authorized", f"Not authorized to {what} on '{node_id}'", 1))
