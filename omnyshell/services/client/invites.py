"""The command line by which an invite is used."""

import shlex

from omnyshell.model.admin import InviteKind
from omnyshell.protocol.messages.admin import InviteCreated
from omnyshell.transport.connection import HubAddress

_COMMANDS = {
    InviteKind.NODE: ("omnyshell", "node", "join"),
    InviteKind.USER: ("omnyshell", "login", "--join"),
}


def join_line(kind: InviteKind, hub: HubAddress, invite: InviteCreated) -> str:
    """Return the line to paste into a shell on the other machine; it is valid as long as the invite.

    The token is an environment variable, not an argument, as other users of that machine can read arguments.
    """
    words = (*_COMMANDS[kind], str(hub), "--ca-fingerprint", invite.ca_fingerprint)
    return f"OMNYSHELL_TOKEN={shlex.quote(invite.token)} {shlex.join(words)}"
