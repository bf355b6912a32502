"""A session that is relayed by this hub, and its two channels.

OPENING -> OPEN -> DETACHED or CLOSED, or from OPENING to CLOSED at once.
"""

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from omnyshell.model.live import LiveSession
from omnyshell.model.sessions import SessionMode, SessionState
from omnyshell.protocol.credit import SendCredit
from omnyshell.security.authorizer import Action
from omnyshell.services.hub.peers.far_end import FarEnd
from omnyshell.services.hub.peers.peer import Peer
from omnyshell.steps import step

_NEXT: Mapping[SessionState, frozenset[SessionState]] = {
    SessionState.OPENING: frozenset({SessionState.OPEN, SessionState.CLOSED}),
    SessionState.OPEN: frozenset({SessionState.DETACHED, SessionState.CLOSED}),
}

logger = logging.getLogger("omnyshell.hub")


@dataclass(slots=True)
class Session:
    """The facts of a session, independent of the hub that relays it."""

    id: str
    node_id: str
    principal: str
    """Its owner, whoever has it attached."""

    mode: SessionMode
    created_at: datetime
    command: str = ""
    """The command, for display."""

    state: SessionState = SessionState.OPENING


class RouteCounters(NamedTuple):
    """What was relayed, of a forward by its connections; and how many of these there are, and were."""

    bytes_in: int
    bytes_out: int
    connections: int = 0
    connections_total: int = 0


@dataclass(eq=False, slots=True)
class SessionRoute:
    """A pair of a client's channel and a node's channel, with the credit that each side has left."""

    session: Session
    client: Peer
    client_channel: int
    node: FarEnd
    node_channel: int
    asked_id: str
    """The id in `node.session.open`, and of this route. A resumed session has another id, which its node answers."""

    open_deadline: float
    """The time by which the node must answer, on the monotonic clock."""

    right: Action = Action.SHELL
    """The right that a session of its kind takes for its whole life."""

    user: str = ""
    """The user of the node's machine that was asked for."""

    logins: tuple[str, ...] = ()
    """The users to whom grants narrow it; they do not where there are none."""

    as_user: str = ""
    """The user as whom it runs, as its node says; empty where that one does not say it."""

    resumes: str | None = None
    """What names the session that is resumed, if one is."""

    instead_of: "SessionRoute | None" = None
    """Whose place it was given, as it takes up that one's session; until the node answers both have one together."""

    with_agent: bool = False
    """Whether ssh may forward an agent to it."""

    has_offsets: bool = False
    """Whether client and node both speak `resume-offset`, and the client asked for it."""

    audited_command: str = ""
    """The command as it is audited."""

    to_node: SendCredit = field(default_factory=SendCredit)
    to_client: SendCredit = field(default_factory=SendCredit)
    bytes_in: int = 0
    bytes_out: int = 0
    has_exited: bool = False
    """Whether the node has said that the program ended."""

    target: str = ""
    """What a connection leads to, as it is audited; empty for one that is resumed."""

    is_ahead: bool = False
    """Whether it is a connection that was asked for ahead, and is not used yet."""

    forward: "SessionRoute | None" = None
    """The permission under which a connection was made."""

    connections: set["SessionRoute"] = field(default_factory=set)
    """The connections that were made under this permission, and go on."""

    connected: int = 0
    """How many were used."""

    @property
    def is_resume(self) -> bool:
        """Whether a session that was there before is taken up."""
        return self.resumes is not None

    @property
    def is_others(self) -> bool:
        """Whether the session belongs to another principal than the client's, who has taken it over."""
        return self.session.principal != self.client.principal.id

    @property
    def rights(self) -> tuple[Action, ...]:
        """The rights that the client needs at the node for as long as it has the session."""
        return (self.right, Action.OTHERS) if self.is_others else (self.right,)

    def is_as_asked(self, user: str) -> bool:
        """Tell whether it may run as a user, by what was asked and what grants narrow it to."""
        return self.user in ("", user) and (not self.logins or user in self.logins)

    def is_within(self, logins: Collection[str] | None) -> bool:
        """Tell whether grants that narrow it to these users now, or do not, let its client have it."""
        if logins is None:
            return True
        return self.as_user in logins if self.as_user else bool(self.logins) and set(self.logins).issubset(logins)

    @property
    def is_open(self) -> bool:
        """Whether the node has started the session."""
        return self.session.state is SessionState.OPEN

    @property
    def is_forward(self) -> bool:
        """Whether it is a permission to reach targets, or a connection under one."""
        return self.session.mode is SessionMode.FORWARD

    @property
    def is_permission(self) -> bool:
        """Whether it is a permission to reach targets."""
        return self.is_forward and not self.is_connection

    @property
    def carried(self) -> tuple[int, int]:
        """How many bytes were relayed, in and out; those of a forward's connections are its own."""
        bytes_in = self.bytes_in + sum(each.bytes_in for each in self.connections)
        return bytes_in, self.bytes_out + sum(each.bytes_out for each in self.connections)

    @property
    def counters(self) -> RouteCounters:
        """Its counters."""
        in_use = sum(not each.is_ahead for each in self.connections)
        return RouteCounters(*self.carried, in_use, self.connected)

    @property
    def is_connection(self) -> bool:
        """Whether it is one connection of a forward that goes on, so that no list shows it by itself."""
        return self.forward is not None

    def connect(self, connection: "SessionRoute") -> None:
        """Note a connection under this permission."""
        connection.forward = self
        self.connections.add(connection)
        self.connected += not connection.is_ahead

    def use(self, deadline: float) -> None:
        """Count a connection that was asked for ahead as one; its node must answer by this deadline."""
        self.is_ahead, self.open_deadline = False, deadline
        if self.forward is not None:
            self.forward.connected += 1
        self.step("connection used that was asked for ahead")

    def disconnect(self) -> None:
        """Count what this connection, if it is one, has carried with its permission, as it is over. Idempotent."""
        forward = self.forward
        if forward is not None and self in forward.connections:
            forward.connections.discard(self)
            forward.bytes_in += self.bytes_in
            forward.bytes_out += self.bytes_out

    def becomes(self, state: SessionState, told: str, reason: str = "") -> None:
        """Change the session's state, and log that as a step.

        Raises `RuntimeError` for a change that there is not.
        """
        before = self.session.state
        if state not in _NEXT.get(before, ()):
            raise RuntimeError(f"a session that is {before} cannot become {state}")
        self.session.state = state
        self.step(told, reason)

    def step(self, told: str, reason: str = "") -> None:
        """Log a step of the session."""
        if not logger.isEnabledFor(logging.DEBUG):
            return
        session = self.session
        step(
            logger,
            told,
            peer=self.client.id,
            principal=session.principal,
            node_id=session.node_id,
            session_id=session.id,
            channel=self.client_channel,
            node_channel=self.node_channel,
            mode=session.mode,
            reason=reason,
        )

    def describe(self) -> LiveSession:
        """The session as a value."""
        session, counted = self.session, self.counters
        return LiveSession(
            session_id=session.id,
            node_id=session.node_id,
            principal=session.principal,
            mode=session.mode,
            state=session.state,
            created_at=session.created_at,
            address=self.client.address,
            command=session.command,
            resumed=self.is_resume,
            bytes_in=counted.bytes_in,
            bytes_out=counted.bytes_out,
            connections=counted.connections,
            connections_total=counted.connections_total,
            user=self.as_user,
            taken_by=self.client.principal.id if self.is_others else "",
        )
