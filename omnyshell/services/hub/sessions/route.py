"""A session that is relayed by this hub, and its two channels."""

from dataclasses import dataclass, field
from datetime import datetime

from omnyshell.model.live import LiveSession
from omnyshell.model.sessions import SessionMode, SessionState
from omnyshell.protocol.credit import SendCredit
from omnyshell.security.authorizer import Action
from omnyshell.services.hub.peers.far_end import FarEnd
from omnyshell.services.hub.peers.peer import Peer


@dataclass(slots=True)
class Session:
    """The facts of a session, independent of the hub that relays it."""

    id: str
    node_id: str
    principal: str
    mode: SessionMode
    created_at: datetime
    command: str = ""
    """The command, for display."""

    state: SessionState = SessionState.OPENING


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
    """The right that its principal needs at the node for the session's whole life."""

    is_resume: bool = False
    has_offsets: bool = False
    """Whether client and node both speak `resume-offset`, and the client asked for it."""

    audited_command: str = ""
    """The command as it is audited."""

    to_node: SendCredit = field(default_factory=SendCredit)
    to_client: SendCredit = field(default_factory=SendCredit)
    bytes_in: int = 0
    bytes_out: int = 0

    @property
    def is_open(self) -> bool:
        """Whether the node has started the session."""
        return self.session.state is SessionState.OPEN

    def describe(self) -> LiveSession:
        """The session as a value."""
        session = self.session
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
            bytes_in=self.bytes_in,
            bytes_out=self.bytes_out,
        )
