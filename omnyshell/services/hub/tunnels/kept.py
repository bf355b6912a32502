"""The tunnels that come back with the hub, and with their nodes."""

from collections.abc import Callable, Iterator

from omnyshell.model.principals import Principal
from omnyshell.services.hub.peers.login_gate import AsNow
from omnyshell.services.hub.tunnels.kept_store import KeptTunnel, TunnelStore
from omnyshell.services.hub.tunnels.open_tunnel import OpenTunnel


class KeptTunnels:
    """Keeps tunnels on disk while they are open, and knows them by their nodes."""

    def __init__(self, store: TunnelStore, standing: Callable[[], AsNow]) -> None:
        """`standing` returns a function that judges earlier logins by what is true now."""
        self._store = store
        self._standing = standing
        self._at: dict[str, dict[str, OpenTunnel]] = {}

    def take_up(self) -> Iterator[KeptTunnel]:
        """Yield the stored tunnels whose owners may still log in as they did, and forget the others."""
        for kept in self._store.tunnels():
            owner = self._standing()(kept.owner, kept.evidence)
            if owner is None:
                self._store.remove(kept.info.tunnel_id)
            else:
                yield kept._replace(owner=owner)

    def at(self, node_id: str) -> list[tuple[OpenTunnel, Principal | None]]:
        """Return the kept tunnels to a node, each with its owner as that may log in now; None if it may not."""
        theirs = self._at.get(node_id)
        if not theirs:
            return []
        standing = self._standing()
        return [(tunnel, standing(tunnel.owner, tunnel.evidence)) for tunnel in theirs.values()]

    def know(self, tunnel: OpenTunnel) -> None:
        """Note a tunnel that is stored."""
        self._at.setdefault(tunnel.info.node_id, {})[tunnel.info.tunnel_id] = tunnel

    def keep(self, tunnel: OpenTunnel) -> None:
        """Store a tunnel; it is on disk when this returns. Raises `ConfigException` if it cannot be."""
        self._store.put(KeptTunnel(tunnel.info, tunnel.owner, tunnel.evidence))
        self.know(tunnel)

    def forget(self, tunnel: OpenTunnel) -> None:
        """Remove a tunnel that is closed for good. Idempotent."""
        info = tunnel.info
        self._store.remove(info.tunnel_id)
        theirs = self._at.get(info.node_id, {})
        theirs.pop(info.tunnel_id, None)
        if not theirs:
            self._at.pop(info.node_id, None)
