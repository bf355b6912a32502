"""A node proves by its key at which of several hubs it is (docs/extensions.md#place-proofs)."""

from typing import Annotated, ClassVar

from omnyshell.model.grammars import EPOCH, HUB_ID, ID
from omnyshell.model.schema import ANSWERED, FREE
from omnyshell.protocol.extensions import PLACE_PROOFS
from omnyshell.protocol.messages.base import ControlMessage, Way


class NodePlaceRequest(ControlMessage, kw_only=True):
    """A hub asks a node that registers for the proof that it is there."""

    TYPE: ClassVar[str] = "node.place.request"
    WAY: ClassVar[Way] = Way.HUB_TO_NODE

    EXTENSION: ClassVar[str] = PLACE_PROOFS

    request_id: Annotated[str, FREE]
    """Chosen by the hub, and echoed in the answer."""

    generation: Annotated[str, ID]
    """The generation of what the hubs hold true."""

    hub: Annotated[str, HUB_ID]
    """The hub's id among them."""

    epoch: Annotated[int, EPOCH]
    """By which it is to have the node."""


class NodePlaceResponse(ControlMessage, kw_only=True):
    """The proof."""

    TYPE: ClassVar[str] = "node.place.response"
    WAY: ClassVar[Way] = Way.NODE_TO_HUB

    EXTENSION: ClassVar[str] = PLACE_PROOFS

    request_id: Annotated[str, FREE]
    """That of the request."""

    public_key: Annotated[str, ANSWERED]
    """The key with which the node logged in, 32 bytes in base64."""

    signature: Annotated[str, ANSWERED]
    """Its signature, 64 bytes in base64."""


MESSAGES: tuple[type[ControlMessage], ...] = (NodePlaceRequest, NodePlaceResponse)
