"""What every control message is."""

from typing import ClassVar

from omnyshell.model.schema import WireObject


class ControlMessage(WireObject):
    """A control message: a `t`, and a `d` that its fields declare."""

    TYPE: ClassVar[str]
    SCOPED: ClassVar[bool] = False
    """Whether the message belongs to a channel, so that a frame without `c` is undecodable."""


class ChannelMessage(ControlMessage):
    """A control message about one channel."""

    SCOPED: ClassVar[bool] = True
