"""What an embedder or the command line decides about a client."""

from dataclasses import dataclass

from omnyshell.services.dial import HubAccess


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientConfig:
    """A client's settings; times in seconds."""

    access: HubAccess
    request_timeout: float = 15.0
    """How long the hub may take to answer."""

    open_timeout: float = 35.0
    """How long a session may take to open; a little more than the hub gives the node."""

    reconnect_timeout: float = 60.0
    """How long the client tries to get a lost hub back, and its sessions; 0 for not at all."""

    node_timeout: float = 30.0
    """How long, at most, a session's node is waited for while the hub is there: no longer than for a heartbeat."""
