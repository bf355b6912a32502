"""A hub's live state over the wire (docs/extensions.md#events).

Codecs do not know these messages by default: a peer that uses them registers them, see `register`.
"""

from datetime import datetime
from typing import Annotated, ClassVar

from omnyshell.model.admin import AuditEntry
from omnyshell.model.grammars import COUNT
from omnyshell.model.live import LiveHub, LiveNode, LivePeer, LiveSession, LiveTunnel, OwnRights, Scope
from omnyshell.model.live_figures import LiveMetrics, SessionTraffic, TunnelTraffic
from omnyshell.model.schema import ANSWERED, FREE, OMIT
from omnyshell.model.sessions import DetachedSessionInfo
from omnyshell.model.vitals import NodeVitals
from omnyshell.protocol.codec import FrameCodec
from omnyshell.protocol.extensions import EVENTS
from omnyshell.protocol.messages.base import ControlMessage, Way

DEFAULT_AUDIT_LIMIT = 200


class EventsSubscribe(ControlMessage, kw_only=True):
    """A client asks for the hub's state, and for what changes from then on."""

    TYPE: ClassVar[str] = "events.subscribe"
    WAY: ClassVar[Way] = Way.CLIENT_TO_HUB

    EXTENSION: ClassVar[str] = EVENTS

    subscription_id: Annotated[str, ANSWERED]
    """Names the subscription in all its messages: 1 to 128 characters."""

    parts: Annotated[tuple[str, ...], OMIT, ANSWERED] = ()
    """What is asked for: `nodes`, `sessions`, `tunnels`, `peers`, `metrics`, `audit`, `hubs`; none is all."""

    audit_since: Annotated[datetime | None, OMIT] = None
    """No audit records from before this are wanted."""

    audit_limit: Annotated[int, ANSWERED] = DEFAULT_AUDIT_LIMIT
    """How many of the newest audit records come first: 1,000 at most."""


class EventsUnsubscribe(ControlMessage, kw_only=True):
    """A client ends a subscription."""

    TYPE: ClassVar[str] = "events.unsubscribe"
    WAY: ClassVar[Way] = Way.CLIENT_TO_HUB

    EXTENSION: ClassVar[str] = EVENTS

    subscription_id: Annotated[str, ANSWERED]
    """The subscription to end."""


class EventsUpdate(ControlMessage, kw_only=True):
    """What snapshots and deltas have in common."""

    subscription_id: Annotated[str, FREE]
    """The subscription."""

    seq: Annotated[int, COUNT]
    """Counts its messages: one more with each."""

    at: datetime
    """The hub's time."""

    nodes: Annotated[tuple[LiveNode, ...], OMIT] = ()
    """Nodes, as they are now."""

    sessions: Annotated[tuple[LiveSession, ...], OMIT] = ()
    """Sessions, as they are now."""

    tunnels: Annotated[tuple[LiveTunnel, ...], OMIT] = ()
    """Tunnels, as they are now."""

    peers: Annotated[tuple[LivePeer, ...], OMIT] = ()
    """Connections, as they are now."""

    metrics: Annotated[LiveMetrics | None, OMIT] = None
    """The hub's figures."""

    records: Annotated[tuple[AuditEntry, ...], OMIT] = ()
    """New audit records, oldest first."""

    own: Annotated[OwnRights | None, OMIT] = None
    """Of `rights`: what the subscriber itself may do; in the first piece of a snapshot, and when it has changed."""

    hubs: Annotated[tuple[LiveHub, ...], OMIT] = ()
    """Of `whole-view`: the hubs, where there are several, as they are now."""


class EventsSnapshot(EventsUpdate, kw_only=True):
    """A piece of the whole state. An item that no piece from `first` to `last` names does not exist."""

    TYPE: ClassVar[str] = "events.snapshot"
    WAY: ClassVar[Way] = Way.HUB_TO_CLIENT

    scope: Scope
    """Whose state it is: `all`, or the subscriber's `own`."""

    parts: Annotated[tuple[str, ...], FREE] = ()
    """The parts of which this snapshot tells everything."""

    first: Annotated[bool, OMIT] = False
    """Whether this is its first piece."""

    last: Annotated[bool, OMIT] = False
    """Whether this is its last piece."""


class EventsDelta(EventsUpdate, kw_only=True):
    """What changed since the message before."""

    TYPE: ClassVar[str] = "events.delta"
    WAY: ClassVar[Way] = Way.HUB_TO_CLIENT

    session_traffic: Annotated[tuple[SessionTraffic, ...], OMIT] = ()
    """New counters of sessions."""

    tunnel_traffic: Annotated[tuple[TunnelTraffic, ...], OMIT] = ()
    """New counters of tunnels."""

    node_vitals: Annotated[tuple[NodeVitals, ...], OMIT] = ()
    """Of `vitals`: how machines of nodes are."""


class EventsLagged(ControlMessage, kw_only=True):
    """The subscriber did not keep up: what changed is lost to it, and a new snapshot follows."""

    TYPE: ClassVar[str] = "events.lagged"
    WAY: ClassVar[Way] = Way.HUB_TO_CLIENT

    subscription_id: Annotated[str, FREE]
    """The subscription."""

    seq: Annotated[int, COUNT]
    """Counts its messages: one more with each."""

    missed_records: Annotated[int, COUNT] = 0
    """Audit records that the subscriber will not get."""


class EventsEnded(ControlMessage, kw_only=True):
    """A subscription has ended, or was refused."""

    TYPE: ClassVar[str] = "events.ended"
    WAY: ClassVar[Way] = Way.HUB_TO_CLIENT

    subscription_id: Annotated[str, FREE]
    """The subscription."""

    code: Annotated[str, FREE]
    """Why, as a code."""

    message: Annotated[str, OMIT, FREE] = ""
    """Why, in words."""


class NodeLiveSessionsRequest(ControlMessage, kw_only=True):
    """A hub asks a node for the shells of every principal."""

    TYPE: ClassVar[str] = "node.sessions.live.request"
    WAY: ClassVar[Way] = Way.HUB_TO_NODE

    request_id: Annotated[str, FREE]
    """Chosen by the hub, and echoed in the answer."""

    commands: Annotated[bool, OMIT] = False
    """Of `kept-commands`: commands are asked for too."""

    usage: Annotated[bool, OMIT] = False
    """Of `session-usage`: asks for what each takes of the machine."""


class NodeLiveSessionsResponse(ControlMessage, kw_only=True):
    """The sessions of a node, attached and detached."""

    TYPE: ClassVar[str] = "node.sessions.live.response"
    WAY: ClassVar[Way] = Way.NODE_TO_HUB

    request_id: Annotated[str, FREE]
    """That of the request."""

    sessions: tuple[DetachedSessionInfo, ...] = ()
    """The sessions of every principal, attached and detached."""


MESSAGES: tuple[type[ControlMessage], ...] = (
    EventsSubscribe,
    EventsUnsubscribe,
    EventsSnapshot,
    EventsDelta,
    EventsLagged,
    EventsEnded,
    NodeLiveSessionsRequest,
    NodeLiveSessionsResponse,
)


def register(codec: FrameCodec) -> FrameCodec:
    """Teach a codec these messages; returns it."""
    return codec.learn(MESSAGES)
