"""Connection control: handshake, errors and pings (wire protocol section 2)."""

from datetime import datetime
from typing import Annotated, ClassVar

from omnyshell.errors import ErrorCodes
from omnyshell.model.schema import OMIT
from omnyshell.protocol.messages.base import ControlMessage


class Hello(ControlMessage, kw_only=True):
    """Opens a connection from either side."""

    TYPE: ClassVar[str] = "hello"

    role: str
    protocol_version: int
    min_version: int = 1
    nonce: Annotated[str | None, OMIT] = None
    info: Annotated[dict[str, object], OMIT] = {}

    @property
    def features(self) -> frozenset[str]:
        """The extensions that the peer announces (section 9)."""
        names = self.info.get("features")
        return frozenset(name for name in names if isinstance(name, str)) if isinstance(names, list) else frozenset()


class AuthRequest(ControlMessage, kw_only=True):
    """A credential. `binding` belongs to the extension `auth-bind`, `host` and `port` to `auth-bind-2`."""

    TYPE: ClassVar[str] = "auth.request"

    # Missing reads as a method that is not known: it gets an answer, unlike an undecodable frame.
    method: str = ""
    principal: str
    token: Annotated[str | None, OMIT] = None
    public_key: Annotated[str | None, OMIT] = None
    signature: Annotated[str | None, OMIT] = None
    binding: Annotated[str | None, OMIT] = None
    host: Annotated[str | None, OMIT] = None
    port: Annotated[int | None, OMIT] = None


class AuthOk(ControlMessage, kw_only=True):
    """The hub accepted the credential."""

    TYPE: ClassVar[str] = "auth.ok"

    principal: str
    display_name: str = ""
    roles: tuple[str, ...] = ()
    session_token: str


class AuthFail(ControlMessage, kw_only=True):
    """The hub refused the credential; the words are always the same."""

    TYPE: ClassVar[str] = "auth.fail"

    reason: str = ErrorCodes.AUTH_FAILED
    message: str = "Authentication failed"


class ProtocolError(ControlMessage, kw_only=True):
    """The `error` message: something went wrong, about a channel where the frame names one."""

    TYPE: ClassVar[str] = "error"

    code: str = ErrorCodes.PROTOCOL_ERROR
    message: str = "Protocol error"
    fatal: bool = False
    retry_after: Annotated[int | None, OMIT] = None
    """Seconds to wait, from a hub that stops (section 9)."""


class Ping(ControlMessage, kw_only=True):
    """Asks for a `pong`."""

    TYPE: ClassVar[str] = "ping"

    id: str
    ts: datetime


class Pong(ControlMessage, kw_only=True):
    """Answers a `ping` with its id and time."""

    TYPE: ClassVar[str] = "pong"

    id: str
    ts: datetime
    server_ts: datetime
