"""Services of the original that this project leaves out, answered at once (docs/protocol.md#what-is-not-served)."""

from typing import Annotated, ClassVar

from omnyshell.model.grammars import STATUS
from omnyshell.model.schema import FREE, OMIT_EMPTY
from omnyshell.protocol.messages.base import Way
from omnyshell.protocol.messages.detached import Outcome, Request


class AiConfigRequest(Request):
    """Asks for the hub's AI settings."""

    TYPE: ClassVar[str] = "ai.config.request"
    WAY: ClassVar[Way] = Way.CLIENT_TO_HUB


class AiConfigResponse(Request, kw_only=True):
    """There are none."""

    TYPE: ClassVar[str] = "ai.config.response"
    WAY: ClassVar[Way] = Way.HUB_TO_CLIENT

    available: bool = False
    """Always false."""


class HttpProxyRequest(Request):
    """Asks the hub to make an HTTP request."""

    TYPE: ClassVar[str] = "http.proxy.request"
    WAY: ClassVar[Way] = Way.CLIENT_TO_HUB


class HttpProxyResponse(Request, kw_only=True):
    """The hub makes none."""

    TYPE: ClassVar[str] = "http.proxy.response"
    WAY: ClassVar[Way] = Way.HUB_TO_CLIENT

    status_code: Annotated[int, STATUS] = 0
    """Always 0."""

    error: Annotated[str | None, OMIT_EMPTY, FREE] = None
    """Why there is no answer."""


class DriveCredentialRequest(Request):
    """Asks for a credential of a network drive."""

    TYPE: ClassVar[str] = "drive.credential.request"
    WAY: ClassVar[Way] = Way.CLIENT_TO_HUB


class DriveCredentialResponse(Outcome):
    """There is none."""

    TYPE: ClassVar[str] = "drive.credential.response"
    WAY: ClassVar[Way] = Way.HUB_TO_CLIENT
