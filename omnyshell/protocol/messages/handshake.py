"""Connection control: handshake, errors and pings (docs/protocol.md#handshake)."""

from datetime import datetime
from typing import Annotated, ClassVar

from omnyshell.errors import ErrorCodes
from omnyshell.model.grammars import COUNT, NONCE, PRINCIPAL, ROLES, SECRET_OR_NONE
from omnyshell.model.hubs import OtherHub
from omnyshell.model.schema import ANSWERED, FREE, OMIT
from omnyshell.protocol.messages.base import ControlMessage, Way


class Hello(ControlMessage, kw_only=True):
    """Opens a connection from either side."""

    TYPE: ClassVar[str] = "hello"
    WAY: ClassVar[Way] = Way.CONNECTION

    role: Annotated[str, FREE]
    """What the sender is: `hub`, `node` or `client`."""

    protocol_version: Annotated[int, ANSWERED]
    """The highest version that it speaks."""

    min_version: Annotated[int, ANSWERED] = 1
    """The lowest version that it speaks."""

    nonce: Annotated[str | None, OMIT, NONCE] = None
    """From a hub: 32 random bytes, for this connection alone."""

    info: Annotated[dict[str, object], OMIT] = {}
    """Who is speaking: `features` (the extensions), from a hub `hubUid`, from others `agent` and `version`."""

    @property
    def features(self) -> frozenset[str]:
        """The extensions that the peer announces (docs/protocol.md#extensions)."""
        names = self.info.get("features")
        return frozenset(name for name in names if isinstance(name, str)) if isinstance(names, list) else frozenset()


class AuthRequest(ControlMessage, kw_only=True):
    """A credential."""

    TYPE: ClassVar[str] = "auth.request"
    WAY: ClassVar[Way] = Way.PEER_TO_HUB

    # A missing method reads as an unknown one, which is answered; an undecodable frame would not be.
    method: Annotated[str, ANSWERED] = ""
    """`token` or `publicKey`."""

    principal: Annotated[str, ANSWERED]
    """Who wants to log in."""

    token: Annotated[str | None, OMIT, ANSWERED] = None
    """The secret, for the method `token`."""

    public_key: Annotated[str | None, OMIT, ANSWERED] = None
    """An Ed25519 key, 32 bytes in base64, for the method `publicKey`."""

    signature: Annotated[str | None, OMIT, ANSWERED] = None
    """What that key signed, 64 bytes in base64."""

    binding: Annotated[str | None, OMIT, ANSWERED] = None
    """Of `auth-bind`: a second signature, which names this hub."""

    host: Annotated[str | None, OMIT, ANSWERED] = None
    """Of `auth-bind-2`: the host that was dialled, as it was signed."""

    port: Annotated[int | None, OMIT, ANSWERED] = None
    """Of `auth-bind-2`: the port that was dialled."""

    application: Annotated[str | None, OMIT, ANSWERED] = None
    """Of `security-keys`: the application of a key that a hardware token holds."""

    flags: Annotated[int | None, OMIT, ANSWERED] = None
    """Of `security-keys`: the flags that the token signed, 0 to 255; 1 is a touch, 4 that it knew its owner."""

    counter: Annotated[int | None, OMIT, ANSWERED] = None
    """Of `security-keys`: the counter that the token signed, of 32 bits."""


class AuthOk(ControlMessage, kw_only=True):
    """The hub accepted the credential."""

    TYPE: ClassVar[str] = "auth.ok"
    WAY: ClassVar[Way] = Way.HUB_TO_PEER

    principal: Annotated[str, PRINCIPAL]
    """Who was logged in: the one that asked."""

    display_name: Annotated[str, FREE] = ""
    """Its name for people; the principal's name where the hub knows no other."""

    roles: Annotated[tuple[str, ...], ROLES] = ()
    """Its roles, sorted."""

    session_token: Annotated[str, SECRET_OR_NONE]
    """A random text, which is not used."""

    hubs: Annotated[tuple[OtherHub, ...], OMIT] = ()
    """Of `hubs`: all others."""


class AuthFail(ControlMessage, kw_only=True):
    """The hub refused the credential; the message is always the same."""

    TYPE: ClassVar[str] = "auth.fail"
    WAY: ClassVar[Way] = Way.HUB_TO_PEER

    reason: Annotated[str, FREE] = ErrorCodes.AUTH_FAILED
    """Always `auth_failed`."""

    message: Annotated[str, FREE] = "Authentication failed"
    """Always the same words."""


class ProtocolError(ControlMessage, kw_only=True):
    """The `error` message: something went wrong, about a channel where the frame names one."""

    TYPE: ClassVar[str] = "error"
    WAY: ClassVar[Way] = Way.CONNECTION

    code: Annotated[str, FREE] = ErrorCodes.PROTOCOL_ERROR
    """What went wrong: one of the codes."""

    message: Annotated[str, FREE] = "Protocol error"
    """The same in words."""

    fatal: bool = False
    """Whether the sender closes the connection now."""

    retry_after: Annotated[int | None, OMIT, COUNT] = None
    """Seconds to wait before connecting again, from a hub that stops or wants another login."""


class Ping(ControlMessage, kw_only=True):
    """Asks for a `pong`."""

    TYPE: ClassVar[str] = "ping"
    WAY: ClassVar[Way] = Way.CONNECTION

    id: Annotated[str, FREE]
    """Chosen by the sender."""

    ts: datetime
    """The sender's time."""


class Pong(ControlMessage, kw_only=True):
    """Answers a `ping`."""

    TYPE: ClassVar[str] = "pong"
    WAY: ClassVar[Way] = Way.CONNECTION

    id: Annotated[str, FREE]
    """That of the ping."""

    ts: datetime
    """That of the ping."""

    server_ts: datetime
    """The time of the peer that answers."""
