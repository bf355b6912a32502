"""A hub's live state over the wire: extension `events`, described in `docs/extensions.md`.

Not among the messages that every peer knows: who serves or uses them registers them with its codec, see `register`.
"""

from datetime import datetime
from typing import Annotated, ClassVar

from omnyshell.model.admin import AuditEntry
from omnyshell.model.grammars import COUNT
from omnyshell.model.live import (
    LiveMetrics,
    LiveNode,
    LivePeer,
    LiveSession,
    LiveTunnel,
    Scope,
    SessionTraffic,
    TunnelTraffic,
)
from omnyshell.model.schema import ANSWERED, FREE, OMIT
from omnyshell.model.sessions import DetachedSessionInfo
from omnyshell.protocol.codec import FrameCodec
from omnyshell.protocol.extensions import EVENTS
from omnyshell.protocol.messages.base import ControlMessage

DEFAULT_AUDIT_LIMIT = 200


class EventsSubscribe(ControlMessage, kw_only=True):
    """A client asks for the hub's state, and for what changes from then on. No parts means all of them."""

    TYPE: ClassVar[str] = "events.subscribe"
    EXTENSION: ClassVar[str] = EVENTS

    subscription_id: Annotated[str, ANSWERED]
    parts: Annotated[tuple[str, ...], OMIT, ANSWERED] = ()
    audit_since: Annotated[datetime | None, OMIT] = None
    audit_limit: Annotated[int, ANSWERED] = DEFAULT_AUDIT_LIMIT


class EventsUnsubscribe(ControlMessage, kw_only=True):
    """A client wants to hear no more."""

    TYPE: ClassVar[str] = "events.unsubscribe"
    EXTENSION: ClassVar[str] = EVENTS

    subscription_id: Annotated[str, ANSWERED]


class EventsUpdate(ControlMessage, kw_only=True):
    """What snapshots and deltas have in common: items as they are now, and `seq`, one more with each message."""

    subscription_id: Annotated[str, FREE]
    seq: Annotated[int, COUNT]
    at: datetime
    nodes: Annotated[tuple[LiveNode, ...], OMIT] = ()
    sessions: Annotated[tuple[LiveSession, ...], OMIT] = ()
    tunnels: Annotated[tuple[LiveTunnel, ...], OMIT] = ()
    peers: Annotated[tuple[LivePeer, ...], OMIT] = ()
    metrics: Annotated[LiveMetrics | None, OMIT] = None
    records: Annotated[tuple[AuditEntry, ...], OMIT] = ()


class EventsSnapshot(EventsUpdate, kw_only=True):
    """A piece of the whole state. What no piece between `first` and `last` names is not there."""

    TYPE: ClassVar[str] = "events.snapshot"

    scope: Scope
    parts: Annotated[tuple[str, ...], FREE] = ()
    first: Annotated[bool, OMIT] = False
    last: Annotated[bool, OMIT] = False


class EventsDelta(EventsUpdate, kw_only=True):
    """What changed since the message before."""

    TYPE: ClassVar[str] = "events.delta"

    session_traffic: Annotated[tuple[SessionTraffic, ...], OMIT] = ()
    tunnel_traffic: Annotated[tuple[TunnelTraffic, ...], OMIT] = ()


class EventsLagged(ControlMessage, kw_only=True):
    """The subscriber did not keep up: what changed is lost to it, and a new snapshot follows."""

    TYPE: ClassVar[str] = "events.lagged"

    subscription_id: Annotated[str, FREE]
    seq: Annotated[int, COUNT]
    missed_records: Annotated[int, COUNT] = 0
    """Audit records that the subscriber will not get."""


class EventsEnded(ControlMessage, kw_only=True):
    """A subscription has ended, or was refused."""

    TYPE: ClassVar[str] = "events.ended"

    subscription_id: Annotated[str, FREE]
    code: Annotated[str, FREE]
    message: Annotated[str, OMIT, FREE] = ""


class NodeLiveSessionsRequest(ControlMessage, kw_only=True):
    """A hub asks a node for the shells of everyone; by `commands`, of `kept-commands`, for what else runs too."""

    TYPE: ClassVar[str] = "node.sessions.live.request"

    request_id: Annotated[str, FREE]
    commands: Annotated[bool, OMIT] = False


class NodeLiveSessionsResponse(ControlMessage, kw_only=True):
    """The sessions of a node, attached and detached."""

    TYPE: ClassVar[str] = "node.sessions.live.response"

    request_id: Annotated[str, FREE]
    sessions: tuple[DetachedSessionInfo, ...] = ()


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
    for declared in MESSAGES:
        codec.register(declared.TYPE, declared.from_wire)
    return codec
