"""The forwards of a principal, and the use of what was asked for ahead (docs/extensions.md#forward)."""

from typing import Annotated, ClassVar

from omnyshell.model.forwards import ForwardInfo
from omnyshell.model.grammars import COUNT
from omnyshell.model.schema import ANSWERED, OMIT
from omnyshell.protocol.extensions import FORWARD, FORWARD_AHEAD
from omnyshell.protocol.messages.base import ChannelMessage, Way
from omnyshell.protocol.messages.detached import Outcome, Request


class ForwardsRequest(Request):
    """Lists the caller's forwards."""

    TYPE: ClassVar[str] = "forwards.list.request"
    WAY: ClassVar[Way] = Way.CLIENT_TO_HUB

    EXTENSION: ClassVar[str] = FORWARD


class ForwardsResponse(Request, kw_only=True):
    """The caller's forwards."""

    TYPE: ClassVar[str] = "forwards.list.response"
    WAY: ClassVar[Way] = Way.HUB_TO_CLIENT

    EXTENSION: ClassVar[str] = FORWARD

    LISTS: ClassVar[str] = "forwards"

    forwards: tuple[ForwardInfo, ...] = ()
    """The forwards, oldest first, over whichever connection they were opened."""

    left_out: Annotated[int, OMIT, COUNT] = 0
    """How many are not told of, as there was no room."""


class ForwardCloseRequest(Request, kw_only=True):
    """Closes one of the caller's forwards, and its connections."""

    TYPE: ClassVar[str] = "forwards.close.request"
    WAY: ClassVar[Way] = Way.CLIENT_TO_HUB

    EXTENSION: ClassVar[str] = FORWARD

    forward_ref: Annotated[str, ANSWERED]
    """Its id, or the beginning of it."""


class ForwardCloseResponse(Outcome):
    """Whether the forward was closed."""

    TYPE: ClassVar[str] = "forwards.close.response"
    WAY: ClassVar[Way] = Way.HUB_TO_CLIENT

    EXTENSION: ClassVar[str] = FORWARD


class ForwardDial(ChannelMessage):
    """A connection that was asked for ahead is used, though there is no input for it yet."""

    TYPE: ClassVar[str] = "forward.dial"
    WAY: ClassVar[Way] = Way.CLIENT_TO_NODE

    EXTENSION: ClassVar[str] = FORWARD_AHEAD


MESSAGES = (ForwardsRequest, ForwardsResponse, ForwardCloseRequest, ForwardCloseResponse, ForwardDial)
