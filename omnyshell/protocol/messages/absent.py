"""Services of the original that this project leaves out, answered at once (docs/protocol.md#what-is-not-served)."""

from typing import Annotated, ClassVar

from omnyshell.model.grammars import STATUS
from omnyshell.model.schema import FREE, OMIT_EMPTY
from omnyshell.protocol.messages.detached import Outcome, Request


class AiConfigRequest(Request):
    """Asks for the hub's AI settings."""

    TYPE: ClassVar[str] = "ai.config.request"
    """client -> hub"""


class AiConfigResponse(Request, kw_only=True):
    """There are none."""

    TYPE: ClassVar[str] = "ai.config.response"
    """hub -> client"""

    available: bool = False
    """Always false."""


class HttpProxyRequest(Request):
    """Asks the hub to make an HTTP request."""

    TYPE: ClassVar[str] = "http.proxy.request"
    """client -> hub"""


class HttpProxyResponse(Request, kw_only=True):
    """The hub makes none."""

    TYPE: ClassVar[str] = "http.proxy.response"
    """hub -> client"""

    status_code: Annotated[int, STATUS] = 0
    """Always 0."""

    error: Annotated[str | None, OMIT_EMPTY, FREE] = None
    """Why there is no answer."""


class DriveCredentialRequest(Request):
    """Asks for a credential of a network drive."""

    TYPE: ClassVar[str] = "drive.credential.request"
    """client -> hub"""


class DriveCredentialResponse(Outcome):
    """There is none."""

    TYPE: ClassVar[str] = "drive.credential.response"
    """hub -> client"""
