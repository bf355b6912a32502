"""A hub hands its peers over to others at an admin's word (docs/extensions.md#hubs)."""

from typing import Annotated, ClassVar

from omnyshell.model.grammars import COUNT
from omnyshell.model.schema import ANSWERED, OMIT
from omnyshell.protocol.extensions import HUBS
from omnyshell.protocol.messages.admin.base import AdminRequest
from omnyshell.protocol.messages.base import Way


class HubDrain(AdminRequest, kw_only=True):
    """Has the hub hand its peers over to other hubs, and take no new nodes; or take peers again."""

    TYPE: ClassVar[str] = "admin.hub.drain"
    WAY: ClassVar[Way] = Way.CLIENT_TO_HUB
    NEEDS: ClassVar[str] = HUBS

    within: Annotated[int, OMIT, ANSWERED] = 30
    """Over how many seconds that is spread: 3,600 at most."""

    ends: Annotated[bool, OMIT] = False
    """The hub takes peers again."""


class HubDrainingRequest(AdminRequest, kw_only=True):
    """Asks how many peers the hub still has."""

    TYPE: ClassVar[str] = "admin.hub.draining.request"
    WAY: ClassVar[Way] = Way.CLIENT_TO_HUB
    NEEDS: ClassVar[str] = HUBS


class HubDrainingResponse(AdminRequest, kw_only=True):
    """How many peers are connected with the hub itself, the one who asks too."""

    TYPE: ClassVar[str] = "admin.hub.draining.response"
    WAY: ClassVar[Way] = Way.HUB_TO_CLIENT

    drains: bool = False
    """Whether it hands its peers over."""

    nodes: Annotated[int, COUNT] = 0
    """How many nodes."""

    clients: Annotated[int, COUNT] = 0
    """How many clients."""
