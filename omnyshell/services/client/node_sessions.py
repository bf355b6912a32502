"""Requests about the sessions of a node, whose answers become values or errors (docs/protocol.md#detached-sessions)."""

import base64
import binascii
from collections.abc import AsyncIterator, Awaitable, Callable
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
from omnyshell.model.vitals import NodeProcesses
from omnyshell.protocol.extensions import HISTORY, OTHERS_SESSIONS, SCREEN_ETAG, SESSION_USAGE, VITALS
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
from omnyshell.transport.connection import OmnyShellConnection

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
    """Requests about one principal's sessions on a node; `OmnyShellClient` says what each raises."""

    def __init__(
        self,
        node_id: str,
        ask: Callable[[Any, type[Any]], Awaitable[Any]],
        link: Callable[[], OmnyShellConnection],
        owner: str = "",
    ) -> None:
        """`ask` sends a request under a fresh id, and returns the answer, which is of the given type.

        `link` returns the connection to the hub. `owner` is the principal whose sessions they are, if it is not the one
        who asks.
        """
        self._node_id = node_id
        self._ask = ask
        self._link = link
        self._owner = owner or None

    async def list(self, *, usage: bool = False) -> tuple[DetachedSessionInfo, ...]:
        """Return the principal's shells; with `usage` also what each takes of its machine, as far as that is known."""
        request = DetachedSessionsRequest(request_id="", node_id=self._node_id, owner=self._owner, usage=usage)
        return await self._list(request)

    async def list_everyones(self, *, usage: bool = False) -> tuple[DetachedSessionInfo, ...]:
        """Return the shells of all principals; raises as `OmnyShellClient.sessions_of`."""
        self._link().require(OTHERS_SESSIONS)
        return await self._list(
            DetachedSessionsRequest(request_id="", node_id=self._node_id, everyone=True, usage=usage)
        )

    async def _list(self, request: DetachedSessionsRequest) -> tuple[DetachedSessionInfo, ...]:
        request.usage = request.usage and SESSION_USAGE in self._link().features
        answer: DetachedSessionsResponse = await self._ask(request, DetachedSessionsResponse)
        if answer.refused:
            raise refusal(answer.refused, self._node_id, self._named("look at sessions"))
        welcome = self._link().handshake.welcome
        me = welcome.principal if welcome is not None else ""
        check_sessions(answer.sessions, self._node_id, None if request.everyone else request.owner or me)
        return answer.sessions

    def _named(self, what: str) -> str:
        return f"{what} of {self._owner}" if self._owner else what

    async def kill(self, session_ref: str) -> str:
        """End a session; return the node's message."""
        request = DetachedSessionKillRequest(
            request_id="", node_id=self._node_id, session_ref=session_ref, owner=self._owner
        )
        answer: DetachedSessionKillResponse = await self._ask(request, DetachedSessionKillResponse)
        check_outcome(answer, self._node_id, self._named("end sessions"))
        return answer.message or ""

    async def detach(self, session_ref: str, timeout_seconds: int | None = None) -> str:
        """Detach a session; return its short id."""
        request = ActiveSessionDetachRequest(
            request_id="",
            node_id=self._node_id,
            session_ref=session_ref,
            timeout_seconds=timeout_seconds,
            owner=self._owner,
        )
        answer: ActiveSessionDetachResponse = await self._ask(request, ActiveSessionDetachResponse)
        check_outcome(answer, self._node_id, self._named("detach sessions"))
        check_detached(answer.short_id or "", session_ref)
        return answer.short_id or ""

    async def peek(self, session_ref: str, etag: str = "", *, with_history: bool = False) -> SessionScreen:
        """Return a session's screen."""
        features = self._link().features
        request = SessionScreenRequest(
            request_id="",
            node_id=self._node_id,
            session_ref=session_ref,
            etag=etag if SCREEN_ETAG in features else None,
            history=with_history and HISTORY in features,
            owner=self._owner,
        )
        answer: SessionScreenResponse = await self._ask(request, SessionScreenResponse)
        check_outcome(answer, self._node_id, self._named("look at sessions"))
        return SessionScreen.from_answer(answer)

    async def history(self, session_ref: str, end: int, lines: int) -> AsyncIterator[bytes]:
        """Yield the lines above a session's screen, in parts."""
        # Imported by those that use it: looking at a screen does not need it.
        from omnyshell.services.client.history import HistoryReader

        reader = HistoryReader(self._node_id, session_ref, end, lines, self._owner)
        self._link().codec.learn(reader.MESSAGES)
        while (request := reader.next_request()) is not None:
            yield reader.take(await self._ask(request, reader.ANSWER))

    async def processes(self) -> NodeProcesses:
        """Return what runs in the asker's own sessions, and in everyone's where it may see others'.

        Raises as `kill` does, and `SessionRejectedException` where hub or node do not tell.
        """
        # Imported by those that use it: looking at a screen does not need it.
        from omnyshell.protocol.messages import vitals

        connection = self._link()
        connection.require(VITALS)
        connection.codec.learn(vitals.MESSAGES)
        request = vitals.SessionProcessesRequest(request_id="", node_id=self._node_id)
        answer: vitals.SessionProcessesResponse = await self._ask(request, vitals.SessionProcessesResponse)
        check_outcome(answer, self._node_id, "look at sessions")
        if len(answer.processes) > vitals.MOST_PROCESSES:
            raise ProtocolException("has more than a node may tell of", field="processes")
        return NodeProcesses(answer.processes, answer.left_out)


def check_outcome(answer: Outcome, node_id: str, what: str) -> None:
    """Raise if a request about a node failed.

    The hub's text decides the exception; else it is `SessionRejectedException`.

    `what` names the request in the error, as in `end sessions`.
    """
    if not answer.ok:
        raise refusal(answer.message or "The request was refused", node_id, what)


def refusal(text: str, node_id: str, what: str) -> OmnyShellException:
    """Return the exception for a refusal, by its text, which does not name the request."""
    # The needed role may follow after a colon.
    error = _ERRORS.get(text.partition(":")[0], SessionRejectedException)
    if error is NodeUnavailableException:
        return error(f"No node '{node_id}' is connected")
    return error(text.replace("Not authorized", f"Not authorized to {what} on '{node_id}'", 1))
