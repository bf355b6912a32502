"""Lists that a hub answers, which stay short enough to be taken, whatever others say of themselves."""

from collections.abc import Collection, Sequence

import msgspec

from omnyshell.model.nodes import SERVICES, TUNNEL_SERVICE, NodeCapabilities, NodeDescriptor, PlatformInfo
from omnyshell.protocol.codec import encode_control
from omnyshell.protocol.extensions import INTERACTIVE
from omnyshell.protocol.limits import MAX_MESSAGE_FROM_HUB
from omnyshell.protocol.messages import ControlMessage, NodeListResponse
from omnyshell.services.hub.registry import RegisteredNode

LARGEST = MAX_MESSAGE_FROM_HUB // 2
"""Bytes of a listing: a client takes twice as many, and what surrounds what nodes said is not counted exactly."""

LARGEST_LIST = MAX_MESSAGE_FROM_HUB * 3 // 4
"""Bytes of any other list, counted exactly."""

SHORT_SIZE = 1024
"""Bytes of a shortened node, at most."""

KNOWN_FEATURES = frozenset({*SERVICES, TUNNEL_SERVICE, INTERACTIVE})
"""What clients decide by is told of shortened nodes too: that takes a hundred bytes at most."""

_LONGEST_TEXT = 64

_ROOM_FOR_COUNT = 64
"""Bytes for what says how much was left out, and for a channel."""


def encode_bounded(message: ControlMessage, channel: int | None = None, largest: int = LARGEST_LIST) -> bytes:
    """Encode a message; of a list that is too long, as much as has room, with the number of what has none.

    Raises `ProtocolException` as `encode_control` does.
    """
    text = encode_control(message, channel)
    if len(text) <= largest or not message.LISTS:
        return text
    return encode_control(_cut(message, largest), channel)


def _cut(message: ControlMessage, largest: int) -> ControlMessage:
    items = getattr(message, message.LISTS)
    in_order = items[::-1] if message.NEWEST_LAST else items
    room = largest - len(encode_control(msgspec.structs.replace(message, **{message.LISTS: ()}))) - _ROOM_FOR_COUNT
    count = 0
    for item in in_order:
        room -= len(msgspec.json.encode(item.to_wire())) + len(",")
        if room < 0:
            break
        count += 1
    kept = items[len(items) - count :] if message.NEWEST_LAST else items[:count]
    # Declared with `LISTS`, which mypy does not know.
    left_out = message.left_out + len(items) - count  # type: ignore[attr-defined]
    return msgspec.structs.replace(message, **{message.LISTS: kept, "left_out": left_out})


def list_response(
    nodes: Sequence[RegisteredNode], asked: Collection[str] = (), largest: int = LARGEST
) -> NodeListResponse:
    """Describe nodes in about `largest` bytes at most.

    Where they say more, those that say more than their share are shortened, to what they are reached by, the labels
    `asked` for and `KNOWN_FEATURES`, and the last left out if that is not enough.
    """
    if sum(node.size for node in nodes) <= largest:
        return NodeListResponse(nodes=tuple(node.describe() for node in nodes))
    share = max(SHORT_SIZE, largest // len(nodes))
    shown, room = [], largest
    for node in nodes:
        room -= min(node.size, share)
        if room < 0:
            break
        shown.append(node)
    return NodeListResponse(
        nodes=tuple(node.describe() if node.size <= share else _shortened(node, asked) for node in shown),
        shortened=sum(node.size > share for node in shown),
        left_out=len(nodes) - len(shown),
    )


def _shortened(node: RegisteredNode, asked: Collection[str]) -> NodeDescriptor:
    platform = node.registration.platform
    return NodeDescriptor(
        node_id=node.node_id,
        platform=PlatformInfo(os=platform.os[:_LONGEST_TEXT], arch=platform.arch[:_LONGEST_TEXT]),
        labels={name: node.labels[name] for name in asked if name in node.labels},
        online=True,
        capabilities=_known(node.capabilities) if node.capabilities is not None else None,
    )


def _known(said: NodeCapabilities) -> NodeCapabilities:
    features = tuple(sorted(KNOWN_FEATURES.intersection(said.features)))
    return NodeCapabilities(features=features, max_sessions=said.max_sessions)
