"""What the hub allows at present."""

from dataclasses import dataclass

from omnyshell.model.principals import Principal
from omnyshell.security.authorizer import Authorizer
from omnyshell.services.hub.registry import RegisteredNode


@dataclass(slots=True, kw_only=True)
class HubPolicy:
    """Shared by all who decide by it: a reload that changes it here changes it for all of them."""

    authorizer: Authorizer
    max_channels: int
    """Of one connection."""

    def may_use(self, principal: Principal, node: RegisteredNode) -> bool:
        """Tell whether the principal may have sessions and tunnels on the node."""
        return self.authorizer.may_open(principal, node.labels, node.hub_labels)
