"""Keeps lists in a hub's answers short enough for peers to accept."""

import msgspec

from omnyshell.protocol.codec import encode_control
from omnyshell.protocol.limits import MAX_MESSAGE_FROM_HUB
from omnyshell.protocol.messages import ControlMessage

LARGEST_LIST = MAX_MESSAGE_FROM_HUB * 3 // 4
"""Bytes of a list, counted exactly. Listings of nodes have a lower limit, as their size is estimated."""

_ROOM_FOR_COUNT = 64
"""Bytes for the number of items left out, and for a channel id."""


def encode_bounded(message: ControlMessage, channel: int | None = None, largest: int = LARGEST_LIST) -> bytes:
    """Encode a message; a list that is too long is cut to what fits, and the number of items left out is set.

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
    # Messages with `LISTS` declare this field, which mypy cannot know.
    left_out = message.left_out + len(items) - count  # type: ignore[attr-defined]
    return msgspec.structs.replace(message, **{message.LISTS: kept, "left_out": left_out})
