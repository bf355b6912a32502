"""What hubs tell their peers of each other while they are connected (docs/extensions.md#hubs)."""

from typing import ClassVar

from omnyshell.model.hubs import OtherHub
from omnyshell.protocol.extensions import HUBS
from omnyshell.protocol.messages.base import ControlMessage, Way


class HubsChanged(ControlMessage, kw_only=True):
    """The other hubs are these now."""

    TYPE: ClassVar[str] = "hubs.changed"
    WAY: ClassVar[Way] = Way.HUB_TO_PEER
    EXTENSION: ClassVar[str] = HUBS

    hubs: tuple[OtherHub, ...] = ()
    """All others."""


class HubsMove(ControlMessage, kw_only=True):
    """The hub will stop: go to another one, and go on there."""

    TYPE: ClassVar[str] = "hubs.move"
    WAY: ClassVar[Way] = Way.HUB_TO_PEER
    EXTENSION: ClassVar[str] = HUBS


MESSAGES: tuple[type[ControlMessage], ...] = (HubsChanged, HubsMove)
