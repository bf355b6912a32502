"""The one answer to every wrong credential."""

from omnyshell.errors import AuthException

REFUSED = "Authentication failed"
"""What a peer is told, whatever was wrong (docs/protocol.md#handshake)."""


def refused() -> AuthException:
    """The exception for a wrong credential, to be raised by the caller; its words never vary."""
    return AuthException(REFUSED)
