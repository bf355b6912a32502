"""Requests about the sessions of a node, whose answers become values or errors (docs/protocol.md#detached-sessions)."""

import base64
import binascii
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from omnyshell.errors import (
    AuthorizationException,
    NodeUnavailableException,
    OmnyShellException,
    OmnyShellTimeoutException,
    ProtocolException,
    SessionRejectedException,
)
from omnyshell.model.sessions import DetachedSessionInfo
from omnyshell.protocol.extensions import HISTORY, SCREEN_ETAG
from omnyshell.protocol.messages import (
    ActiveSessionDetachRequest,
    ActiveSessionDetachResponse,
    DetachedSessionKillRequest,
    DetachedSessionKillResponse,
    DetachedSessionsRequest,
    DetachedSessionsResponse,
    SessionScreenRequest,
    SessionScreenResponse,
)
from omnyshell.protocol.messages.detached import Outcome
from omnyshell.services.client.asked import check_detached, check_sessions

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


class NodeSessionRequests:
    """A principal's requests about the sessions of one node; `OmnyShellClient` says what each raises.

    `ask` sends a request under a fresh id, and returns the answer, which is of the given type.
    """

    def __init__(self, node_id: str, ask: Callable[[Any, type[Any]], Awaitable[Any]]) -> None:
        self._node_id = node_id
        self._ask = ask

    async def list(self, principal: str) -> tuple[DetachedSessionInfo, ...]:
        """Return the shells of `principal`, who asks."""
        request = DetachedSessionsRequest(request_id="", node_id=self._node_id)
        answer: DetachedSessionsResponse = await self._ask(request, DetachedSessionsResponse)
        if answer.refused:
            raise not_authorized(answer.refused, self._node_id, "look at sessions")
        check_sessions(answer.sessions, self._node_id, principal)
        return answer.sessions

    async def kill(self, session_ref: str) -> str:
        """End a session; return the node's message."""
        request = DetachedSessionKillRequest(request_id="", node_id=self._node_id, session_ref=session_ref)
        answer: DetachedSessionKillResponse = await self._ask(request, DetachedSessionKillResponse)
        check_outcome(answer, self._node_id, "end sessions")
        return answer.message or ""

    async def detach(self, session_ref: str, timeout_seconds: int | None) -> str:
        """Detach a session; return its short id."""
        request = ActiveSessionDetachRequest(
            request_id="", node_id=self._node_id, session_ref=session_ref, timeout_seconds=timeout_seconds
        )
        answer: ActiveSessionDetachResponse = await self._ask(request, ActiveSessionDetachResponse)
        check_outcome(answer, self._node_id, "detach sessions")
        check_detached(answer.short_id or "", session_ref)
        return answer.short_id or ""

    async def peek(self, session_ref: str, etag: str, features: frozenset[str], *, with_history: bool) -> SessionScreen:
        """Return a session's screen; only what is among the hub's `features` is asked for."""
        request = SessionScreenRequest(
            request_id="",
            node_id=self._node_id,
            session_ref=session_ref,
            etag=etag if SCREEN_ETAG in features else None,
            history=with_history and HISTORY in features,
        )
        answer: SessionScreenResponse = await self._ask(request, SessionScreenResponse)
        check_outcome(answer, self._node_id, "look at sessions")
        return SessionScreen.from_answer(answer)


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
