"""The sessions of a forward: its permission, and its connections."""

from collections.abc import Sequence

from omnyshell.model.sessions import SessionMode
from omnyshell.model.targets import Target
from omnyshell.protocol.extensions import FORWARD, FORWARD_AHEAD
from omnyshell.protocol.messages import SessionOpen
from omnyshell.protocol.messages.forwards import ForwardDial
from omnyshell.services.client.client import OmnyShellClient
from omnyshell.services.client.session import RemoteSession


async def open_permission(
    client: OmnyShellClient, node_id: str, targets: Sequence[Target], shown: str
) -> RemoteSession:
    """Ask hub and node whether these targets may be reached; the session lasts as long as that is needed.

    `shown` says what it is for, in lists and in the audit. Raises as `OmnyShellClient.open_session` does, with the
    code `forbidden` for a target that the node does not allow.
    """
    request = SessionOpen(
        node_id=node_id, mode=SessionMode.FORWARD, command=shown, args=tuple(str(target) for target in targets)
    )
    return await client.open_as_asked(request, FORWARD)


def ask_for_connection(
    client: OmnyShellClient, permission: RemoteSession, target: Target, *, ahead: bool = False
) -> RemoteSession:
    """Ask for a connection to a target under a permission. Its input can be sent at once, and waits at the node.

    One that is asked for `ahead` is made with its first input, or by `dial`; the permission has to allow that. Raises
    as `OmnyShellClient.open_session` does, and so does `until_open`, with the code `dial_failed` for a target that does
    not answer.
    """
    request = SessionOpen(
        node_id=permission.node_id, mode=SessionMode.FORWARD, target=str(target), forward=permission.id, ahead=ahead
    )
    return client.ask_to_open(request, FORWARD, *((FORWARD_AHEAD,) if ahead else ()))


def dial(connection: RemoteSession) -> None:
    """Have a connection made that was asked for ahead, and has no input yet."""
    connection.channel.send(ForwardDial())
