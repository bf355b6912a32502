"""The stages of a WebSocket connection, from its handshake to its end."""

from collections.abc import Collection, Mapping
from enum import Enum


class LinkStage(Enum):
    """How far a connection has come. Messages can be sent while it is OPEN or FLUSHING."""

    CONNECTING = "connecting"
    OPEN = "open"
    FLUSHING = "flushing"
    """It closes after all that waits to be sent; nothing more is received."""

    CLOSING = "closing"
    """Our close frame was sent; nothing more is received."""

    DEAF = "deaf"
    """As CLOSING, and input is not even parsed."""

    CLOSED_BY_PEER = "closed by the peer"
    """The peer closed, its input ended, or it broke the protocol; what it sent before still counts."""

    ENDED = "ended"


FOLLOWING: Mapping[LinkStage, Collection[LinkStage]] = {
    LinkStage.CONNECTING: {LinkStage.OPEN, LinkStage.ENDED},
    LinkStage.OPEN: {LinkStage.FLUSHING, LinkStage.CLOSING, LinkStage.CLOSED_BY_PEER, LinkStage.ENDED},
    LinkStage.FLUSHING: {LinkStage.CLOSING, LinkStage.ENDED},
    LinkStage.CLOSING: {LinkStage.DEAF, LinkStage.ENDED},
    LinkStage.CLOSED_BY_PEER: {LinkStage.DEAF, LinkStage.ENDED},
    LinkStage.DEAF: {LinkStage.ENDED},
    LinkStage.ENDED: (),
}
"""The stages that can follow each."""
