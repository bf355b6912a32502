"""Requests about sessions that the hub relays to nodes, and their answers (docs/protocol.md#detached-sessions).

No I/O: it is fed with messages and a clock. Toward the node each request gets an id of the hub's own, so that the ids
of two clients cannot collide. An answer counts only from the connection that was asked.
"""

import logging
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from msgspec.structs import replace

from omnyshell.clock import Clock
from omnyshell.ids import IdFactory
from omnyshell.protocol.extensions import HISTORY, RIGHTS, SCREEN_ETAG
from omnyshell.protocol.limits import RELAYED_REQUEST_TIMEOUT
from omnyshell.protocol.messages import (
    ActiveSessionDetachRequest,
    ActiveSessionDetachResponse,
    ControlMessage,
    DetachedSessionKillRequest,
    DetachedSessionKillResponse,
    DetachedSessionsRequest,
    DetachedSessionsResponse,
    NodeActiveSessionDetach,
    NodeActiveSessionDetachResponse,
    NodeDetachedSessionKillRequest,
    NodeDetachedSessionKillResponse,
    NodeDetachedSessionsRequest,
    NodeDetachedSessionsResponse,
    NodeSessionScreenRequest,
    NodeSessionScreenResponse,
    SessionScreenRequest,
    SessionScreenResponse,
)
from omnyshell.protocol.messages.detached import Request
from omnyshell.protocol.messages.history import (
    NodeSessionHistoryRequest,
    NodeSessionHistoryResponse,
    SessionHistoryRequest,
    SessionHistoryResponse,
)
from omnyshell.services.hub.access.policy import HubPolicy
from omnyshell.services.hub.access.quota import Pool, Quota
from omnyshell.services.hub.access.rights import right_taken
from omnyshell.services.hub.audit.log import LONGEST_NAME, AuditLog
from omnyshell.services.hub.ground.event_bus import EventBus, KillEvent
from omnyshell.services.hub.ground.limits import Resource
from omnyshell.services.hub.ground.metrics import HubMetrics
from omnyshell.services.hub.nodes.directory import NodeDirectory, ReachableNode
from omnyshell.services.hub.peers.far_end import FarEnd
from omnyshell.services.hub.peers.peer import Peer
from omnyshell.services.hub.sessions.looks import Looks
from omnyshell.steps import step

logger = logging.getLogger("omnyshell.hub")

T = TypeVar("T")

MAX_PENDING_OF_CLIENT = 64
MAX_PENDING_AT_NODE = 512
"""Limits of pending requests, so that one client cannot fill the queue toward a node, which would cut the node off."""

MAX_AUDITED_REF = 64
MAX_AUDITED_REASON = 128

_LOOKS = (DetachedSessionsRequest, SessionScreenRequest, SessionHistoryRequest)

NODE_OFFLINE = "Node offline"
NOT_AUTHORIZED = "Not authorized"
NO_HISTORY = "The node keeps no history"
NO_REASON = "The node refused it"
TIMED_OUT = "Timed out"
TOO_MANY = "Too many requests at once"


class _Kind(NamedTuple):
    """The differences between the four kinds of request."""

    action: str
    ask: Callable[[Any, str, str], ControlMessage]
    """Makes the node's request from the client's, the hub's id and the principal."""

    answered_by: type[Request]
    tell: Callable[[Any, "_Pending"], ControlMessage]
    """Makes the client's answer from the node's."""

    refuse: Callable[[str, str], ControlMessage]
    """Makes the answer to a failed request, from the client's id and a text."""


def _list_kind() -> _Kind:
    return _Kind(
        "session.list",
        lambda _, id_, principal: NodeDetachedSessionsRequest(request_id=id_, principal=principal),
        NodeDetachedSessionsResponse,
        _tell_sessions,
        lambda id_, _: DetachedSessionsResponse(request_id=id_),
    )


def _kill_kind() -> _Kind:
    return _Kind(
        "session.kill",
        lambda ask, id_, principal: NodeDetachedSessionKillRequest(
            request_id=id_, principal=principal, session_ref=ask.session_ref
        ),
        NodeDetachedSessionKillResponse,
        lambda said, asked: DetachedSessionKillResponse(request_id=asked.id, ok=said.ok, message=said.message),
        lambda id_, text: DetachedSessionKillResponse(request_id=id_, message=text),
    )


def _detach_kind() -> _Kind:
    return _Kind(
        "session.detach",
        lambda ask, id_, principal: NodeActiveSessionDetach(
            request_id=id_, principal=principal, session_ref=ask.session_ref, timeout_seconds=ask.timeout_seconds
        ),
        NodeActiveSessionDetachResponse,
        lambda said, asked: ActiveSessionDetachResponse(
            request_id=asked.id, ok=said.ok, short_id=said.short_id, message=said.message
        ),
        lambda id_, text: ActiveSessionDetachResponse(request_id=id_, message=text),
    )


def _screen_kind() -> _Kind:
    return _Kind(
        "session.peek",
        lambda ask, id_, principal: NodeSessionScreenRequest(
            request_id=id_, principal=principal, session_ref=ask.session_ref, etag=ask.etag, history=ask.history
        ),
        NodeSessionScreenResponse,
        _tell_screen,
        lambda id_, text: SessionScreenResponse(request_id=id_, message=text),
    )


def _history_kind() -> _Kind:
    return _Kind(
        "session.peek",
        lambda ask, id_, principal: NodeSessionHistoryRequest(
            request_id=id_, principal=principal, session_ref=ask.session_ref, before=ask.before, lines=ask.lines
        ),
        NodeSessionHistoryResponse,
        lambda said, asked: SessionHistoryResponse(
            request_id=asked.id,
            ok=said.ok,
            message=said.message,
            lines=said.lines,
            count=said.count,
            before=said.before,
        ),
        lambda id_, text: SessionHistoryResponse(request_id=id_, message=text),
    )


def _tell_sessions(said: NodeDetachedSessionsResponse, asked: "_Pending") -> DetachedSessionsResponse:
    """Make the answer from a node's list, with its own sessions of the requested principal only."""
    owners = ("", asked.client.principal.id)
    mine = (replace(info, node_id=asked.request.node_id) for info in said.sessions if info.owner_user_id in owners)
    return DetachedSessionsResponse(request_id=asked.id, sessions=tuple(mine))


def _tell_screen(said: NodeSessionScreenResponse, asked: "_Pending") -> SessionScreenResponse:
    return SessionScreenResponse(
        request_id=asked.id,
        ok=said.ok,
        message=said.message,
        screen=said.screen,
        alt_screen=said.alt_screen,
        etag=said.etag,
        same=said.same,
        exit_code=said.exit_code,
        history_end=said.history_end,
    )


_KINDS: Mapping[type[ControlMessage], _Kind] = {
    DetachedSessionsRequest: _list_kind(),
    DetachedSessionKillRequest: _kill_kind(),
    ActiveSessionDetachRequest: _detach_kind(),
    SessionScreenRequest: _screen_kind(),
    SessionHistoryRequest: _history_kind(),
}


@dataclass(eq=False, slots=True)
class _Pending:
    """A request that a node has not answered yet."""

    kind: _Kind
    client: Peer
    request: Any
    node: FarEnd
    deadline: float
    shared: frozenset[str]
    """The extensions that client and node announced."""

    @property
    def id(self) -> str:
        """The request's id, as the client chose it."""
        return str(self.request.request_id)


class RelayedRequests:
    """Relays requests about sessions to their nodes: authorizes and audits them, and always answers them."""

    def __init__(
        self,
        *,
        nodes: NodeDirectory,
        policy: HubPolicy,
        quota: Quota,
        audit: AuditLog,
        metrics: HubMetrics,
        clock: Clock,
        new_id: IdFactory,
        bus: EventBus,
    ) -> None:
        self._bus = bus
        self._nodes = nodes
        self._policy = policy
        self._quota = quota
        self._audit = audit
        self._metrics = metrics
        self._clock = clock
        self._new_id = new_id
        self._pending: dict[str, _Pending] = {}
        self._of_peer: Counter[FarEnd] = Counter()
        self._of_principal: Counter[str] = Counter()
        self._looks = Looks(clock)

    def __len__(self) -> int:
        return len(self._pending)

    def ask(self, client: Peer, request: Any, _channel: int) -> None:
        """Relay a client's request about sessions to its node, or answer it at once."""
        kind = _KINDS[type(request)]
        node = self._nodes.find(request.node_id)
        if node is None or not node.peer.is_open:
            self._refuse(kind, client, request, NODE_OFFLINE)
        elif (denial := self._why_not(client, request, node)) is not None:
            self._deny(kind, client, request, denial)
        elif isinstance(request, SessionHistoryRequest) and HISTORY not in node.peer.features:
            self._refuse(kind, client, request, NO_HISTORY)
        elif why := self._why_too_many(client, node.peer):
            self._refuse(kind, client, request, why)
        else:
            self._pass_on(kind, client, request, node.peer)

    def _why_too_many(self, client: Peer, node: FarEnd) -> str:
        at_node = self._of_peer[node]
        if self._of_peer[client] >= MAX_PENDING_OF_CLIENT or at_node >= MAX_PENDING_AT_NODE:
            return TOO_MANY
        held, pool = self._of_principal[client.principal.id], Pool(MAX_PENDING_AT_NODE, at_node)
        return self._quota.problem(client.principal, Resource.PENDING, held, pool)

    def answer(self, node: FarEnd, message: Any) -> None:
        """Relay a node's answer to the client that asked; an unexpected one is dropped and counted."""
        pending = self._pending.get(message.request_id)
        if pending is None or pending.node is not node or type(message) is not pending.kind.answered_by:
            self._metrics.frames_dropped += 1
            return
        self._forget(message.request_id, pending)
        step(logger, "answer passed on", peer=pending.client.id, node_id=pending.request.node_id, request=pending.id)
        if isinstance(message, NodeSessionScreenResponse):
            if HISTORY not in pending.shared:
                message.history_end = None
            if SCREEN_ETAG not in pending.shared:
                message.etag, message.same, message.exit_code = None, False, None
            elif message.same:
                # The screen is unchanged, so the audit has a record of this view already.
                pending.client.send(pending.kind.tell(message, pending))
                return
        ok = getattr(message, "ok", True)
        if ok and isinstance(message, NodeDetachedSessionKillResponse):
            asked = pending.request
            self._bus.publish(KillEvent(asked.node_id, pending.client.principal.id, asked.session_ref))
        if not ok:
            message.message = message.message or NO_REASON
            self._record(pending.kind, pending.client, pending.request, "error", message.message[:MAX_AUDITED_REASON])
        else:
            self._record(pending.kind, pending.client, pending.request, "ok")
        pending.client.send(pending.kind.tell(message, pending))

    def enforce(self, applies: "Callable[[_Pending], bool]" = lambda _: True) -> None:
        """Check pending requests again, after rights have changed; refuse those that are no longer allowed."""
        for id_, pending in self._where(applies):
            node = self._nodes.find(pending.request.node_id)
            if node is None or node.peer is not pending.node:
                continue
            why = self._why_not(pending.client, pending.request, node)
            if why is not None:
                self._forget(id_, pending)
                self._deny(pending.kind, pending.client, pending.request, why)

    def client_gone(self, client: Peer) -> None:
        """Drop the pending requests of a client whose connection ended."""
        self._looks.left(client)
        for id_, pending in self._where(lambda pending: pending.client is client):
            self._forget(id_, pending)
            self._record(pending.kind, client, pending.request, "error", "client gone")

    def node_gone(self, node: FarEnd) -> None:
        """Fail the pending requests to a node whose connection ended."""
        self._give_up(lambda pending: pending.node is node)

    def expire(self, now: float) -> None:
        """Fail overdue requests; `now` on the monotonic clock."""
        self._give_up(lambda pending: now >= pending.deadline)

    def _why_not(self, client: Peer, request: Any, node: ReachableNode) -> str | None:
        """The reason for a refusal; None if the client has the right that the request needs."""
        decision = self._policy.decide(client.principal, right_taken(type(request)), node)
        return None if decision.allowed else self._policy.reason(client.principal, node, decision)

    def _pass_on(self, kind: _Kind, client: Peer, request: Any, node: FarEnd) -> None:
        shared = frozenset(client.features) & frozenset(node.features)
        if isinstance(request, SessionScreenRequest):
            request.etag = request.etag if SCREEN_ETAG in shared else None
            request.history = request.history and HISTORY in shared
        id_ = self._new_id()
        deadline = self._clock.monotonic() + RELAYED_REQUEST_TIMEOUT
        self._pending[id_] = _Pending(kind, client, request, node, deadline, shared)
        self._of_peer.update((client, node))
        self._of_principal[client.principal.id] += 1
        asked = {"node_id": request.node_id, "request": request.request_id, "detail": kind.action}
        step(logger, "request passed on", peer=client.id, principal=client.principal.id, **asked)
        node.send(kind.ask(request, id_, client.principal.id))

    def _give_up(self, applies: Callable[[_Pending], bool]) -> None:
        for id_, pending in self._where(applies):
            self._forget(id_, pending)
            self._refuse(pending.kind, pending.client, pending.request, TIMED_OUT)

    def _where(self, applies: Callable[[_Pending], bool]) -> list[tuple[str, _Pending]]:
        return [(id_, pending) for id_, pending in self._pending.items() if applies(pending)]

    def _forget(self, id_: str, pending: _Pending) -> None:
        del self._pending[id_]
        _count_down(self._of_peer, pending.client)
        _count_down(self._of_peer, pending.node)
        _count_down(self._of_principal, pending.client.principal.id)

    def _deny(self, kind: _Kind, client: Peer, request: Any, why: str) -> None:
        self._record(kind, client, request, "denied", NOT_AUTHORIZED)
        answer = kind.refuse(request.request_id, NOT_AUTHORIZED + why)
        if isinstance(answer, DetachedSessionsResponse) and RIGHTS in client.features:
            answer.refused = NOT_AUTHORIZED + why
        client.send(answer)

    def _refuse(self, kind: _Kind, client: Peer, request: Any, text: str) -> None:
        self._record(kind, client, request, "error", text)
        client.send(kind.refuse(request.request_id, text))

    def _record(self, kind: _Kind, client: Peer, request: Any, outcome: str, reason: str = "") -> None:
        right = right_taken(type(request)) if outcome == "denied" else ""
        node_id, ref = request.node_id[:LONGEST_NAME], getattr(request, "session_ref", "")[:MAX_AUDITED_REF]
        if isinstance(request, _LOOKS) and self._looks.repeats(client, (node_id, ref, outcome, reason)):
            return
        self._audit.record(
            kind.action,
            outcome,
            principal=client.principal.id,
            address=client.address,
            node_id=node_id,
            reason=reason,
            detail=" ".join(filter(None, (right, ref))),
        )


def _count_down(counts: Counter[T], key: T) -> None:
    counts[key] -= 1
    if not counts[key]:
        del counts[key]
