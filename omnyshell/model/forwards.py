"""Forwards, and what both ends of a connection of one say of its end (docs/extensions.md#forward)."""

from datetime import datetime
from typing import Annotated

from omnyshell.model.grammars import COUNT, NODE_ID, SESSION_ID
from omnyshell.model.schema import FREE, WireObject

TARGET_FINISHED = b"\x04"
"""The one byte that comes as stderr: the target has finished writing, and may still read."""

FINISHED, FAILED = 0, 1
"""The exit codes: both sides have finished writing, or the connection failed."""


class ForwardInfo(WireObject, kw_only=True):
    """A forward as its owner sees it."""

    session_id: Annotated[str, SESSION_ID]
    """The id of its permission."""

    node_id: Annotated[str, NODE_ID]
    """The node that connects to the targets."""

    places: Annotated[str, FREE] = ""
    """What leads where, as its client says it."""

    address: Annotated[str, FREE] = ""
    """The address of that client."""

    created_at: datetime
    """When it was opened."""

    connections: Annotated[int, COUNT] = 0
    """How many connections it has now."""

    bytes_in: Annotated[int, COUNT] = 0
    """Bytes toward the targets, of all of its connections."""

    bytes_out: Annotated[int, COUNT] = 0
    """Bytes from the targets."""
