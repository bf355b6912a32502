"""How nodes' machines are, while somebody looks (docs/extensions.md#vitals)."""

from typing import Annotated, ClassVar

from omnyshell.model.schema import FREE
from omnyshell.model.vitals import MachineVitals
from omnyshell.protocol.extensions import VITALS
from omnyshell.protocol.messages.base import ControlMessage, Way


class VitalsLook(ControlMessage, kw_only=True):
    """A subscriber to the live state looks at nodes' vitals from now on, or no longer."""

    TYPE: ClassVar[str] = "vitals.look"
    WAY: ClassVar[Way] = Way.CLIENT_TO_HUB

    EXTENSION: ClassVar[str] = VITALS

    subscription_id: Annotated[str, FREE]
    """Its subscription; of one that has ended the hub takes no notice."""

    looks: bool
    """Whether it looks."""


class NodeVitalsRequest(ControlMessage, kw_only=True):
    """A hub asks a node how its machine is."""

    TYPE: ClassVar[str] = "node.vitals.request"
    WAY: ClassVar[Way] = Way.HUB_TO_NODE

    EXTENSION: ClassVar[str] = VITALS

    request_id: Annotated[str, FREE]
    """Chosen by the hub, and echoed in the answer."""


class NodeVitalsResponse(ControlMessage, kw_only=True):
    """How a node's machine is."""

    TYPE: ClassVar[str] = "node.vitals.response"
    WAY: ClassVar[Way] = Way.NODE_TO_HUB

    EXTENSION: ClassVar[str] = VITALS

    request_id: Annotated[str, FREE]
    """That of the request."""

    vitals: MachineVitals
    """How it is."""


MESSAGES: tuple[type[ControlMessage], ...] = (VitalsLook, NodeVitalsRequest, NodeVitalsResponse)
