"""Decides which tunnels a hub opens: checks requests, rights and limits."""

from collections.abc import Callable

from omnyshell.errors import ErrorCodes, TunnelRejectedException
from omnyshell.hosts import dialled_host
from omnyshell.model.grammars import is_host
from omnyshell.model.nodes import TUNNEL_SERVICE
from omnyshell.model.principals import Principal
from omnyshell.model.tunnels import LOCAL_EXPOSER, MAX_PORT, TunnelProtocol
from omnyshell.protocol.messages import TunnelOpenRequest
from omnyshell.security.authorizer import Decision
from omnyshell.services.hub.access.policy import HubPolicy
from omnyshell.services.hub.access.quota import Quota
from omnyshell.services.hub.access.rights import right_taken
from omnyshell.services.hub.ground.certificate import SecureTunnels
from omnyshell.services.hub.ground.limits import Resource
from omnyshell.services.hub.nodes.directory import NodeDirectory, ReachableNode
from omnyshell.services.hub.tunnels.registry import TunnelRegistry

EXPOSING = right_taken(TunnelOpenRequest)
"""The right that a tunnel's owner needs when it is opened, and for each connection through it."""

SECURE_UNAVAILABLE = "secure_unavailable"
"""The code for a refused TLS tunnel, and for connections to open ones after TLS tunnels were switched off."""


class TunnelAdmission:
    """Checks requests for tunnels. No I/O."""

    def __init__(
        self,
        *,
        registry: TunnelRegistry,
        nodes: NodeDirectory,
        policy: HubPolicy,
        quota: Quota,
        secure: Callable[[], SecureTunnels],
    ) -> None:
        """`secure` returns the present TLS configuration of tunnels' public side, or why there is none."""
        self._registry = registry
        self._nodes = nodes
        self._policy = policy
        self._quota = quota
        self._secure = secure

    def check(self, who: Principal, request: TunnelOpenRequest) -> tuple[TunnelProtocol, ReachableNode | None]:
        """Return the tunnel's protocol, and the node that exposes its target; None if that is the asking client.

        Raises `TunnelRejectedException` with the first reason that applies.
        """
        protocol = self._check_request(request)
        node = self._check_exposer(who, None if _is_own(request) else request.node_id)
        self._check_quota(who)
        return protocol, node

    def may_expose(self, principal: Principal, node: ReachableNode | None) -> Decision:
        """Decide whether a principal may have a public port that leads to a node, or for None to its own machine."""
        return self._policy.decide(principal, EXPOSING, node)

    def may_wait(self, node_id: str) -> bool:
        """Tell whether a tunnel may wait for a node: what its owner may do there is asked when it is back."""
        return not self._policy.is_locked(node_id)

    def _check_request(self, request: TunnelOpenRequest) -> TunnelProtocol:
        if not 1 <= request.target_port <= MAX_PORT:
            raise TunnelRejectedException(f"The target's port must be 1 to {MAX_PORT}", code=ErrorCodes.BAD_REQUEST)
        if not is_host(request.target_host):
            raise TunnelRejectedException("The target's host is not valid", code=ErrorCodes.BAD_REQUEST)
        if not _is_own(request):
            request.target_host = dialled_host(request.target_host)
        if request.persist and _is_own(request):
            text = "A tunnel to a client's own machine is the client's to open again"
            raise TunnelRejectedException(text, code=ErrorCodes.BAD_REQUEST)
        self._registry.check_enabled()
        if request.secure:
            self._check_secure()
        try:
            return TunnelProtocol.named(request.protocol)
        except ValueError as exc:
            text = f"This hub has no '{request.protocol[:32]}' tunnels"
            raise TunnelRejectedException(text, code="unsupported_protocol") from exc

    def _check_secure(self) -> None:
        secure = self._secure()
        if secure.tls is None:
            text = "This hub has no TLS tunnels"
            if secure.is_unsafe:
                text = "TLS tunnels are off on this hub: its log says why"
            raise TunnelRejectedException(text, code=SECURE_UNAVAILABLE)

    def _check_exposer(self, principal: Principal, node_id: str | None) -> ReachableNode | None:
        """The node that is to expose the target; None if that is the asking client."""
        node = self._nodes.find(node_id) if node_id is not None else None
        if node_id is not None and (node is None or not node.peer.is_open):
            raise TunnelRejectedException(f"No node '{node_id}' is connected", code=ErrorCodes.NODE_OFFLINE)
        decision = self.may_expose(principal, node)
        if decision.allowed and node is not None and node.peer.hub:
            text = f"Node '{node_id}' is at hub '{node.peer.hub}': ask that hub, whose ports lead to its nodes"
            raise TunnelRejectedException(text, code=ErrorCodes.OTHER_HUB)
        if not decision.allowed:
            text = self._policy.refusal(principal, EXPOSING, node, decision)
            raise TunnelRejectedException(text, code=ErrorCodes.NOT_AUTHORIZED)
        # A node without capabilities is asked all the same: nodes of the original may never send them.
        given = node.capabilities if node is not None else None
        if given is not None and TUNNEL_SERVICE not in given.features:
            raise TunnelRejectedException(f"Node '{node_id}' does not serve tunnels", code="unsupported")
        return node

    def _check_quota(self, who: Principal) -> None:
        held = len(self._registry.of_owner(who.id))
        why = self._quota.problem(who, Resource.TUNNELS, held, self._registry.pool)
        if why:
            raise TunnelRejectedException(why, code=ErrorCodes.CAPACITY_EXCEEDED)


def _is_own(request: TunnelOpenRequest) -> bool:
    """Whether the asking client itself is to reach the target, and compares it with what it asked for."""
    return request.node_id in ("", LOCAL_EXPOSER)
