"""The base of control messages, and who sends them to whom."""

from enum import Enum, StrEnum
from typing import ClassVar

from omnyshell.model.schema import WireObject


class Role(StrEnum):
    """The role of a hub's peer, as its `hello` names it."""

    CLIENT = "client"
    NODE = "node"


class Way(Enum):
    """Who sends a message to whom. An exposer is a peer that serves tunnels: a node, or a client for its own machine.

    `senders` are the roles whose logged-in peers may send the message to a hub; the hub needs a handler for each.
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
    """Sent before the login; handled by the connection itself."""

    HUB_TO_PEER = "hub -> peer", ()
    CONNECTION = "both ways", ()
    """About the connection, which handles it itself for every role."""

    def __init__(self, shown: str, senders: tuple[Role, ...]) -> None:
        self.shown = shown
        """The way as the documents show it."""

        self.senders = senders


class ControlMessage(WireObject):
    """A control message: a `t`, and a `d` that its fields declare."""

    TYPE: ClassVar[str]
    WAY: ClassVar[Way]
    """Who sends it to whom; the hub's table of messages and the documents derive from this."""

    SCOPED: ClassVar[bool] = False
    """Whether the message belongs to a channel, so that a frame without `c` is undecodable."""

    EXTENSION: ClassVar[str] = ""
    """The extension that a peer must announce for the message to be handled; empty if there is none."""

    LISTS: ClassVar[str] = ""
    """The list field of an answer that may be cut to fit; `left_out` then counts the items that were cut."""

    NEWEST_LAST: ClassVar[bool] = False
    """Whether the list is cut at its beginning."""


class ChannelMessage(ControlMessage):
    """A control message about one channel."""

    SCOPED: ClassVar[bool] = True
