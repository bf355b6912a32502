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
    """Return what is pasted into a shell on the other machine; good once, as long as the invite is.

    The token stands before the command, not behind it: other users of that machine read command lines.
    """
    words = (*_COMMANDS[kind], str(hub), "--ca-fingerprint", invite.ca_fingerprint)
    return f"OMNYSHELL_TOKEN={shlex.quote(invite.token)} {shlex.join(words)}"
