"""Fills a state from a hub without `events`, by requests of the base protocol."""

from omnyshell.model.live import LiveNode, LiveSession, LiveTunnel, NodePresence, Part
from omnyshell.model.nodes import NodeDescriptor
from omnyshell.model.sessions import DetachedSessionInfo, SessionState
from omnyshell.model.tunnels import TunnelInfo
from omnyshell.services.client.client import OmnyShellClient
from omnyshell.services.client.everywhere import sessions_everywhere
from omnyshell.services.client.live.state import HubState

SESSIONS_EVERY = 5
"""Sessions are polled only in every so many rounds: it costs a request to every node, which the hub audits."""

POLLED_PARTS = frozenset((Part.NODES, Part.SESSIONS, Part.TUNNELS))


class Poller:
    """Polls nodes, tunnels and the principal's own sessions. The other parts stay unknown."""

    def __init__(self, client: OmnyShellClient, state: HubState, parts: frozenset[Part]) -> None:
        self._client = client
        self._state = state
        self._parts = parts & POLLED_PARTS
        self._round = 0

    async def poll(self) -> None:
        """Poll once. Raises what the client raises when the hub is lost or silent."""
        self._state.set_round_trip(await self._client.ping())
        nodes = await self._client.list_nodes()
        if Part.NODES in self._parts:
            self._state.set_polled(Part.NODES, map(_node, nodes))
        if Part.TUNNELS in self._parts:
            self._state.set_polled(Part.TUNNELS, map(_tunnel, await self._client.list_tunnels()))
        if Part.SESSIONS in self._parts and self._round % SESSIONS_EVERY == 0:
            found = await sessions_everywhere(self._client, nodes)
            self._state.set_polled(Part.SESSIONS, map(_session, found.sessions))
        self._round += 1


def _node(found: NodeDescriptor) -> LiveNode:
    return LiveNode(
        node_id=found.node_id,
        state=NodePresence.ONLINE,
        uid=found.uid or "",
        display_name=found.display_name,
        platform=found.platform,
        labels=found.labels,
        capabilities=found.capabilities,
    )


def _tunnel(found: TunnelInfo) -> LiveTunnel:
    return LiveTunnel(
        tunnel_id=found.tunnel_id,
        node_id=found.node_id,
        principal=found.owner_user_id,
        target_host=found.target_host,
        target_port=found.target_port,
        public_host=found.public_host,
        public_port=found.public_port,
        secure=found.secure,
        protocol=found.protocol,
        created_at=found.created_at,
    )


def _session(found: DetachedSessionInfo) -> LiveSession:
    attached = found.state is SessionState.ATTACHED
    return LiveSession(
        session_id=found.session_id,
        node_id=found.node_id,
        principal=found.owner_user_id,
        mode=found.mode,
        state=SessionState.OPEN if attached else found.state,
        created_at=found.created_at,
        command=found.current_command or "",
        cwd=found.current_cwd or "",
        detached_at=found.detached_at,
        expires_at=found.expires_at,
        user=found.user,
    )
