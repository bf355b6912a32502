"""`omnyshell access`: what a principal may do on a node, as whom there, and why."""

import argparse

from omnyshell.cli.admin.question import ask
from omnyshell.cli.ground.output import say, say_json, say_table
from omnyshell.errors import ProtocolException
from omnyshell.model.admin import RightInfo
from omnyshell.model.tunnels import LOCAL_EXPOSER
from omnyshell.protocol.messages.admin import AccessRequest, AccessResponse

_SHELLS = "opens no shells to anybody: its operator says with --allow-command or [[commands]] what runs there"
_TUNNELS = "serves no tunnels to anybody: its operator names targets with --tunnel-allow"
_AGENTS = "lets nobody forward an agent: its operator allows it with --allow-agent"
_FILES = "copies no files for anybody: it has --files-off or rules for commands, lacks omnyshell[files], or is too old"
_UNSERVED = {"shell": _SHELLS, "files": _FILES, "agent": _AGENTS, "forward": _TUNNELS, "expose": _TUNNELS}
"""What a node may not offer, by the right that it would need."""

_USERS = "says by its [users] which of these users one becomes: `omnyshell node users` lists it there"


def explain(options: argparse.Namespace) -> int:
    """Print the rights of a principal on a node."""
    request = AccessRequest(request_id="", node_id=options.node, principal=options.who)
    found = ask(options, request, AccessResponse)
    _check(request, found)
    if options.json:
        say_json({key: value for key, value in found.to_wire().items() if key != "requestId"})
        return 0
    say(_heading(found))
    say_table(("RIGHT", "ALLOWED", "WHY"), [_row(right) for right in found.rights])
    for line in dict.fromkeys(_UNSERVED.get(right.right, "") for right in found.rights if right.unserved):
        say(f"{found.node_id} itself {line or 'does not serve all of it'}")
    if any(right.logins for right in found.rights):
        say(f"{found.node_id} itself {_USERS}")
    return 0


def _check(asked: AccessRequest, found: AccessResponse) -> None:
    """Raise `ProtocolException` if the hub answers about another principal or node."""
    if found.node_id != (asked.node_id or LOCAL_EXPOSER) or found.principal != (asked.principal or found.principal):
        raise ProtocolException("the hub answered about somebody, or a node, that was not asked for")


def _heading(found: AccessResponse) -> str:
    who = f"{found.principal} ({', '.join(found.roles) or 'no role'})"
    if not found.known:
        who = f"{found.principal} (nobody of that name can log in)"
    offline = (
        "" if found.online else ", which is not connected: what it says of itself is not known, only the hub's labels"
    )
    return f"{who} on {found.node_id}{offline}"


def _row(right: RightInfo) -> tuple[str, ...]:
    needed = f"; it takes the role {' or '.join(right.needed)}" if right.needed else ""
    return right.right, "yes" if right.allowed else "no", f"{right.why}{_as_whom(right)}{needed}"


def _as_whom(right: RightInfo) -> str:
    if not right.narrowed:
        return ""
    return f", as {' or '.join(right.logins)} alone" if right.logins else ", as nobody: grants name no user"
