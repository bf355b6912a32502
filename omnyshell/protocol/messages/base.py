"""What every control message is."""

from typing import ClassVar

from omnyshell.model.schema import WireObject


class ControlMessage(WireObject):
    """A control message: a `t`, and a `d` that its fields declare."""

    TYPE: ClassVar[str]
    SCOPED: ClassVar[bool] = False
    """Whether the message belongs to a channel, so that a frame without `c` is undecodable."""

    EXTENSION: ClassVar[str] = ""
    """The extension that a peer announces to have the message dealt with; empty for what every peer may send."""

    LISTS: ClassVar[str] = ""
    """The field of an answer that is a list, which may be too long: `left_out` says then how many have no place."""

    NEWEST_LAST: ClassVar[bool] = False
    """Whether what stands first in the list is left out first."""


class ChannelMessage(ControlMessage):
    """A control message about one channel."""

    SCOPED: ClassVar[bool] = True
