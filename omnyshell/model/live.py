"""What a hub says of its live state (docs/extensions.md#events): each item as it is, not how it changed."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from omnyshell.ids import short_id
from omnyshell.model.admin import RightInfo
from omnyshell.model.grammars import (
    ADDRESS,
    COUNT,
    EXPOSER_ID,
    HOST,
    HOST_OR_NONE,
    HUB_ID,
    HUB_ID_OR_NONE,
    ID,
    LOGIN_OR_NONE,
    NODE_ID,
    NODE_ID_OR_NONE,
    PORT,
    PRINCIPAL,
    PRINCIPAL_OR_NONE,
    PRINCIPALS,
    ROLES,
    SESSION_ID,
    TUNNEL_ID,
    UID_OR_NONE,
)
from omnyshell.model.nodes import NodeCapabilities, PlatformInfo
from omnyshell.model.schema import FREE, OMIT, LenientEnum, WireObject
from omnyshell.model.sessions import SessionMode, SessionState
from omnyshell.model.tunnels import TunnelProtocol
from omnyshell.model.vitals import MachineVitals

MICROSECOND = 1e-6
"""Seconds."""


class Part(StrEnum):
    """The parts of a hub's state that can be asked for."""

    NODES = "nodes"
    SESSIONS = "sessions"
    TUNNELS = "tunnels"
    PEERS = "peers"
    METRICS = "metrics"
    AUDIT = "audit"
    HUBS = "hubs"


ITEM_PARTS = (Part.NODES, Part.SESSIONS, Part.TUNNELS, Part.PEERS, Part.HUBS)
"""The parts that consist of items with keys."""


class Scope(LenientEnum):
    """Whose state a subscriber is told: everyone's, or what belongs to its principal."""

    __fallback__ = "OWN"

    ALL = "all"
    OWN = "own"


class NodePresence(LenientEnum):
    """Whether a node is connected."""

    __fallback__ = "OFFLINE"

    ONLINE = "online"
    OFFLINE = "offline"


class LiveNode(WireObject, kw_only=True):
    """A node that is connected, or a node id that the hub remembers. What only admins may know is empty for others."""

    node_id: Annotated[str, NODE_ID]
    """The node's id."""

    state: NodePresence
    """Whether it is connected."""

    gone: Annotated[bool, OMIT] = False
    """Whether the item is to be forgotten."""

    uid: Annotated[str, OMIT, UID_OR_NONE] = ""
    """Its UID."""

    display_name: Annotated[str, OMIT, FREE] = ""
    """Its name for people."""

    platform: Annotated[PlatformInfo | None, OMIT] = None
    """The machine it runs on; missing for one that was not connected since the hub started."""

    labels: Annotated[dict[str, str], OMIT, FREE] = {}
    """The labels that its own configuration gives it."""

    hub_labels: Annotated[dict[str, str], OMIT, FREE] = {}
    """For admins: the labels that the hub sets for it."""

    capabilities: Annotated[NodeCapabilities | None, OMIT] = None
    """What it can do."""

    principal: Annotated[str, OMIT, PRINCIPAL_OR_NONE] = ""
    """For admins: whose node id it is."""

    address: Annotated[str, OMIT, ADDRESS] = ""
    """For admins: where it comes from."""

    sessions: Annotated[int | None, OMIT, COUNT] = None
    """For admins: how many sessions of everyone go through the hub to it, or are known to wait there."""

    latency_micros: Annotated[int | None, OMIT, COUNT] = None
    """For admins: the round trip to it, in microseconds."""

    locked: Annotated[str, OMIT, FREE] = ""
    """For admins: who locked it, and why."""

    displaced_at: Annotated[datetime | None, OMIT] = None
    """For admins: when another process last took the id from one that was alive."""

    displaced: Annotated[str, OMIT, FREE] = ""
    """For admins: the addresses of the process that lost the id and of the one that took it."""

    connected_at: Annotated[datetime | None, OMIT] = None
    """For admins: since when it is connected."""

    last_heard_at: Annotated[datetime | None, OMIT] = None
    """For admins: when something last came from it, as of this item."""

    vitals: Annotated[MachineVitals | None, OMIT] = None
    """Of `vitals`: how its machine is, for a subscriber that looks."""

    denied: Annotated[tuple[RightInfo, ...], OMIT] = ()
    """Of `rights`: the rights that the subscriber lacks on it, and why."""

    hub: Annotated[str, OMIT, HUB_ID_OR_NONE] = ""
    """Of `whole-view`: the hub at which it is; missing where the hub is alone."""

    epoch: Annotated[int, OMIT, COUNT] = 0
    """Of `whole-view`, for admins: grows with each process and each hub that takes the id."""

    @property
    def key(self) -> str:
        """What identifies the item."""
        return self.node_id

    @property
    def is_online(self) -> bool:
        """Whether it is connected."""
        return self.state is NodePresence.ONLINE

    @property
    def latency(self) -> float | None:
        """Round trip between hub and node, in seconds, where it is known."""
        return self.latency_micros * MICROSECOND if self.latency_micros is not None else None


class OwnRights(WireObject, kw_only=True):
    """What a subscriber may do, beside what its nodes say."""

    principal: Annotated[str, PRINCIPAL]
    """Who it is."""

    roles: Annotated[tuple[str, ...], ROLES] = ()
    """Its roles."""

    denied: Annotated[tuple[RightInfo, ...], OMIT] = ()
    """The rights that it lacks on its own machine, and why."""


class LiveSession(WireObject, kw_only=True):
    """A session: one that goes through the hub, or one that is detached and waits in its node."""

    session_id: Annotated[str, SESSION_ID]
    """The session's id: of a detached one, what `resumeSessionId` takes."""

    node_id: Annotated[str, NODE_ID]
    """Where it runs."""

    principal: Annotated[str, PRINCIPAL]
    """Its owner."""

    mode: SessionMode
    """What runs."""

    state: SessionState
    """`opening`, `open`, `detached` or `closed`."""

    gone: Annotated[bool, OMIT] = False
    """Whether the item is to be forgotten; `state` is `closed` then."""

    created_at: datetime
    """When it was opened."""

    address: Annotated[str, OMIT, ADDRESS] = ""
    """Where its client is."""

    command: Annotated[str, OMIT, FREE] = ""
    """What was asked to run; of a shell, what runs in its foreground."""

    cwd: Annotated[str, OMIT, FREE] = ""
    """Its directory."""

    resumed: Annotated[bool, OMIT] = False
    """Whether it was taken up after a detach."""

    detached_at: Annotated[datetime | None, OMIT] = None
    """Since when it is detached."""

    expires_at: Annotated[datetime | None, OMIT] = None
    """When it ends by itself."""

    reason: Annotated[str, OMIT, FREE] = ""
    """Why it was closed, as a code."""

    bytes_in: Annotated[int, COUNT] = 0
    """Bytes of input that were relayed since the session was opened or resumed."""

    bytes_out: Annotated[int, COUNT] = 0
    """Bytes of output, likewise."""

    rate_in: Annotated[int, OMIT, COUNT] = 0
    """Bytes of input a second."""

    rate_out: Annotated[int, OMIT, COUNT] = 0
    """Bytes of output a second."""

    away: Annotated[bool, OMIT] = False
    """Whether it was left on a node that is offline now, which alone knows whether it is still there."""

    taken_by: Annotated[str, OMIT, PRINCIPAL_OR_NONE] = ""
    """Of `others-sessions`: who has it attached, where that is not its owner."""

    user: Annotated[str, OMIT, LOGIN_OR_NONE] = ""
    """Of `logins`: the user of the node's machine as whom it runs."""

    watched_by: Annotated[tuple[str, ...], OMIT, PRINCIPALS] = ()
    """Of `others-sessions`: which other principals look at its screen, sorted."""

    memory: Annotated[int | None, OMIT, COUNT] = None
    """Of `session-usage`: bytes of memory that its processes take."""

    cpu_millis: Annotated[int | None, OMIT, COUNT] = None
    """Of `session-usage`: milliseconds of processor time that they have taken."""

    processes: Annotated[int | None, OMIT, COUNT] = None
    """Of `session-usage`: how many they are."""

    connections: Annotated[int, OMIT, COUNT] = 0
    """Of `forward`: how many a forward has now."""

    connections_total: Annotated[int, OMIT, COUNT] = 0
    """Of `forward`: how many it has had."""

    hub: Annotated[str, OMIT, HUB_ID_OR_NONE] = ""
    """Of `whole-view`: the hub at which it is; missing where the hub is alone."""

    @property
    def key(self) -> str:
        """What identifies the item: node and session, as a node chooses its sessions' ids."""
        return session_key(self.node_id, self.session_id)

    @property
    def short_id(self) -> str:
        """The first characters of the id; `resume` and other commands accept them."""
        return short_id(self.session_id)


class LiveTunnel(WireObject, kw_only=True):
    """A tunnel with its counters."""

    tunnel_id: Annotated[str, TUNNEL_ID]
    """The tunnel's id."""

    node_id: Annotated[str, EXPOSER_ID]
    """The exposer: a node, or `@local` for a client."""

    principal: Annotated[str, PRINCIPAL]
    """Who opened it."""

    gone: Annotated[bool, OMIT] = False
    """Whether the item is to be forgotten."""

    target_host: Annotated[str, HOST]
    """The target's host."""

    target_port: Annotated[int, PORT]
    """The target's port."""

    public_host: Annotated[str, OMIT, HOST_OR_NONE] = ""
    """Where it is reached; missing for the hub's own name."""

    public_port: Annotated[int, PORT]
    """The hub's port."""

    secure: Annotated[bool, OMIT] = False
    """Whether the hub speaks TLS with the outside."""

    protocol: Annotated[TunnelProtocol, OMIT] = TunnelProtocol.TCP
    """`tcp` or `http`."""

    created_at: datetime
    """When it was opened."""

    connections: Annotated[int, COUNT] = 0
    """How many go through it now."""

    connections_total: Annotated[int, COUNT] = 0
    """How many have gone through it."""

    bytes_in: Annotated[int, COUNT] = 0
    """Bytes from the outside to the target."""

    bytes_out: Annotated[int, COUNT] = 0
    """Bytes from the target to the outside."""

    rate_in: Annotated[int, OMIT, COUNT] = 0
    """Bytes a second."""

    rate_out: Annotated[int, OMIT, COUNT] = 0
    """Bytes a second."""

    persist: Annotated[bool, OMIT] = False
    """Of `kept-tunnels`: whether it comes back with the hub and its node."""

    waiting: Annotated[bool, OMIT] = False
    """Of `kept-tunnels`: whether it waits for its node, or for its port."""

    hub: Annotated[str, OMIT, HUB_ID_OR_NONE] = ""
    """Of `whole-view`: the hub at which it is; missing where the hub is alone."""

    @property
    def key(self) -> str:
        """What identifies the item."""
        return self.tunnel_id


class LivePeer(WireObject, kw_only=True):
    """A connection to the hub that has logged in."""

    peer_id: Annotated[str, ID]
    """What it is called in requests of `admin`."""

    role: Annotated[str, FREE]
    """The role in its `hello`."""

    principal: Annotated[str, PRINCIPAL]
    """Who logged in."""

    gone: Annotated[bool, OMIT] = False
    """Whether the item is to be forgotten."""

    address: Annotated[str, OMIT, ADDRESS] = ""
    """Where it comes from."""

    node_id: Annotated[str, OMIT, NODE_ID_OR_NONE] = ""
    """The node that it registered."""

    connected_at: datetime
    """Since when."""

    hub: Annotated[str, OMIT, HUB_ID_OR_NONE] = ""
    """Of `whole-view`: the hub at which it is; missing where the hub is alone."""

    @property
    def key(self) -> str:
        """What identifies the item."""
        return self.peer_id


class HubLease(LenientEnum):
    """What a hub may do by its lease (docs/architecture.md#leases)."""

    __fallback__ = "UNKNOWN"

    UNKNOWN = "unknown"
    """Nothing was heard of it."""

    HELD = "held"
    ENGINE_AWAY = "engine-away"
    """It goes on with the nodes that it has, for a while."""

    SILENT = "silent"
    """It may open what it has, and has not said for more than two of its beats that it is there."""

    LAPSED = "lapsed"
    """It opens nothing."""

    STOPPED = "stopped"
    """It has said that it stops."""


class LiveHub(WireObject, kw_only=True):
    """One of several hubs. What only admins may know is empty for others."""

    hub: Annotated[str, HUB_ID]
    """The hub's id."""

    is_told: bool
    """Whether its items are told of as they happen."""

    gone: Annotated[bool, OMIT] = False
    """Whether the item is to be forgotten."""

    own: Annotated[bool, OMIT] = False
    """Whether it is the hub that says this."""

    known_at: Annotated[datetime | None, OMIT] = None
    """As of when its items are known, where they are not told of as they happen; missing where nothing is."""

    place: Annotated[str, OMIT, FREE] = ""
    """For admins: where other hubs reach it by a link."""

    url: Annotated[str, OMIT, FREE] = ""
    """For admins: where nodes and clients reach it, as far as it knows."""

    is_handing_over: Annotated[bool, OMIT] = False
    """For admins: whether nodes and clients are not to come to it, as it sends its own to other hubs."""

    link_since: Annotated[datetime | None, OMIT] = None
    """For admins: since when there is a link with it."""

    lease: Annotated[HubLease, OMIT] = HubLease.UNKNOWN
    """For admins: what it may do, as far as this hub knows."""

    heard_at: Annotated[datetime | None, OMIT] = None
    """For admins: when the engine last told of it; of the hub itself, when the engine was last heard of."""

    applied: Annotated[int, OMIT, COUNT] = 0
    """For admins: how many changes of what is true it had applied then."""

    nodes: Annotated[int, OMIT, COUNT] = 0
    """For admins: how many nodes are there."""

    unknown_change: Annotated[int, OMIT, COUNT] = 0
    """For admins: the number of the change of what is true that it is too old for, and where it has stopped."""

    doubted: Annotated[tuple[str, ...], OMIT, FREE] = ()
    """For admins: nodes that it says it has without the proof that is to be had, up to 100."""

    clock_off: Annotated[int, OMIT, FREE] = 0
    """For admins: by how many seconds its clock is ahead of most hubs', behind where negative; 0 where it is right."""

    version: Annotated[str, OMIT, FREE] = ""
    """For admins: the version of its software, where its items are told of."""

    unlike: Annotated[tuple[str, ...], OMIT, FREE] = ()
    """For admins: which files that hubs read of their own are not those of the hub that says this."""

    @property
    def key(self) -> str:
        """What identifies the item."""
        return self.hub


LiveItem = LiveNode | LiveSession | LiveTunnel | LivePeer | LiveHub


def session_key(node_id: str, session_id: str) -> str:
    """Return the key of a session; a node id has no slash."""
    return f"{node_id}/{session_id}"
