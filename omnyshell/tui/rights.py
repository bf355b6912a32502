"""What the user may do, by what the hub says of it; a hub that says nothing refuses when it is asked.

The one place where the console judges: `why_not`.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import Enum, auto
from typing import NamedTuple, Protocol

from omnyshell.model.admin import RightInfo
from omnyshell.model.live import LiveNode, LiveSession, LiveTunnel, OwnRights
from omnyshell.model.principals import ADMIN_ROLE
from omnyshell.printable import printable
from omnyshell.tui.messages import SessionRef

OTHERS = "others"
"""The right that sessions of others take beside the one that one's own take."""

_DONE: Mapping[str, str] = {
    "shell": "open or take up shells",
    "exec": "run commands",
    "watch": "look at sessions",
    "kill": "end sessions",
    "expose": "open public ports",
    "files": "copy files",
    OTHERS: "reach other people's sessions",
}


class Need(Enum):
    """What an action takes."""

    ADMIN = auto()
    """The role of administrators."""

    SHELL = auto()
    """This right, and those that follow, on the node that it is about; of somebody else's session also `others`."""

    EXEC = auto()
    SESSION = auto()
    """`shell` or `exec`."""

    WATCH = auto()
    KILL = auto()
    EXPOSE = auto()
    FILES = auto()
    EXPOSE_ANYWHERE = auto()
    """`expose` on any node, or at home."""

    END = auto()
    """As `KILL` of somebody else's session that is attached here; one's own ends by being closed."""

    OWNER = auto()
    """To be the one whose it is, or an administrator."""


class HubSays(Protocol):
    """The hub's state, as far as it is about rights: a `HubState`."""

    @property
    def own(self) -> OwnRights | None:
        """The user, and what it may do beside nodes; None where the hub does not tell."""

    @property
    def nodes(self) -> Mapping[str, LiveNode]:
        """The nodes, each with the rights that the user lacks there."""


Item = LiveNode | LiveSession | LiveTunnel | SessionRef
"""What an action may be about."""


class _Place(NamedTuple):
    """The node that an action is about, and whose it is; "" stands for the user."""

    node_id: str
    owner: str = ""


def why_not(need: Need | None, item: object, says: HubSays) -> str:
    """Return why the user may not do what takes this, as a sentence; "" if nothing is known to be against it.

    `item` is what it is about; what is no `Item` has neither node nor owner.
    """
    own = says.own
    if need is None or own is None:
        return ""
    return _JUDGES[need](_place_of(item), own, says.nodes)


def why_none(need: Need | None, items: Sequence[object], says: HubSays) -> str:
    """Return why nothing may be done to any of these; "" if something may. None of them stands for no item."""
    reasons = [why_not(need, item, says) for item in items or (None,)]
    more = f" So it is with {len(reasons) - 1} more." if len(reasons) > 1 else ""
    return reasons[0] + more if all(reasons) else ""


def why_nowhere(need: Need, says: HubSays) -> str:
    """Return why something may be done on none of the nodes; "" if it may on one, or there is none."""
    return why_none(need, list(says.nodes.values()), says) if says.nodes else ""


def is_admin(says: HubSays) -> bool:
    """Tell whether the user is known to be an administrator."""
    return says.own is not None and ADMIN_ROLE in says.own.roles


def is_other(owner: str, says: HubSays) -> bool:
    """Tell whether something is known to be another principal's."""
    return says.own is not None and owner not in ("", says.own.principal)


def ref_of(session: LiveSession, says: HubSays) -> SessionRef:
    """Return what requests name a session by."""
    owner = session.principal if is_other(session.principal, says) else ""
    return SessionRef(session.node_id, session.session_id, owner)


def _place_of(item: object) -> _Place | None:
    if isinstance(item, LiveNode):
        return _Place(item.node_id)
    if isinstance(item, LiveSession | LiveTunnel):
        return _Place(item.node_id, item.principal)
    return _Place(item.node_id, item.owner) if isinstance(item, SessionRef) else None


Nodes = Mapping[str, LiveNode]
_Judge = Callable[[_Place | None, OwnRights, Nodes], str]


def _needs_admin(_place: _Place | None, own: OwnRights, _nodes: Nodes) -> str:
    if ADMIN_ROLE in own.roles:
        return ""
    return f"It takes the role {ADMIN_ROLE}, and you have {_roles(own)}; an admin of this hub can give it."


def _needs_owner(place: _Place | None, own: OwnRights, nodes: Nodes) -> str:
    if place is None or place.owner in ("", own.principal):
        return ""
    why = _needs_admin(place, own, nodes)
    return f"It is {printable(place.owner)}'s. {why}" if why else ""


def _needs(*rights: str) -> _Judge:
    """Judge by a right on the place's node, any of these."""

    def judge(place: _Place | None, own: OwnRights, nodes: Nodes) -> str:
        lacked = _lacked(place, nodes)
        missing = [lacked[right] for right in rights if right in lacked]
        if place is not None and len(missing) == len(rights):
            return _sentence(missing[0], f"on {place.node_id}", own)
        is_theirs = place is not None and place.owner not in ("", own.principal)
        if place is not None and is_theirs and OTHERS in lacked:
            return _sentence(lacked[OTHERS], f"on {place.node_id}", own)
        return ""

    return judge


def _needs_kill(place: _Place | None, own: OwnRights, nodes: Nodes) -> str:
    """Judge an end: an admin has a request of its own for what is somebody else's."""
    is_theirs = place is not None and place.owner not in ("", own.principal)
    return "" if is_theirs and ADMIN_ROLE in own.roles else _needs("kill")(place, own, nodes)


def _needs_end(place: _Place | None, own: OwnRights, nodes: Nodes) -> str:
    return _needs_kill(place, own, nodes) if place is not None and place.owner not in ("", own.principal) else ""


def _needs_expose(_place: _Place | None, own: OwnRights, nodes: Nodes) -> str:
    at_home = next((info for info in own.denied if info.right == "expose"), None)
    if at_home is None or any(node.is_online and "expose" not in _lacked_on(node) for node in nodes.values()):
        return ""
    return _sentence(at_home, "anywhere", own)


def _lacked(place: _Place | None, nodes: Nodes) -> Mapping[str, RightInfo]:
    node = nodes.get(place.node_id) if place is not None else None
    return _lacked_on(node) if node is not None else {}


def _lacked_on(node: LiveNode) -> Mapping[str, RightInfo]:
    return {info.right: info for info in node.denied}


def _sentence(info: RightInfo, where: str, own: OwnRights) -> str:
    """Say what is missing, and who can give it."""
    may_not = f"You may not {_DONE.get(info.right, info.right)} {where}"
    if info.needed:
        roles = f"it takes the role {' or '.join(info.needed)}, and you have {_roles(own)}"
        return printable(f"{may_not}: {roles}; an admin of this hub can give it.")
    return printable(f"{may_not}: {info.why}; an admin of this hub can change that.")


def _roles(own: OwnRights) -> str:
    return printable(", ".join(own.roles)) or "none"


_JUDGES: Mapping[Need, _Judge] = {
    Need.ADMIN: _needs_admin,
    Need.SHELL: _needs("shell"),
    Need.EXEC: _needs("exec"),
    Need.SESSION: _needs("shell", "exec"),
    Need.WATCH: _needs("watch"),
    Need.KILL: _needs_kill,
    Need.EXPOSE: _needs("expose"),
    Need.FILES: _needs("files"),
    Need.EXPOSE_ANYWHERE: _needs_expose,
    Need.END: _needs_end,
    Need.OWNER: _needs_owner,
}
