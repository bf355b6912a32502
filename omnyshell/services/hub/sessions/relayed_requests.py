"""Requests about sessions that the hub relays to nodes, and their answers (docs/protocol.md#detached-sessions).

No I/O: it is fed with messages and a clock. Toward the node each request gets an id of the hub's own, so that the ids
of two clients cannot collide. An answer counts only from the connection that was asked.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, TypeVar

from msgspec.structs import replace

from omnyshell.clock import Clock
from omnyshell.ids import IdFactory, matches_ref
from omnyshell.model.grammars import is_principal
from omnyshell.protocol.extensions import HISTORY, LOGINS, RIGHTS, SCREEN_ETAG, SESSION_USAGE
from omnyshell.protocol.limits import RELAYED_REQUEST_TIMEOUT
from omnyshell.protocol.messages import (
    ActiveSessionDetachRequest,
    ControlMessage,
    DetachedSessionKillRequest,
    DetachedSessionKillResponse,
    DetachedSessionsRequest,
    DetachedSessionsResponse,
    NodeDetachedSessionKillResponse,
    NodeSessionScreenRequest,
    NodeSessionScreenResponse,
    SessionScreenRequest,
    SessionScreenResponse,
)
from omnyshell.protocol.messages.history import (
    NodeSessionHistoryRequest,
    NodeSessionHistoryResponse,
    SessionHistoryResponse,
)
from omnyshell.security.authorizer import Action
from omnyshell.services.hub.access.policy import HubPolicy
from omnyshell.services.hub.access.quota import Pool, Quota
from omnyshell.services.hub.access.rights import owner_of, rights_taken, whose_for_audit
from omnyshell.services.hub.audit.log import LONGEST_NAME, AuditLog
from omnyshell.services.hub.ground.event_bus import EventBus, KillEvent
from omnyshell.services.hub.ground.limits import Resource
from omnyshell.services.hub.ground.metrics import HubMetrics
from omnyshell.services.hub.nodes.directory import NodeDirectory, ReachableNode
from omnyshell.services.hub.peers.far_end import FarEnd
from omnyshell.services.hub.peers.peer import Peer
from omnyshell.services.hub.sessions.acts import Acts
from omnyshell.services.hub.sessions.looks import Looks
from omnyshell.services.hub.sessions.request_kinds import (
    LOOKS,
    LOOKS_AT_ONE,
    NO_REASON,
    NO_SUCH_OWNER,
    NODE_OFFLINE,
    NOT_AUTHORIZED,
    TIMED_OUT,
    TOO_MANY,
    TOO_OLD,
    RequestKind,
    kind_of,
)
from omnyshell.services.hub.sessions.route import Session
from omnyshell.services.hub.sessions.translation import asker
from omnyshell.services.hub.sessions.watchers import Watchers
from omnyshell.steps import step

logger = logging.getLogger("omnyshell.hub")

T = TypeVar("T")

_SHOWN = (
    NodeSessionScreenResponse,
    NodeSessionHistoryResponse,
    SessionScreenResponse,
    SessionHistoryResponse,
)
"""Answers that show what is in a session."""

MAX_PENDING_OF_CLIENT = 64
MAX_PENDING_AT_NODE = 512
"""Limits of pending requests, so that one client cannot fill the queue toward a node, which would cut the node off."""

MAX_AUDITED_REF = 64
MAX_AUDITED_REASON = 128


@dataclass(eq=False, slots=True)
class _Pending:
    """A request that a node has not answered yet."""

    kind: RequestKind
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

    @property
    def owner(self) -> str:
        """Whose sessions it is about."""
        return owner_of(self.request, self.client.principal)

    @property
    def is_others(self) -> bool:
        """Whether it is about sessions that are not the client's own."""
        return self.owner != self.client.principal.id


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
        self._watchers = Watchers(bus, clock)
        self._acts = Acts(clock)

    def __len__(self) -> int:
        return len(self._pending)

    def ask(self, client: Peer, request: Any, _channel: int) -> None:
        """Relay a client's request about sessions to its node, or answer it at once."""
        kind = kind_of(request)
        node = self._nodes.find(request.node_id)
        if node is None or not node.peer.is_open:
            self._refuse(kind, client, request, NODE_OFFLINE)
        elif not is_principal(owner_of(request, client.principal)):
            self._refuse(kind, client, request, NO_SUCH_OWNER)
        elif (denial := self._why_not(client, request, node)) is not None:
            self._deny(kind, client, request, *denial)
        elif why := _unserved(kind, node.peer) or self._why_too_many(client, node.peer):
            self._refuse(kind, client, request, why)
        else:
            self._pass_on(kind, client, request, node)

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
        self._answered(pending, message, lambda said: pending.kind.tell(said, pending))

    def answered_by_hub(self, hub: str, message: Any) -> None:
        """Relay another hub's answer, which is one to a client already; an unexpected one is dropped and counted."""
        pending = self._pending.get(getattr(message, "request_id", ""))
        if pending is None or pending.node.hub != hub or type(message) is not pending.kind.told_as:
            self._metrics.frames_dropped += 1
            return
        self._answered(pending, message, lambda said: replace(said, request_id=pending.id))

    def _answered(self, pending: _Pending, message: Any, tell: Callable[[Any], ControlMessage]) -> None:
        self._forget(message.request_id, pending)
        step(logger, "answer passed on", peer=pending.client.id, node_id=pending.request.node_id, request=pending.id)
        self._note_look(pending, message)
        if isinstance(message, NodeSessionScreenResponse | SessionScreenResponse):
            if HISTORY not in pending.shared:
                message.history_end = None
            if SCREEN_ETAG not in pending.shared:
                message.etag, message.same, message.exit_code = None, False, None
            message.same = message.same and pending.request.etag is not None
            if message.same:
                message.screen = None
                # The screen is unchanged, so the audit has a record of this view already.
                pending.client.send(tell(message))
                return
        ok = getattr(message, "ok", True)
        if ok and isinstance(pending.request, DetachedSessionKillRequest | ActiveSessionDetachRequest):
            ref = getattr(message, "short_id", None) or pending.request.session_ref
            self._acts.note(pending.request.node_id, pending.owner, ref, pending.client.principal.id)
        if ok and isinstance(message, NodeDetachedSessionKillResponse | DetachedSessionKillResponse):
            asked = pending.request
            self._bus.publish(KillEvent(asked.node_id, pending.owner, asked.session_ref))
        if not ok:
            message.message = message.message or NO_REASON
            self._record(pending.kind, pending.client, pending.request, "error", message.message[:MAX_AUDITED_REASON])
        else:
            self._record(pending.kind, pending.client, pending.request, "ok")
        pending.client.send(tell(message))

    def _note_look(self, pending: _Pending, message: Any) -> None:
        """Note that a client is shown what is, or was, on the screen of a session of somebody else."""
        if isinstance(message, _SHOWN) and message.ok:
            asked = pending.request
            if pending.is_others:
                self._watchers.looked(asked.node_id, pending.owner, asked.session_ref, pending.client.principal.id)

    def enforce(self, applies: "Callable[[_Pending], bool]" = lambda _: True) -> None:
        """Check pending requests again, after rights have changed; refuse those that are no longer allowed."""
        for id_, pending in self._where(applies):
            node = self._nodes.find(pending.request.node_id)
            if node is None or node.peer is not pending.node:
                continue
            why = self._why_not(pending.client, pending.request, node)
            if why is not None:
                self._forget(id_, pending)
                self._deny(pending.kind, pending.client, pending.request, *why)

    def acting_on(self, session: Session) -> Iterator[str]:
        """Yield the principals that are having a session ended or detached now, or were told just now that it is."""
        at_node = (
            pending
            for pending in self._pending.values()
            if pending.request.node_id == session.node_id and pending.owner == session.principal
        )
        now = (
            pending.client.principal.id
            for pending in at_node
            if isinstance(pending.request, DetachedSessionKillRequest | ActiveSessionDetachRequest)
            and _means(pending.request.session_ref, session)
        )
        return chain(now, self._acts.on(session))

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
        self._watchers.expire(now)
        self._acts.expire(now)

    def _why_not(self, client: Peer, request: Any, node: ReachableNode) -> tuple[Action, str] | None:
        """The right that is missing, and the reason; None if the client has all rights that the request needs."""
        for right in rights_taken(request, client.principal):
            decision = self._policy.decide(client.principal, right, node)
            if not decision.allowed:
                return right, self._policy.reason(client.principal, node, decision)
        return self._why_nobody(client, request, node) if isinstance(request, LOOKS_AT_ONE) else None

    def _why_nobody(self, client: Peer, request: Any, node: ReachableNode) -> tuple[Action, str] | None:
        """The right, and the reason, where grants narrow a look at a session to users that cannot be."""
        right, *_ = rights_taken(request, client.principal)
        logins = self._logins(client, request, node)
        if logins is None or (logins and LOGINS in node.peer.features):
            return None
        return right, f": {TOO_OLD if logins else 'grants name nobody whose it may be'}"

    def _logins(self, client: Peer, request: Any, node: ReachableNode) -> frozenset[str] | None:
        return self._policy.logins_of_all(client.principal, rights_taken(request, client.principal), node)

    def _pass_on(self, kind: RequestKind, client: Peer, request: Any, reachable: ReachableNode) -> None:
        node = reachable.peer
        shared = frozenset(client.features) & frozenset(node.features)
        if isinstance(request, DetachedSessionsRequest):
            request.usage = request.usage and SESSION_USAGE in shared
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
        ask = kind.ask(request, id_, owner_of(request, client.principal))
        if isinstance(ask, NodeSessionScreenRequest | NodeSessionHistoryRequest) and LOGINS in node.features:
            ask.asker = asker(client.principal, self._logins(client, request, reachable) or ())
        reachable.ask(client, replace(request, request_id=id_), ask)

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

    def _deny(self, kind: RequestKind, client: Peer, request: Any, right: Action, why: str) -> None:
        self._record(kind, client, request, "denied", NOT_AUTHORIZED, right)
        answer = kind.refuse(request.request_id, NOT_AUTHORIZED + why)
        if isinstance(answer, DetachedSessionsResponse) and RIGHTS in client.features:
            answer.refused = NOT_AUTHORIZED + why
        client.send(answer)

    def _refuse(self, kind: RequestKind, client: Peer, request: Any, text: str) -> None:
        self._record(kind, client, request, "error", text)
        client.send(kind.refuse(request.request_id, text))

    def _record(
        self, kind: RequestKind, client: Peer, request: Any, outcome: str, reason: str = "", right: str = ""
    ) -> None:
        owner = owner_of(request, client.principal)
        node_id, ref = request.node_id[:LONGEST_NAME], getattr(request, "session_ref", "")[:MAX_AUDITED_REF]
        if isinstance(request, LOOKS) and self._looks.repeats(client, (node_id, owner, ref, outcome, reason)):
            return
        self._audit.record(
            kind.action,
            outcome,
            principal=client.principal.id,
            address=client.address,
            node_id=node_id,
            reason=reason,
            detail=" ".join(filter(None, (right, ref, whose_for_audit(request, client.principal)))),
        )


def _means(ref: str, session: Session) -> bool:
    """Whether a reference may mean the session; an empty one means the only one that is attached."""
    return not ref or matches_ref(session.id, ref)


def _unserved(kind: RequestKind, node: FarEnd) -> str:
    """Why a node is not asked, as it lacks an extension; "" if it has what it takes."""
    return kind.without if kind.needs and kind.needs not in node.features else ""


def _count_down(counts: Counter[T], key: T) -> None:
    counts[key] -= 1
    if not counts[key]:
        del counts[key]
