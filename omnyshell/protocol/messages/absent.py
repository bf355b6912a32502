"""Services of the original that this project leaves out; asking for one gets an answer at once (section 7)."""

from typing import Annotated, ClassVar

from omnyshell.model.grammars import STATUS
from omnyshell.model.schema import FREE, OMIT_EMPTY
from omnyshell.protocol.messages.detached import Outcome, Request


class AiConfigRequest(Request):
    """Asks for the hub's AI settings."""

    TYPE: ClassVar[str] = "ai.config.request"


class AiConfigResponse(Request, kw_only=True):
    """There are none."""

    TYPE: ClassVar[str] = "ai.config.response"

    available: bool = False


class HttpProxyRequest(Request):
    """Asks the hub to make an HTTP request."""

    TYPE: ClassVar[str] = "http.proxy.request"


class HttpProxyResponse(Request, kw_only=True):
    """The hub makes none."""

    TYPE: ClassVar[str] = "http.proxy.response"

    status_code: Annotated[int, STATUS] = 0
    error: Annotated[str | None, OMIT_EMPTY, FREE] = None


class DriveCredentialRequest(Request):
    """Asks for a credential of a network drive."""

    TYPE: ClassVar[str] = "drive.credential.request"


class DriveCredentialResponse(Outcome):
    """There is none."""

    TYPE: ClassVar[str] = "drive.credential.response"
