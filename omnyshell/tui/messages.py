"""Requests of widgets to the app. They bubble up to `ConsoleApp`, which turns them into calls."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from textual.message import Message

from omnyshell.model.admin import LockKind
from omnyshell.model.audit import AuditRecord, RecordOfHub
from omnyshell.model.live import LiveHub


@dataclass(frozen=True, slots=True)
class SessionRef:
    """A session, as requests name it."""

    node_id: str
    session_id: str
    owner: str = ""
    """Whose it is; "" for the user's own."""


class OpenNode(Message):
    """Open the page of a node."""

    def __init__(self, node_id: str) -> None:
        super().__init__()
        self.node_id = node_id


class OpenShell(Message):
    """Open an interactive shell on a node, as a user of its machine if one is named."""

    def __init__(self, node_id: str, user: str = "") -> None:
        super().__init__()
        self.node_id = node_id
        self.user = user


class OpenCommand(Message):
    """Ask for a command (directory, environment, terminal or not), and open a session with it."""

    def __init__(self, node_id: str) -> None:
        super().__init__()
        self.node_id = node_id


class AttachSession(Message):
    """Attach a session; one that is attached elsewhere is taken over, after asking where another person has it.

    `then` is called once it is meant.
    """

    def __init__(self, session: SessionRef, then: Callable[[], object] | None = None) -> None:
        super().__init__()
        self.session = session
        self.then = then


class WatchSession(Message):
    """Watch a session without attaching to it."""

    def __init__(self, session: SessionRef) -> None:
        super().__init__()
        self.session = session


class DetachSessions(Message):
    """Detach sessions from their clients, and leave them running."""

    def __init__(self, sessions: tuple[SessionRef, ...]) -> None:
        super().__init__()
        self.sessions = sessions


class KillSessions(Message):
    """End sessions, after asking."""

    def __init__(self, sessions: tuple[SessionRef, ...]) -> None:
        super().__init__()
        self.sessions = sessions


class FanOut(Message):
    """Ask for a command, and run it on all these nodes; one that is given is run on a single node at once."""

    def __init__(self, node_ids: tuple[str, ...], command: str = "") -> None:
        super().__init__()
        self.node_ids = node_ids
        self.command = command


class OpenFiles(Message):
    """Show the files of a node beside this machine's; as a user of its machine if one is named."""

    def __init__(self, node_id: str, user: str = "") -> None:
        super().__init__()
        self.node_id = node_id
        self.user = user


class AskForTunnel(Message):
    """Ask for a target, and open a tunnel to it; `node_id` is what the form begins with."""

    def __init__(self, node_id: str = "") -> None:
        super().__init__()
        self.node_id = node_id


class CloseTunnels(Message):
    """Close tunnels, after asking."""

    def __init__(self, tunnel_ids: tuple[str, ...]) -> None:
        super().__init__()
        self.tunnel_ids = tunnel_ids


class AskForInvite(Message):
    """Invite a node or a user."""


class Revoke(Message):
    """Revoke a principal or a node, after asking."""

    def __init__(self, *, principal: str = "", node_id: str = "") -> None:
        super().__init__()
        self.principal = principal
        self.node_id = node_id


class Lock(Message):
    """Ask for the terms, and lock something."""

    def __init__(self, kind: LockKind, name: str) -> None:
        super().__init__()
        self.kind = kind
        self.name = name


class AcknowledgeAudit(Message):
    """Acknowledge what is missing or changed in the audit trail, after asking."""


class AskTrails(Message):
    """Ask other hubs what they recorded since a time; `told` gets that, or is not called where nobody can be asked."""

    def __init__(
        self, hubs: Sequence[str], since: datetime, told: Callable[[Sequence[RecordOfHub], Sequence[str]], object]
    ) -> None:
        """`told` gets the records of all, and the hubs that were not read to the end."""
        super().__init__()
        self.hubs = hubs
        self.since = since
        self.told = told


class ShowAccess(Message):
    """Show who may use the hub."""


class ShowHubs(Message):
    """Show the hubs, where there are several."""


class DrainHub(Message):
    """Have a hub hand its nodes and clients over to the others, after asking; or have it take some again."""

    def __init__(self, hub: LiveHub) -> None:
        super().__init__()
        self.hub = hub


class InviteHub(Message):
    """Ask what another hub is to be called, and show the line by which it joins."""


class RemoveHub(Message):
    """Have a hub be no member any more, after asking."""

    def __init__(self, hub: str) -> None:
        super().__init__()
        self.hub = hub


class SetLabels(Message):
    """Ask for the hub's labels of a node, and set them."""

    def __init__(self, node_id: str) -> None:
        super().__init__()
        self.node_id = node_id


class GoBack(Message):
    """Go to the screen from which one came."""


class CopyField(Message):
    """Ask which of these fields is meant, each a title and a text, and copy it; the first is what one usually wants."""

    def __init__(self, fields: tuple[tuple[str, str], ...]) -> None:
        super().__init__()
        self.fields = fields


class LookAtVitals(Message):
    """Have nodes say how their machines are from now on, or no longer."""

    def __init__(self, *, looks: bool) -> None:
        super().__init__()
        self.looks = looks


class ShowOverview(Message):
    """Go to the overview."""


class ShowTerminals(Message):
    """Go to the terminals."""


class ShowWall(Message):
    """Go to the wall of previews."""


class ShowDetails(Message):
    """Show all that is known of the row under the cursor."""


class GoTo(Message):
    """Go to the session, node or principal that an audit record names."""

    def __init__(self, record: AuditRecord) -> None:
        super().__init__()
        self.record = record
