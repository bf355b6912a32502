"""Tells the hub what a session's program put on the clipboard (docs/extensions.md#clipboard-audit)."""

from omnyshell.protocol.extensions import CLIPBOARD_AUDIT
from omnyshell.protocol.messages.clipboard import SessionClipboard
from omnyshell.services.client.session import RemoteSession
from omnyshell.transport.connection import OmnyShellConnection


def tell(connection: OmnyShellConnection | None, session: RemoteSession, size: int, refused: str) -> None:
    """See `OmnyShellClient.tell_clipboard`."""
    if connection is not None and CLIPBOARD_AUDIT in connection.features and not session.channel.is_closed:
        session.channel.send_ahead(SessionClipboard(size=size, refused=refused or None))
