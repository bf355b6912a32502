"""Lists that a hub answers, which stay short enough to be taken."""

import msgspec

from omnyshell.protocol.codec import encode_control
from omnyshell.protocol.limits import MAX_MESSAGE_FROM_HUB
from omnyshell.protocol.messages import ControlMessage

LARGEST_LIST = MAX_MESSAGE_FROM_HUB * 3 // 4
"""Bytes of a list, counted exactly. That of nodes is shorter, as it is counted roughly."""

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
