"""How the hub's parts say what changed, and who listens to it.

`EventBus` is all that publishers and listeners know, so that a cluster's bus can take this place
(docs/architecture.md#a-hub-is-one-of-several): events are values, ids and items as they are told, nothing that lives in
this process.
"""

import logging
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple, Protocol

from omnyshell.model.live import LivePeer, LiveSession, LiveTunnel

logger = logging.getLogger("omnyshell.hub")


class NodeEvent(NamedTuple):
    """A node registered, changed or left; which of them, the registry tells."""

    node_id: str


class SessionEvent(NamedTuple):
    """A session's state changed; `session.state` is the new one."""

    session: LiveSession
    """The session as it is now, with what it has carried."""

    route_id: str
    """Names what carries it; when it is resumed, another does."""

    reason: str = ""
    """Why it was closed."""

    expires_at: datetime | None = None
    """How long a session that was detached is kept."""


class KillEvent(NamedTuple):
    """A shell that may wait in its node was killed there; the node tells later that it is gone."""

    node_id: str
    principal: str
    session_ref: str


class TunnelEvent(NamedTuple):
    """A tunnel was opened, or closed."""

    tunnel: LiveTunnel
    is_open: bool


class PeerEvent(NamedTuple):
    """A peer logged in, or its connection ended."""

    peer: LivePeer
    is_connected: bool


class RightsEvent(NamedTuple):
    """What is allowed may have changed at any node, for one principal or for anybody."""

    principal: str | None = None


HubEvent = RightsEvent | NodeEvent | SessionEvent | KillEvent | TunnelEvent | PeerEvent
HubListener = Callable[[HubEvent], None]


class EventBus(Protocol):
    """Carries what happens in a hub to whoever listens, in order."""

    @property
    def is_heard(self) -> bool:
        """Whether anybody listens: what happens all the time need not be described while nobody does."""

    def publish(self, event: HubEvent) -> None:
        """Say that something has changed. Never waits, never raises."""

    def listen(self, listener: HubListener) -> Callable[[], None]:
        """Have `listener` called with every event from now on; it must not block or raise. Returns what ends that."""


class LocalEventBus:
    """The bus of a hub that is alone: calls the listeners at once."""

    def __init__(self) -> None:
        self._listeners: list[HubListener] = []

    @property
    def is_heard(self) -> bool:
        """Whether anybody listens."""
        return bool(self._listeners)

    def publish(self, event: HubEvent) -> None:
        """Say that something has changed."""
        for listener in tuple(self._listeners):
            try:
                listener(event)
            except Exception:
                # Whoever watches must never keep a session from being opened or closed.
                logger.exception("a listener failed")

    def listen(self, listener: HubListener) -> Callable[[], None]:
        """Have `listener` called with every event from now on. Returns what ends that."""
        self._listeners.append(listener)

        def end() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return end
