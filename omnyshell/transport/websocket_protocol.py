"""What is set and read at the protocol of `websockets` beneath a link."""

import logging

from websockets.protocol import Protocol as WebSocketProtocol

from omnyshell.protocol.handshake import CLOSE_MESSAGE_TOO_BIG

ABNORMAL_CLOSURE = 1006
"""Stands for a connection that ended without a close frame (RFC 6455 section 7.4.1)."""

# The handler counts and reports a peer's errors, so the log lines of `websockets` about them are not needed.
quiet_logger = logging.getLogger("omnyshell.websocket")
quiet_logger.setLevel(logging.CRITICAL + 1)


def closed(ws: WebSocketProtocol) -> tuple[int, str]:
    """Return the code and the reason with which a connection has ended, and let go of what ended its input."""
    if ws.parser_exc is not None:
        # Its traceback has the parser's frame, which has the protocol: that would be freed as garbage only.
        ws.parser_exc.__traceback__ = None
    received = ws.close_rcvd
    if received is not None:
        return int(received.code), received.reason
    sent = ws.close_sent
    if sent is not None and sent.code == CLOSE_MESSAGE_TOO_BIG:
        return CLOSE_MESSAGE_TOO_BIG, sent.reason
    return ABNORMAL_CLOSURE, ""
