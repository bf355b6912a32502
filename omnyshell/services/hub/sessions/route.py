"""A session that goes through this hub, and the two channels that it connects."""

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
    """What is known of a session, whoever carries it."""

    id: str
    node_id: str
    principal: str
    mode: SessionMode
    created_at: datetime
    command: str = ""
    """What was asked to run, as far as it is shown."""

    state: SessionState = SessionState.OPENING


@dataclass(eq=False, slots=True)
class SessionRoute:
    """A client's channel and a node's channel that belong together, with the credit each side has left."""

    session: Session
    client: Peer
    client_channel: int
    node: FarEnd
    node_channel: int
    asked_id: str
    """The session's id in `node.session.open`, and the route's own; a node that resumes answers with that session's."""

    open_deadline: float
    """When the node must have answered, on the monotonic clock."""

    right: Action = Action.SHELL
    """What its principal must be allowed at the node, as long as it goes on."""

    is_resume: bool = False
    has_offsets: bool = False
    """Whether client and node both speak `resume-offset`, and the client asked for it."""

    audited_command: str = ""
    """What the audit keeps of the command."""

    to_node: SendCredit = field(default_factory=SendCredit)
    to_client: SendCredit = field(default_factory=SendCredit)
    bytes_in: int = 0
    bytes_out: int = 0

    @property
    def is_open(self) -> bool:
        """Whether the node has started the session."""
        return self.session.state is SessionState.OPEN

    def describe(self) -> LiveSession:
        """The session as it is told."""
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
