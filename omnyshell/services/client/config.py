"""The settings of a client, from an embedder or the command line."""

from dataclasses import dataclass

from omnyshell.services.dial import HubAccess


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientConfig:
    """A client's settings; times in seconds."""

    access: HubAccess
    request_timeout: float = 15.0
    """How long the hub may take to answer."""

    open_timeout: float = 35.0
    """How long a session may take to open: a little more than the hub allows the node."""

    reconnect_timeout: float = 60.0
    """How long the client tries to reach a lost hub again and to resume its sessions; 0 to not try."""

    node_timeout: float = 30.0
    """How long, at most, the client waits for a session's node to reconnect while the hub is connected."""
