"""Connection control: handshake, errors and pings (wire protocol section 2)."""

from datetime import datetime
from typing import Annotated, ClassVar

from omnyshell.errors import ErrorCodes
from omnyshell.model.grammars import COUNT, NONCE, PRINCIPAL, ROLES, SECRET_OR_NONE
from omnyshell.model.schema import ANSWERED, FREE, OMIT
from omnyshell.protocol.messages.base import ControlMessage


class Hello(ControlMessage, kw_only=True):
    """Opens a connection from either side."""

    TYPE: ClassVar[str] = "hello"

    role: Annotated[str, FREE]
    protocol_version: Annotated[int, ANSWERED]
    min_version: Annotated[int, ANSWERED] = 1
    nonce: Annotated[str | None, OMIT, NONCE] = None
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
    method: Annotated[str, ANSWERED] = ""
    principal: Annotated[str, ANSWERED]
    token: Annotated[str | None, OMIT, ANSWERED] = None
    public_key: Annotated[str | None, OMIT, ANSWERED] = None
    signature: Annotated[str | None, OMIT, ANSWERED] = None
    binding: Annotated[str | None, OMIT, ANSWERED] = None
    host: Annotated[str | None, OMIT, ANSWERED] = None
    port: Annotated[int | None, OMIT, ANSWERED] = None


class AuthOk(ControlMessage, kw_only=True):
    """The hub accepted the credential."""

    TYPE: ClassVar[str] = "auth.ok"

    principal: Annotated[str, PRINCIPAL]
    display_name: Annotated[str, FREE] = ""
    roles: Annotated[tuple[str, ...], ROLES] = ()
    session_token: Annotated[str, SECRET_OR_NONE]


class AuthFail(ControlMessage, kw_only=True):
    """The hub refused the credential; the words are always the same."""

    TYPE: ClassVar[str] = "auth.fail"

    reason: Annotated[str, FREE] = ErrorCodes.AUTH_FAILED
    message: Annotated[str, FREE] = "Authentication failed"


class ProtocolError(ControlMessage, kw_only=True):
    """The `error` message: something went wrong, about a channel where the frame names one."""

    TYPE: ClassVar[str] = "error"

    code: Annotated[str, FREE] = ErrorCodes.PROTOCOL_ERROR
    message: Annotated[str, FREE] = "Protocol error"
    fatal: bool = False
    retry_after: Annotated[int | None, OMIT, COUNT] = None
    """Seconds to wait before connecting again, from a hub that stops (section 9), or that wants another login."""


class Ping(ControlMessage, kw_only=True):
    """Asks for a `pong`."""

    TYPE: ClassVar[str] = "ping"

    id: Annotated[str, FREE]
    ts: datetime


class Pong(ControlMessage, kw_only=True):
    """Answers a `ping` with its id and time."""

    TYPE: ClassVar[str] = "pong"

    id: Annotated[str, FREE]
    ts: datetime
    server_ts: datetime
