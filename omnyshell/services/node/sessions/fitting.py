"""Keeps a node's answers small enough for a hub, which ends the connection of a node that sends more."""

from collections.abc import Sequence

import msgspec

from omnyshell.model.sessions import DetachedSessionInfo
from omnyshell.protocol.limits import KIB, MAX_MESSAGE_TO_HUB

LARGEST_LIST = MAX_MESSAGE_TO_HUB * 3 // 4
"""Bytes of the sessions in one answer."""

LARGEST_SCREEN = MAX_MESSAGE_TO_HUB // 2
"""Bytes of a painting in an answer, where base64 makes them a third more."""

LARGEST_TEXT = 2 * KIB
"""Bytes that a text of a process takes in a message."""

_LONGEST_ESCAPE = 6
"""Bytes of a control character in JSON, which is the longest of all."""


def shortened(text: str | None) -> str | None:
    """Cut a text that a user's process chose, such as the name of its directory."""
    if text is None or len(text) * _LONGEST_ESCAPE <= LARGEST_TEXT:
        return text
    room = LARGEST_TEXT
    for end, character in enumerate(text):
        room -= len(msgspec.json.encode(character)) - 2
        if room < 0:
            return text[:end]
    return text


def fitting(infos: Sequence[DetachedSessionInfo]) -> tuple[DetachedSessionInfo, ...]:
    """Cut a list of sessions to what fits: at first what their processes say, so that nobody hides others' sessions."""
    for fewer in (infos, [msgspec.structs.replace(info, current_command=None, current_cwd=None) for info in infos]):
        sizes = [len(msgspec.json.encode(info.to_wire())) + 1 for info in fewer]
        if sum(sizes) <= LARGEST_LIST:
            return tuple(fewer)
    return tuple(fewer[: LARGEST_LIST // max(sizes)])
