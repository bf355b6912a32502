"""What every control message is, and who sends it to whom."""

from enum import Enum, StrEnum
from typing import ClassVar

from omnyshell.model.schema import WireObject


class Role(StrEnum):
    """What a peer that a hub serves says it is, in its `hello`."""

    CLIENT = "client"
    NODE = "node"


class Way(Enum):
    """Who sends a message to whom. An exposer is whoever serves tunnels: a node, or a client for its own machine.

    `senders` are the roles from which a hub gets the message once they have logged in, and has to deal with it.
    """

    CLIENT_TO_HUB = "client -> hub", (Role.CLIENT,)
    CLIENT_TO_NODE = "client -> hub -> node", (Role.CLIENT,)
    NODE_TO_HUB = "node -> hub", (Role.NODE,)
    NODE_TO_CLIENT = "node -> hub -> client", (Role.NODE,)
    EXPOSER_TO_HUB = "exposer -> hub", (Role.CLIENT, Role.NODE)
    CHANNEL = "both ways", (Role.CLIENT, Role.NODE)
    HUB_TO_CLIENT = "hub -> client", ()
    HUB_TO_NODE = "hub -> node", ()
    HUB_TO_EXPOSER = "hub -> exposer", ()
    PEER_TO_HUB = "peer -> hub", ()
    """Before the login: the connection deals with it."""

    HUB_TO_PEER = "hub -> peer", ()
    CONNECTION = "both ways", ()
    """About the connection itself, which deals with it, whatever the role."""

    def __init__(self, shown: str, senders: tuple[Role, ...]) -> None:
        self.shown = shown
        """The way as the documents show it."""

        self.senders = senders


class ControlMessage(WireObject):
    """A control message: a `t`, and a `d` that its fields declare."""

    TYPE: ClassVar[str]
    WAY: ClassVar[Way]
    """Who sends it to whom: from this come the hub's table of messages and the documents."""

    SCOPED: ClassVar[bool] = False
    """Whether the message belongs to a channel, so that a frame without `c` is undecodable."""

    EXTENSION: ClassVar[str] = ""
    """The extension that a peer announces to have the message dealt with; empty for what every peer may send."""

    LISTS: ClassVar[str] = ""
    """The field of an answer that is a list, which may be too long: `left_out` says then how many have no place."""

    NEWEST_LAST: ClassVar[bool] = False
    """Whether what stands first in the list is left out first."""


class ChannelMessage(ControlMessage):
    """A control message about one channel."""

    SCOPED: ClassVar[bool] = True
