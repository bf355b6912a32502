"""A client's report about a clipboard (docs/extensions.md#clipboard-audit)."""

from typing import Annotated, ClassVar

from omnyshell.model.grammars import COUNT
from omnyshell.model.schema import FREE, OMIT
from omnyshell.protocol.extensions import CLIPBOARD_AUDIT
from omnyshell.protocol.messages.base import ChannelMessage, ControlMessage, Way


class SessionClipboard(ChannelMessage, kw_only=True):
    """A program in the session asked for bytes to be put on the client's clipboard (OSC 52)."""

    TYPE: ClassVar[str] = "session.clipboard"
    WAY: ClassVar[Way] = Way.CLIENT_TO_HUB

    EXTENSION: ClassVar[str] = CLIPBOARD_AUDIT

    size: Annotated[int, COUNT]
    """How many bytes."""

    refused: Annotated[str | None, OMIT, FREE] = None
    """Why the client did not do it."""


MESSAGES: tuple[type[ControlMessage], ...] = (SessionClipboard,)
