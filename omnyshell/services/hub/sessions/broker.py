"""Opens sessions, and ends them when their client or node is lost (docs/protocol.md#sessions).

No I/O: it is fed with messages and a clock, sends through `Peer`, and never waits.
"""

import logging
import math
from collections.abc import Callable, Iterable
from datetime import datetime

from omnyshell.clock import Clock
from omnyshell.errors import ErrorCodes, SessionRejectedException
from omnyshell.ids import IdFactory, matches_ref, normal_id, short_id
from omnyshell.model.sessions import CloseReason, SessionState
from omnyshell.protocol.extensions import FORWARD_AHEAD, OTHERS_SESSIONS
from omnyshell.protocol.limits import SESSION_OPEN_TIMEOUT
from omnyshell.protocol.messages import (
    ChannelClose,
    ControlMessage,
    NodeSessionDetach,
    NodeSessionDetached,
    NodeSessionOpened,
    NodeSessionRejected,
    SessionDetached,
    SessionDetachRequest,
    SessionOpen,
    SessionRejected,
)
from omnyshell.protocol.messages.clipboard import SessionClipboard
from omnyshell.services.hub.access.policy import HubPolicy
from omnyshell.services.hub.access.quota import Quota
from omnyshell.services.hub.access.rights import owner_of, whose_for_audit
from omnyshell.services.hub.audit.commands import audited_command
from omnyshell.services.hub.audit.log import AuditLog
from omnyshell.services.hub.ground.event_bus import EventBus, SessionEvent
from omnyshell.services.hub.ground.metrics import HubMetrics
from omnyshell.services.hub.nodes.directory import NodeDirectory
from omnyshell.services.hub.peers.far_end import FarEnd
from omnyshell.services.hub.peers.peer import Peer
from omnyshell.services.hub.sessions.admission import Admitted, NotAllowedException, SessionAdmission, has_offsets
from omnyshell.services.hub.sessions.clipboards import ClipboardNotes
from omnyshell.services.hub.sessions.kept import KeptSessions
from omnyshell.services.hub.sessions.relay import ClientEnd, NodeEnd, Relay
from omnyshell.services.hub.sessions.route import Session, SessionRoute
from omnyshell.services.hub.sessions.router import SessionRouter
from omnyshell.services.hub.sessions.translation import (
    AUDITED_AS,
    SHOWN_NAME_LENGTH,
    carried_by,
    client_answer,
    node_request,
    shown_command,
    shown_target,
)
from omnyshell.steps import step

logger = logging.getLogger("omnyshell.hub")


class HubBroker:
    """Brokers sessions between clients and nodes."""

    def __init__(
        self,
        *,
        nodes: NodeDirectory,
        router: SessionRouter,
        relay: Relay,
        audit: AuditLog,
        metrics: HubMetrics,
        clock: Clock,
        new_id: IdFactory,
        policy: HubPolicy,
        quota: Quota,
        kept: KeptSessions,
        clipboards: ClipboardNotes,
        acting_on: Callable[[Session], Iterable[str]],
        bus: EventBus,
    ) -> None:
        """`acting_on` returns the principals that are having a session ended or detached now."""
        self._acting_on = acting_on
        self._kept = kept
        self._clipboards = clipboards
        self._router = router
        self._relay = relay
        self._audit = audit
        self._metrics = metrics
        self._clock = clock
        self._new_id = new_id
        self._admission = SessionAdmission(nodes=nodes, router=router, policy=policy, quota=quota)
        self._bus = bus

    # From clients

    def open(self, client: Peer, request: SessionOpen, channel: int) -> None:
        """Open a session, or reject it with the first reason that applies."""
        self.open_as(client, request, channel, self._new_id())

    def lacks_right(self, client: Peer, request: SessionOpen, channel: int) -> bool:
        """Return whether a session would be rejected as a right is missing, before any other reason."""
        request.node_id = request.node_id.strip()
        try:
            self._admission.check(client, channel, request)
        except NotAllowedException:
            return True
        except SessionRejectedException:
            return False
        return False

    def open_as(self, client: Peer, request: SessionOpen, channel: int, id_: str) -> None:
        """Open a session of that id, or reject it: another hub has chosen the id, which may be in use here."""
        request.node_id = request.node_id.strip()
        try:
            self._check_id(id_)
            node, right, logins, instead_of, with_agent = self._admitted(client, channel, request)
        except SessionRejectedException as exc:
            exc.unused = request.ahead
            asked = request.node_id[:SHOWN_NAME_LENGTH]
            step(logger, "session refused", peer=client.id, node_id=asked, channel=channel, reason=exc.code)
            whose = whose_for_audit(request, client.principal)
            command = self._command_of(request) or shown_target(request)
            self._reject(client, channel, request.node_id, exc, command, whose)
            return
        route = SessionRoute(
            right=right,
            logins=logins,
            user=request.user or "",
            session=Session(
                id=id_,
                node_id=node.node_id,
                principal=owner_of(request, client.principal),
                mode=request.mode,
                created_at=self._clock.now(),
                command=shown_command(request),
            ),
            client=client,
            client_channel=channel,
            node=node.peer,
            node_channel=node.allocate_channel(),
            open_deadline=math.inf if request.ahead else self._open_deadline(),
            asked_id=id_,
            resumes=request.resume_session_id,
            instead_of=instead_of,
            with_agent=with_agent,
            has_offsets=has_offsets(client, node, request),
            audited_command=self._command_of(request) or shown_target(request),
            target=shown_target(request),
            is_ahead=request.ahead,
        )
        permission = self._router.forward_of(client, request)
        if permission is not None:
            permission.connect(route)
        self._router.add(ClientEnd(route, self._relay, self), NodeEnd(route, self._relay, self))
        if not route.is_ahead:
            self._node_may_start(route)
        self._tell(route)
        route.step("resume asked of the node" if route.is_resume else "session asked of the node")
        node.open(client, request, node_request(request, route), route.node_channel)

    def used(self, route: SessionRoute) -> None:
        """A connection that was asked for ahead is used, so that its node makes it now."""
        self._router.used(route, self._open_deadline())
        self._node_may_start(route)

    def _node_may_start(self, route: SessionRoute) -> None:
        if not route.node.hub:
            self._kept.asked(route)

    def close_from_client(self, route: SessionRoute, message: ChannelClose) -> None:
        """The client closes: tell the node, ahead of data that still waits."""
        route.client.discard(route.client_channel)
        if message.reason != CloseReason.CLIENT_DISCONNECTED:
            self._end_connections(route, "The forward was closed")
        self._finish(route, self._leave_at_node(route, message).reason)

    def detach(self, route: SessionRoute, message: SessionDetachRequest) -> None:
        """The client detaches: ask the node, which answers on the channel."""
        route.step("detaching asked of the node")
        ask = NodeSessionDetach(
            session_id=route.asked_id,
            principal=route.session.principal,
            # When it ends by itself is its owner's to say.
            timeout_seconds=None if route.is_others else message.timeout_seconds,
        )
        route.node.send(ask, route.node_channel)

    def clipboard_written(self, route: SessionRoute, message: SessionClipboard) -> None:
        """The client reports a write of the session's program to its clipboard: audit it."""
        self._clipboards.noted(route, message)

    # From nodes

    def detached(self, route: SessionRoute, message: NodeSessionDetached, taken_by: str = "") -> None:
        """The node has detached a session: tell the client after the last output, and end its channel.

        `taken_by` is who has it now, if another hub says so.
        """
        # The hub knows which session has the channel. If the node names another, the client must not resume that one.
        id_ = route.session.id
        shortened = message.short_id if matches_ref(id_, message.short_id) else short_id(id_)
        told = SessionDetached(session_id=id_, short_id=shortened, expires_at=message.expires_at)
        taker = taken_by or self._other_than_client(
            route, (*self._router.takers_of(route), *self._acting_on(route.session))
        )
        if OTHERS_SESSIONS in route.client.features:
            told.taken_by = taker
        if not self._told_last(route, told):
            return
        route.becomes(SessionState.DETACHED, "session detached")
        self._remove(route)
        self._tell(route, expires_at=message.expires_at)
        self._audit_session("session.detach", route, more=f"taken by {taker}" if taker else "")

    def opened(self, route: SessionRoute, message: NodeSessionOpened) -> None:
        """The node has started the requested session."""
        if route.is_ahead:
            # Whatever its node thinks of that: what is open is used.
            self.used(route)
        session = route.session
        why = self._why_not_it(route, message) or self._why_no_place(route, message)
        if why:
            self._end_at_node(route, ChannelClose(reason=CloseReason.ERROR, message="That session is not this one"))
            self._reject_route(route, ErrorCodes.SESSION_REJECTED, why)
            return
        session.id, route.as_user = message.session_id, message.user
        route.becomes(SessionState.OPEN, "session open")
        self._metrics.sessions_opened += 1
        if not route.node.hub:
            self._kept.opened(route)
        self._tell(route)
        if route.is_connection:
            self._audit_connection(route)
        else:
            action = "session.resume" if route.is_resume else AUDITED_AS.get(session.mode, "session.open")
            self._audit_session(action, route, more=f"as {route.as_user}" if route.as_user else "")
        route.client.send_in_order(client_answer(message, route), route.client_channel)

    def rejected(self, route: SessionRoute, message: NodeSessionRejected) -> None:
        """The node has refused the requested session."""
        self._kept.ended(route.session.node_id, route.asked_id)
        self._reject_route(route, message.reason, message.message, unused=message.unused)

    def exited(self, route: SessionRoute) -> None:
        """Note that the program of an open session has ended."""
        route.step("session's program ended")
        route.has_exited = True
        self._kept.ended(route.session.node_id, route.session.id)

    def close_from_node(self, route: SessionRoute, message: ChannelClose) -> None:
        """The session ended: tell the client after the last output."""
        self._end_connections(route, "The node has ended the forward")
        if route.is_open:
            ender = self._other_than_client(route, self._acting_on(route.session))
            if message.reason == CloseReason.NODE_CLOSED and ender:
                message = ChannelClose(reason=message.reason, message=f"{ender} ended this session")
            if self._told_last(route, message):
                self._finish(route, message.reason)
        else:
            self._reject_route(route, ErrorCodes.SESSION_REJECTED, message.message or "The node closed the channel")

    # From the hub

    def client_gone(self, client: Peer) -> None:
        """End or detach the sessions of a client whose connection ended."""
        for route in _connections_first(self._router.of_peer(client)):
            self._end_at_node(route, ChannelClose(reason=CloseReason.CLIENT_DISCONNECTED))
            self._finish(route, CloseReason.CLIENT_DISCONNECTED)

    def node_gone(self, node: FarEnd) -> None:
        """End the sessions at a node whose connection ended."""
        for route in _connections_first(self._router.of_peer(node)):
            text = f"The node {route.session.node_id} disconnected"
            if route.is_open:
                close = ChannelClose(reason=CloseReason.NODE_CLOSED, message=text)
                if self._told_last(route, close):
                    self._finish(route, CloseReason.NODE_CLOSED)
            else:
                self._reject_route(route, ErrorCodes.NODE_OFFLINE, text)

    def node_became_another(self, node: FarEnd) -> None:
        """End the sessions of a node's connection that changed its id: they were opened at the old id."""
        for route in self._router.of_peer(node):
            self.end(route, CloseReason.NODE_CLOSED, f"The node {route.session.node_id} has another id now")

    def fail_route(self, route: SessionRoute) -> None:
        """End a session at both ends, as one of them sent more than its credit."""
        self._end_both(route, "More data than the credit allows")

    def _end_both(self, route: SessionRoute, why: str) -> None:
        close = ChannelClose(reason=CloseReason.ERROR, message=why)
        route.client.discard(route.client_channel)
        route.client.send_in_order(close, route.client_channel)
        self._leave_at_node(route, close)
        self._finish(route, CloseReason.ERROR)

    def end(self, route: SessionRoute, reason: str, text: str) -> None:
        """End a session and its program on the hub's decision, and tell its client why. Idempotent."""
        if not self._router.is_carried(route):
            return
        self._end_connections(route, text)
        close = ChannelClose(reason=reason, message=text)
        route.client.discard(route.client_channel)
        if route.is_open:
            route.client.send_in_order(close, route.client_channel)
        else:
            rejected = SessionRejected(reason=ErrorCodes.NOT_AUTHORIZED, message=text, unused=route.is_ahead)
            route.client.send_in_order(rejected, route.client_channel)
        # This reason means that the client left on purpose, so the node keeps nothing.
        self._end_at_node(route, ChannelClose(reason=CloseReason.CLIENT_CLOSED))
        self._finish(route, reason)

    def _end_connections(self, route: SessionRoute, text: str) -> None:
        """End what was made under a permission that is no more."""
        for connection in list(route.connections):
            self.end(connection, CloseReason.ERROR, text)

    def take_away(self, route: SessionRoute, text: str) -> None:
        """End a session whose client may not have it any more; one of somebody else's goes on without the client."""
        if not route.is_others:
            self.end(route, CloseReason.ERROR, text)
            return
        close = ChannelClose(reason=CloseReason.ERROR, message=text)
        route.client.discard(route.client_channel)
        route.client.send_in_order(close, route.client_channel)
        self._end_at_node(route, ChannelClose(reason=CloseReason.CLIENT_DISCONNECTED))
        self._finish(route, CloseReason.CLIENT_DISCONNECTED)

    def flooded(self, route: SessionRoute) -> None:
        """End a session at both ends, as too many messages wait for one of them."""
        if route.is_open:
            self._end_both(route, "More than the other end takes")
        else:
            self._reject_route(route, ErrorCodes.CAPACITY_EXCEEDED, "The node does not take requests fast enough")

    def expire(self, now: float) -> None:
        """Reject sessions that nodes have not answered in time; `now` on the monotonic clock."""
        late = [route for route in self._router if not route.is_open and now >= route.open_deadline]
        for route in filter(self._router.is_carried, late):
            # The node may still start the session; the close tells it not to keep it.
            self._leave_at_node(route, ChannelClose(reason=CloseReason.ERROR, message="Opened too late"))
            self._reject_route(route, ErrorCodes.TIMEOUT, f"The node {route.session.node_id} did not answer")

    # The rest

    def _open_deadline(self) -> float:
        return self._clock.monotonic() + SESSION_OPEN_TIMEOUT

    @staticmethod
    def _other_than_client(route: SessionRoute, names: Iterable[str]) -> str:
        """Return the first of these principals that is not the one who has the session; "" if none is."""
        return next((name for name in names if name != route.client.principal.id), "")

    def _tell(self, route: SessionRoute, reason: str = "", expires_at: datetime | None = None) -> None:
        if self._bus.is_heard and not route.is_connection:
            self._bus.publish(SessionEvent(route.describe(), route.asked_id, reason, expires_at))

    def _told_last(self, route: SessionRoute, message: ControlMessage) -> bool:
        """Send the client its last message; return False if that flooded the channel, which has ended the route."""
        route.client.send_in_order(message, route.client_channel)
        return self._router.is_carried(route)

    def _why_not_it(self, route: SessionRoute, message: NodeSessionOpened) -> str:
        """Why a node's answer is about another session than the one that was asked for; "" where it may be that."""
        named = message.session_id
        if message.user and not route.is_as_asked(message.user):
            return "The node opened it as another user than the one that was asked for"
        if route.resumes is not None and not matches_ref(named, route.resumes):
            return "The node named another session than the one that was asked for"
        is_anothers = named != route.asked_id and self._is_anothers(named, route.session)
        return "The node named a session of somebody else" if is_anothers else ""

    def _why_no_place(self, route: SessionRoute, message: NodeSessionOpened) -> str:
        """Why what was given another's place has none; "" where it has that now, or one of its own."""
        before, route.instead_of = route.instead_of, None
        if before is None or not self._router.is_carried(before):
            return ""
        if normal_id(before.session.id) == normal_id(message.session_id):
            # What its channel is told of that may come later, or never.
            self.detached(before, NodeSessionDetached(session_id=before.asked_id, short_id=short_id(before.session.id)))
            return ""
        try:
            self._admission.check_place(route)
        except SessionRejectedException as exc:
            return str(exc)
        return ""

    def _admitted(self, client: Peer, channel: int, request: SessionOpen) -> Admitted:
        """Return what `SessionAdmission.check` does.

        Where a limit is met, what the principal asked for ahead, and has not used, gives its places back first.
        """
        try:
            return self._admission.check(client, channel, request)
        except SessionRejectedException as exc:
            unused = self._router.ahead_of(client.principal.id)
            if exc.code != ErrorCodes.CAPACITY_EXCEEDED or request.ahead or not unused:
                raise
        for route in unused:
            self.end(route, CloseReason.ERROR, "Its place was needed")
        return self._admission.check(client, channel, request)

    def _remove(self, route: SessionRoute) -> None:
        """Remove a route, and what was asked for ahead under it and is not used, however the route has ended."""
        for unused in [each for each in route.connections if each.is_ahead]:
            self.end(unused, CloseReason.ERROR, "The forward is over")
        self._router.remove(route)

    def _check_id(self, id_: str) -> None:
        if self._router.carried(id_) is not None:
            raise SessionRejectedException("A session of this id is there", code=ErrorCodes.BAD_REQUEST)

    def _is_anothers(self, session_id: str, session: Session) -> bool:
        """Whether a node named a session that is open at another node, or belongs to another principal."""
        named = (route.session for route in self._router if normal_id(route.session.id) == normal_id(session_id))
        return any((one.node_id, one.principal) != (session.node_id, session.principal) for one in named)

    def _command_of(self, request: SessionOpen) -> str:
        return audited_command(request.command, request.args, self._audit.commands)

    def _reject(
        self, client: Peer, channel: int, node_id: str, why: SessionRejectedException, command: str, whose: str
    ) -> None:
        right = why.right if isinstance(why, NotAllowedException) else ""
        self._metrics.sessions_rejected += 1
        self._audit.record(
            "session.rejected",
            "denied",
            principal=client.principal.id,
            address=client.address,
            node_id=node_id[:SHOWN_NAME_LENGTH],
            reason=why.code,
            detail=" ".join(filter(None, (right, whose))),
            command=command,
        )
        unused = why.unused and FORWARD_AHEAD in client.features
        client.send_in_order(SessionRejected(reason=why.code, message=why.message, unused=unused), channel)

    def _reject_route(self, route: SessionRoute, reason: str, text: str, *, unused: bool = False) -> None:
        """Reject a session that is not open; `unused` says that the node knows of no use, where this hub passed one."""
        self._end_connections(route, text)
        route.becomes(SessionState.CLOSED, "session rejected", reason)
        self._remove(route)
        self._tell(route, reason)
        why = SessionRejectedException(text, code=reason, unused=unused or route.is_ahead)
        whose = f"of {route.session.principal}" if route.is_others else ""
        self._reject(route.client, route.client_channel, route.session.node_id, why, route.audited_command, whose)

    def _leave_at_node(self, route: SessionRoute, close: ChannelClose) -> ChannelClose:
        """Tell the node that the client has a session no longer; return what it was told.

        Leaving what was taken over does not end it, whatever the client did: that is its owner's, and takes another
        right.
        """
        if route.is_others and not route.has_exited:
            close = ChannelClose(reason=CloseReason.CLIENT_DISCONNECTED)
        self._end_at_node(route, close)
        return close

    def _end_at_node(self, route: SessionRoute, close: ChannelClose) -> None:
        if close.reason != CloseReason.CLIENT_DISCONNECTED:
            self._kept.closed(route)
        route.node.discard(route.node_channel)
        route.node.send(close, route.node_channel)

    def _finish(self, route: SessionRoute, reason: str) -> None:
        route.becomes(SessionState.CLOSED, "session closed", reason)
        self._remove(route)
        self._tell(route, reason)
        if not route.is_connection:
            self._audit_session("session.close", route, reason, carried_by(route))

    def _audit_connection(self, route: SessionRoute) -> None:
        """Record a connection of a forward; of many that are alike, the number."""
        self._audit.record(
            "forward.connect",
            principal=route.client.principal.id,
            address=route.client.address,
            node_id=route.session.node_id,
            detail=route.target or "taken up again",
        )

    def _audit_session(self, action: str, route: SessionRoute, reason: str = "", more: str = "") -> None:
        session = route.session
        whose = f"of {session.principal}" if route.is_others else ""
        self._audit.record(
            action,
            principal=route.client.principal.id,
            address=route.client.address,
            node_id=session.node_id,
            session_id=session.id,
            reason=reason,
            detail=" ".join(filter(None, (session.mode, whose, more))),
            command=route.audited_command if action == "session.open" else "",
        )


def _connections_first(routes: Iterable[SessionRoute]) -> list[SessionRoute]:
    """Order what ends together: connections of forwards go on as their permissions do, and are counted with these."""
    return sorted(routes, key=lambda route: route.is_permission)
