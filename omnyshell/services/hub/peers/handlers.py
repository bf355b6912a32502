"""The handlers of each role's messages: one table for a hub, checked when the hub is assembled.

Each message declares its senders (`Way`); `message_table.py` has a row for each, and `whole_table` checks them. So a
message without a handler is found at the start, not by a peer that waits for an answer. Messages about the connection
itself, such as `ping`, are handled by the connection and are in no table.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from omnyshell.protocol.messages import ChannelMessage, ControlMessage
from omnyshell.protocol.messages.base import Role
from omnyshell.services.hub.ground.metrics import HubMetrics
from omnyshell.services.hub.peers.peer import Peer

Handler = Callable[[Peer, Any, int], None]
"""Handles a message of the type under which it is entered, with its channel, or 0."""

Handlers = Mapping[type[ControlMessage], Handler]
"""The handlers of one role's messages, by type."""

MessageTable = Mapping[Role, Handlers]
"""The handlers of messages, by role."""


class ServedRole(NamedTuple):
    """The service of the hub for connections of one role."""

    handlers: Handlers
    left: Callable[[Peer], None]
    """Ends the sessions and tunnels of a connection. It is called when the connection has ended, and maybe before as
    well."""


def whole_table(known: Iterable[type[ControlMessage]], rooms: Iterable[MessageTable]) -> MessageTable:
    """Join the tables of `rooms`.

    `known` are the messages that the hub can decode. Raises `ValueError` that names all messages of a role without a
    handler or with two, and all handlers for messages that the role does not send.
    """
    whole: dict[Role, dict[type[ControlMessage], Handler]] = {role: {} for role in Role}
    doubles = list(_enter(whole, rooms))
    sent = {role: {kind for kind in known if role in kind.WAY.senders} for role in Role}
    faults = (
        ("dealt with twice", doubles),
        ("dealt with by nobody", _named({role: sent[role] - whole[role].keys() for role in Role})),
        ("not sent by that role", _named({role: whole[role].keys() - sent[role] for role in Role})),
    )
    found = [f"{what}: {', '.join(names)}" for what, names in faults if names]
    if found:
        raise ValueError("; ".join(found))
    return whole


def _enter(whole: dict[Role, dict[type[ControlMessage], Handler]], rooms: Iterable[MessageTable]) -> Iterator[str]:
    """Enter all handlers; yield the duplicates."""
    for table in rooms:
        for role, handlers in table.items():
            yield from _named({role: whole[role].keys() & handlers.keys()})
            whole[role].update(handlers)


def _named(messages: Mapping[Role, Iterable[type[ControlMessage]]]) -> list[str]:
    return sorted(f"{kind.TYPE} of a {role}" for role, kinds in messages.items() for kind in kinds)


def to_owner(metrics: HubMetrics) -> Handler:
    """Return a handler that passes a message to the owner of its channel, or drops it if there is none."""

    def handle(peer: Peer, message: ChannelMessage, channel: int) -> None:
        owner = peer.channels.get(channel)
        if owner is not None:
            owner.message(message)
        else:
            metrics.frames_dropped += 1

    return handle
