"""How the hub's parts publish changes, and listeners receive them.

Publishers and listeners know only `EventBus`, so that a cluster's bus can replace this one
(docs/architecture.md#a-hub-is-one-of-several). Events are values: ids and snapshots of items, no live objects of this
process.
"""

import logging
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple, Protocol

from omnyshell.model.live import LivePeer, LiveSession, LiveTunnel

logger = logging.getLogger("omnyshell.hub")


class NodeEvent(NamedTuple):
    """A node registered, changed or left; the registry tells which."""

    node_id: str


class SessionEvent(NamedTuple):
    """A session's state changed; `session.state` is the new one."""

    session: LiveSession
    """A snapshot of the session, with its counters."""

    route_id: str
    """The id of the route that carries it; a resume makes a new route."""

    reason: str = ""
    """Why it was closed."""

    expires_at: datetime | None = None
    """When a detached session expires."""


class KillEvent(NamedTuple):
    """A shell that may be detached was killed at its node, whose next report will lack it."""

    node_id: str
    principal: str
    session_ref: str


class WatchEvent(NamedTuple):
    """Another principal than its owner began to look at a session's screen, or has not looked for a while."""

    node_id: str
    principal: str
    """The session's owner."""

    session_ref: str
    watcher: str
    is_watching: bool


class TunnelEvent(NamedTuple):
    """A tunnel was opened, or closed."""

    tunnel: LiveTunnel
    is_open: bool


class PeerEvent(NamedTuple):
    """A peer logged in, or its connection ended."""

    peer: LivePeer
    is_connected: bool


class RightsEvent(NamedTuple):
    """Rights may have changed on any node, for one principal or for all."""

    principal: str | None = None


HubEvent = RightsEvent | NodeEvent | SessionEvent | KillEvent | WatchEvent | TunnelEvent | PeerEvent
HubListener = Callable[[HubEvent], None]


class EventBus(Protocol):
    """Delivers a hub's events to listeners, in order."""

    @property
    def is_heard(self) -> bool:
        """Whether there are listeners; publishers can skip frequent events without them."""

    def publish(self, event: HubEvent) -> None:
        """Publish an event. Never waits, never raises."""

    def listen(self, listener: HubListener) -> Callable[[], None]:
        """Have `listener` called with every event from now on; it must not block or raise.

        Return a function that ends this.
        """


class LocalEventBus:
    """The bus of a single hub: calls the listeners at once."""

    def __init__(self) -> None:
        self._listeners: list[HubListener] = []

    @property
    def is_heard(self) -> bool:
        """Whether there are listeners."""
        return bool(self._listeners)

    def publish(self, event: HubEvent) -> None:
        """Publish an event."""
        for listener in tuple(self._listeners):
            try:
                listener(event)
            except Exception:
                # A failing listener must not keep a session from being opened or closed.
                logger.exception("a listener failed")

    def listen(self, listener: HubListener) -> Callable[[], None]:
        """Have `listener` called with every event from now on. Return a function that ends this."""
        self._listeners.append(listener)

        def end() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return end
