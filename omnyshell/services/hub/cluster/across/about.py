"""What hubs tell each other of a node, beside who has it."""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

import msgspec

from omnyshell.errors import ProtocolException
from omnyshell.model.nodes import NodeCapabilities, NodeDescriptor
from omnyshell.protocol.messages import NodeCapabilitiesMessage, NodeRegister
from omnyshell.services.hub.cluster.places.bounds import LONGEST_DESCRIPTION
from omnyshell.services.hub.nodes.registry import RegisteredNode, described

_NONE = msgspec.Raw(b"null")


class _Written(msgspec.Struct, frozen=True):
    principal: str
    address: str
    since: datetime
    features: tuple[str, ...]
    registration: msgspec.Raw
    capabilities: msgspec.Raw = _NONE


@dataclass(frozen=True, slots=True)
class About:
    """A node as the hub that has it describes it to the others."""

    principal: str
    """Whose connection it is."""

    address: str
    since: datetime
    """When the connection was made, by the clock of its hub."""

    features: frozenset[str]
    """The extensions that the node announced, and its hub knows."""

    registration: NodeRegister
    capabilities: NodeCapabilities | None
    size: int
    """Bytes of what the node says of itself."""

    def describe(self) -> NodeDescriptor:
        """The node as clients see it."""
        return described(self.registration, self.capabilities)


def written(node: RegisteredNode, known: frozenset[str]) -> bytes:
    """Return the description of a node of this hub, which knows these extensions."""
    said = node.capabilities
    capabilities = msgspec.Raw(msgspec.json.encode(said.to_wire())) if said is not None else _NONE
    return msgspec.json.encode(
        _Written(
            node.peer.principal.id,
            node.peer.address,
            node.peer.connected_at,
            tuple(sorted(node.peer.features & known)),
            msgspec.Raw(msgspec.json.encode(node.registration.to_wire())),
            capabilities,
        )
    )


def read(raw: bytes) -> About:
    """Read another hub's description. Raises `ValueError` for one that cannot be read."""
    if len(raw) > LONGEST_DESCRIPTION:
        raise ValueError(f"the description of a node is longer than {LONGEST_DESCRIPTION} bytes")
    try:
        found = msgspec.json.decode(raw, type=_Written)
        registration = NodeRegister.from_wire(msgspec.json.decode(found.registration))
        said = msgspec.json.decode(found.capabilities)
        message = NodeCapabilitiesMessage.from_wire(said) if said is not None else None
    except (msgspec.MsgspecError, UnicodeDecodeError, ProtocolException, RecursionError, AttributeError) as exc:
        raise ValueError(f"the description of a node cannot be read: {exc}") from exc
    size = len(found.registration) + (len(found.capabilities) if message is not None else 0)
    return About(
        found.principal,
        found.address,
        found.since,
        _features(found.features),
        registration,
        message.capabilities if message is not None else None,
        size,
    )


@lru_cache(maxsize=256)
def _features(said: tuple[str, ...]) -> frozenset[str]:
    """Return them as one object for all nodes that announce the same, as most do: there may be very many."""
    return frozenset(said)
