"""Which message of which role goes to whom: one table for a hub, checked when the hub is put together.

Who sends a message is declared with it (`Way`). A room of the hub says in a table of its own what it deals with;
`whole_table` joins them. So a message that is sent and that nobody deals with is found at the start, and not by a peer
that waits for an answer. What concerns the connection itself, `ping` say, is dealt with by it and is in no table.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from omnyshell.protocol.messages import ChannelMessage, ControlMessage
from omnyshell.protocol.messages.base import Role
from omnyshell.services.hub.ground.metrics import HubMetrics
from omnyshell.services.hub.peers.peer import Peer

Handler = Callable[[Peer, Any, int], None]
"""Takes a message of the type it is entered under, and its channel, 0 where it has none."""

Handlers = Mapping[type[ControlMessage], Handler]
"""What deals with messages of one role."""

MessageTable = Mapping[Role, Handlers]
"""What deals with the messages of each role."""


class ServedRole(NamedTuple):
    """What the hub does for connections of one role."""

    handlers: Handlers
    left: Callable[[Peer], None]
    """Ends what a connection carried; it is called when that has ended, and may have been before."""


def whole_table(known: Iterable[type[ControlMessage]], rooms: Iterable[MessageTable]) -> MessageTable:
    """Return the tables of all rooms as one.

    `known` are the messages that the hub can read. Raises `ValueError`, naming all of them, where a message has no
    handler or two, or where a handler is for one that the role does not send.
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
    """Enter all handlers; yields what is there already."""
    for table in rooms:
        for role, handlers in table.items():
            yield from _named({role: whole[role].keys() & handlers.keys()})
            whole[role].update(handlers)


def _named(messages: Mapping[Role, Iterable[type[ControlMessage]]]) -> list[str]:
    return sorted(f"{kind.TYPE} of a {role}" for role, kinds in messages.items() for kind in kinds)


def to_owner(metrics: HubMetrics) -> Handler:
    """Return a handler that gives a message to whom its channel belongs; on another channel it is dropped."""

    def handle(peer: Peer, message: ChannelMessage, channel: int) -> None:
        owner = peer.channels.get(channel)
        if owner is not None:
            owner.message(message)
        else:
            metrics.frames_dropped += 1

    return handle
