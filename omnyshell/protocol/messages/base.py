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


class ChannelMessage(ControlMessage):
    """A control message about one channel."""

    SCOPED: ClassVar[bool] = True
