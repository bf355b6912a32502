"""The line that an invite is used with."""

import shlex

from omnyshell.model.admin import InviteKind
from omnyshell.protocol.messages.admin import InviteCreated
from omnyshell.transport.connection import HubAddress

_COMMANDS = {
    InviteKind.NODE: ("omnyshell", "node", "join"),
    InviteKind.USER: ("omnyshell", "login", "--join"),
}


def join_line(kind: InviteKind, hub: HubAddress, invite: InviteCreated) -> str:
    """Return what is pasted into a shell on the other machine; good once, as long as the invite is."""
    words = (*_COMMANDS[kind], str(hub), "--token", invite.token, "--ca-fingerprint", invite.ca_fingerprint)
    return shlex.join(words)
