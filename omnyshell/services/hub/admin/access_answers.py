"""Answers who may do what on a node, and why (extension `admin`).

Admins may ask about anybody, others about themselves.
"""

from msgspec.structs import replace

from omnyshell.errors import ErrorCodes
from omnyshell.ids import PrincipalId
from omnyshell.model.admin import RightInfo
from omnyshell.model.grammars import PRINCIPAL, is_principal
from omnyshell.model.principals import Principal
from omnyshell.model.tunnels import LOCAL_EXPOSER
from omnyshell.protocol.extensions import LOGINS
from omnyshell.protocol.messages.admin import AccessRequest, AccessResponse, AdminResult
from omnyshell.security.authenticators import Authenticator, can_list, principal_of
from omnyshell.security.authorizer import OWN_MACHINE, Action, Decision, NodeResource
from omnyshell.services.hub.access.locks import Locks, told
from omnyshell.services.hub.access.policy import HubPolicy
from omnyshell.services.hub.access.rights import serves
from omnyshell.services.hub.admin.plans import SHOWN, AdminRefusedException
from omnyshell.services.hub.audit.log import LONGEST_NAME, AuditLog
from omnyshell.services.hub.nodes.owners import NodeOwners
from omnyshell.services.hub.nodes.registry import NodeRegistry, RegisteredNode
from omnyshell.services.hub.peers.peer import Peer

_TOO_OLD = ", but the node is too old to say whose its sessions are: its OmnyShell wants an update"


class AccessAnswers:
    """Answers by the policy that decides about requests, so that its answers hold."""

    def __init__(
        self,
        *,
        policy: HubPolicy,
        nodes: NodeRegistry,
        owners: NodeOwners,
        authenticator: Authenticator,
        locks: Locks,
        audit: AuditLog,
    ) -> None:
        self._policy = policy
        self._nodes = nodes
        self._owners = owners
        self._authenticator = authenticator
        self._locks = locks
        self._audit = audit

    def asked(self, peer: Peer, ask: AccessRequest, _channel: int) -> None:
        """Answer what a principal may do on a node."""
        try:
            peer.send(self._answer(peer, ask))
        except AdminRefusedException as exc:
            peer.send(AdminResult(request_id=ask.request_id, code=exc.code, message=exc.message))

    def _answer(self, peer: Peer, ask: AccessRequest) -> AccessResponse:
        is_own = ask.principal is None or ask.principal == peer.principal.id
        if not is_own:
            self._check_admin(peer, ask)
        node = self._known_node(peer, ask.node_id)
        resource = node.resource if node is not None else self._unconnected(peer, ask.node_id)
        principal = peer.principal if is_own else self._find(ask.principal or "")
        who = principal or Principal(PrincipalId(ask.principal or ""))
        rights = (self._right(who, action, resource, node) for action in _asked_of(resource))
        return AccessResponse(
            request_id=ask.request_id,
            node_id=resource.node_id,
            principal=who.id,
            known=principal is not None,
            online=node is not None or resource.is_local,
            roles=tuple(sorted(who.roles)),
            rights=tuple(rights if LOGINS in peer.features else map(_without_users, rights)),
        )

    def _check_admin(self, peer: Peer, ask: AccessRequest) -> None:
        fields = {"principal": peer.principal.id, "address": peer.address, "node_id": ask.node_id[:LONGEST_NAME]}
        about = f"principal={(ask.principal or '')[:LONGEST_NAME]}"
        if not peer.principal.is_admin:
            self._audit.record(ask.TYPE, "denied", **fields, reason=ErrorCodes.NOT_AUTHORIZED, detail=about)
            text = "Only administrators may ask about others"
            raise AdminRefusedException(text, code=ErrorCodes.NOT_AUTHORIZED)
        self._audit.record("admin.read", **fields, detail=f"{ask.TYPE} {about}")

    def _known_node(self, peer: Peer, node_id: str) -> RegisteredNode | None:
        """The node, if it is connected and the asking peer may know of it."""
        node = self._nodes.find(node_id)
        return node if node is not None and self._policy.may_know(peer.principal, node) else None

    def _unconnected(self, peer: Peer, node_id: str) -> NodeResource:
        """The resource to judge for a node that is not connected. Raises if the asking peer may not know of it."""
        if node_id in ("", LOCAL_EXPOSER):
            return OWN_MACHINE
        hub_labels, shown = self._nodes.hub_labels.get(node_id), node_id[:SHOWN]
        if not peer.principal.is_admin:
            raise AdminRefusedException(f"there is no node '{shown}' that you may know of", code="not_found")
        if hub_labels is None and node_id not in self._owners.owners():
            raise AdminRefusedException(f"no node '{shown}' is connected, and nobody holds that id", code="not_found")
        return NodeResource(node_id, hub_labels=hub_labels or {})

    def _find(self, name: str) -> Principal | None:
        """The principal of that name with the roles of all its credentials, if it can log in."""
        if not is_principal(name):
            raise AdminRefusedException(f"it must be {PRINCIPAL.rule}")
        known = principal_of(self._authenticator, PrincipalId(name))
        # An authenticator that cannot list its principals may know it: judge it by name alone.
        return known or (None if can_list(self._authenticator) else Principal(PrincipalId(name)))

    def _right(self, who: Principal, action: Action, resource: NodeResource, node: RegisteredNode | None) -> RightInfo:
        lock = self._locks.of_login(who)
        decision = self._policy.judge(who, action, resource) if lock is None else Decision(False, told(lock))
        needed = () if decision.allowed else decision.needed
        unserved = node is not None and not serves(node.capabilities, action)
        logins = self._policy.logins(who, action, resource) if decision.allowed else None
        is_too_old = logins is not None and node is not None and LOGINS not in node.peer.features
        return RightInfo(
            right=action.value,
            allowed=decision.allowed,
            why=f"{decision.why}{_TOO_OLD if is_too_old else ''}",
            needed=needed,
            unserved=unserved,
            narrowed=logins is not None,
            logins=tuple(sorted(logins or ())),
        )


def _without_users(right: RightInfo) -> RightInfo:
    return replace(right, narrowed=False, logins=())


def _asked_of(resource: NodeResource) -> tuple[Action, ...]:
    return (Action.EXPOSE,) if resource.is_local else tuple(Action)
