"""The stages of a WebSocket connection, from its handshake to its end, and why it ended."""

from collections.abc import Collection, Mapping
from enum import Enum

from websockets.protocol import Protocol as WebSocketProtocol

from omnyshell.protocol.handshake import CLOSE_MESSAGE_TOO_BIG

ABNORMAL_CLOSURE = 1006
"""Stands for a connection that ended without a close frame (RFC 6455 section 7.4.1)."""


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


def close_cause(ws: WebSocketProtocol) -> tuple[int, str]:
    """Return the code and the reason with which a connection has ended."""
    received = ws.close_rcvd
    if received is not None:
        return int(received.code), received.reason
    sent = ws.close_sent
    if sent is not None and sent.code == CLOSE_MESSAGE_TOO_BIG:
        return CLOSE_MESSAGE_TOO_BIG, sent.reason
    return ABNORMAL_CLOSURE, ""
