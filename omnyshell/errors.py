"""The errors OmnyShell raises, and the stable codes they carry on the wire.

    OmnyShellException ├── ProtocolException           a peer broke the wire protocol │   └── ImproperValueException  a
    value of the right type breaks the grammar of its field ├── AuthException               a credential was refused ├──
    AuthorizationException      an authenticated principal may not do this ├── ChannelException            a channel is
    unknown, closed or misused ├── NodeUnavailableException    the node is unknown or not connected ├──
    SessionRejectedException    hub or node refused a session ├── TunnelRejectedException     the hub refused a tunnel
    ├── TransportException          the connection could not be made, or was lost │   └── UntrustedHubException   the
    certificate that was shown is not trusted ├── OmnyShellTimeoutException   a peer did not answer within its deadline
    ├── CertGeneratorException      a certificate could not be made or read └── ConfigException             a
    configuration file or option is wrong

Errors carry fields; their text is derived from them. Errors of other libraries are translated once,
where they enter, and chained.
"""

from enum import StrEnum
from typing import Self


class ErrorCodes(StrEnum):
    """Stable codes, used in `error` messages and rejections (docs/protocol.md#codes)."""

    PROTOCOL_ERROR = "protocol_error"
    """Something that the protocol does not allow."""

    MALFORMED_FRAME = "malformed_frame"
    """A data frame that is too short, too long, or not as long as it says."""

    UNKNOWN_CHANNEL = "unknown_channel"
    """A channel that is not there."""

    VERSION_MISMATCH = "version_mismatch"
    """No version that both sides speak."""

    AUTH_FAILED = "auth_failed"
    """A credential that is wrong, expired or revoked."""

    NOT_AUTHORIZED = "not_authorized"
    """The principal may not do this."""

    NOT_AUTHENTICATED = "not_authenticated"
    """A message that needs a login came before it."""

    UNKNOWN_NODE = "unknown_node"
    """No node of that id is connected, or the principal may not know of it."""

    NODE_OFFLINE = "node_offline"
    """The node is not connected any more."""

    CAPACITY_EXCEEDED = "capacity_exceeded"
    """No room: too many sessions, connections or requests."""

    SESSION_REJECTED = "session_rejected"
    """A session was refused, and no other code fits."""

    BAD_REQUEST = "bad_request"
    """A request that is invalid, or cannot be carried out as it stands."""

    TRANSPORT_ERROR = "transport_error"
    """The connection could not be made, or was lost."""

    TIMEOUT = "timeout"
    """No answer within the time for it."""

    ENGINE_AWAY = "engine_away"
    """The hubs' engine, which orders changes, cannot be reached: try again later."""

    HUB_UNREACHABLE = "hub_unreachable"
    """The node is at another hub, which the one that was asked cannot reach: ask that hub."""

    OTHER_HUB = "other_hub"
    """The node is at another hub, which alone does what was asked."""

    INTERNAL_ERROR = "internal_error"
    """An internal fault of the peer that answers."""


class Remedy(StrEnum):
    """What a user can do about an error. The command line and the console each put it into words of their own."""

    ACCEPT_KEY = "accept_key"
    ALLOW_UNBOUND = "allow_unbound"
    BEGIN_ANOTHER_LOG = "begin_another_log"
    CHOOSE_ADDRESS = "choose_address"
    COPY_NEWER_STATE = "copy_newer_state"
    GIVE_BACKUP_KEY = "give_backup_key"
    GIVE_CREDENTIAL = "give_credential"
    LEAVE_OUT_KEY = "leave_out_key"
    LET_OTHERS_WRITE = "let_others_write"
    MAKE_BACKUP_KEY = "make_backup_key"
    MAKE_SSH_KEY = "make_ssh_key"
    MOVE_OLD_FILES = "move_old_files"
    NAME_AGENT_KEY = "name_agent_key"
    NAME_AUTHORITY = "name_authority"
    NAME_HUB = "name_hub"
    NAME_PRINCIPAL = "name_principal"
    NAME_SIGNER = "name_signer"
    OTHER_PLACE = "other_place"
    OTHER_STATE_DIR = "other_state_dir"
    REPLACE_FILE = "replace_file"
    START_HUB_HERE = "start_hub_here"


class OmnyShellException(Exception):
    """Base of everything this package raises on purpose.

    `code` is one of `ErrorCodes`, or the reason a peer sent where it is not one of them.
    """

    default_code: str = ErrorCodes.INTERNAL_ERROR
    _remedy: Remedy | None = None

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code: str = code if code is not None else self.default_code

    def __str__(self) -> str:
        return self.message

    @property
    def remedy(self) -> Remedy | None:
        """The remedy of this error, or else of the error that caused it."""
        cause = self.__cause__
        return self._remedy or (cause.remedy if isinstance(cause, OmnyShellException) else None)

    def advising(self, remedy: Remedy) -> Self:
        """Set the remedy, and return this error."""
        self._remedy = remedy
        return self


class ProtocolException(OmnyShellException):
    """A frame or message breaks the wire protocol. `field` names what was wrong, in wire spelling."""

    default_code = ErrorCodes.PROTOCOL_ERROR

    def __init__(self, message: str, *, code: str | None = None, field: str | None = None) -> None:
        super().__init__(message, code=code)
        self.field = field

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


class ImproperValueException(ProtocolException):
    """A value has its field's type but breaks the field's grammar.

    For a value in a message, the message's type, channel and request id are given too, so that its answer can be
    failed.
    """

    message_type: str = ""
    channel: int | None = None
    request_id: str | None = None
    sender: str = "a peer"

    def __str__(self) -> str:
        what = f"refused what {self.sender} sent, {self.message_type}: " if self.message_type else ""
        return f"{what}{super().__str__()}"


class AuthException(OmnyShellException):
    """A credential was refused. The text never says which part of it was wrong.

    `address` is the address that a bound proof was made for; a hub may accept no proofs that name it. `principal` and
    `public_key`, in base64, are what a key was offered for, and `application` is that of a hardware token's.
    """

    default_code = ErrorCodes.AUTH_FAILED
    address: str = ""
    principal: str = ""
    public_key: str = ""
    application: str = ""


class AuthorizationException(OmnyShellException):
    """An authenticated principal asked for something it may not do."""

    default_code = ErrorCodes.NOT_AUTHORIZED


class ChannelException(OmnyShellException):
    """A channel is unknown, closed, or used against its state."""

    default_code = ErrorCodes.UNKNOWN_CHANNEL


class NodeUnavailableException(OmnyShellException):
    """The node is not known to the hub, or not connected."""

    default_code = ErrorCodes.NODE_OFFLINE


class SessionRejectedException(OmnyShellException):
    """Hub or node refused to open a session; `code` is the reason it gave.

    `unused` is True where that was asked for ahead, and refused before any use of it had an effect.
    """

    default_code = ErrorCodes.SESSION_REJECTED

    def __init__(self, message: str, *, code: str | None = None, unused: bool = False) -> None:
        super().__init__(message, code=code)
        self.unused = unused


class TunnelRejectedException(OmnyShellException):
    """The hub refused to open a tunnel; `code` is the reason it gave."""

    default_code = "tunnel_rejected"


class TransportException(OmnyShellException):
    """The connection could not be made, or was lost.

    `close_code` is the WebSocket close code where the peer sent one, `close_reason` the text beside it.
    """

    default_code = ErrorCodes.TRANSPORT_ERROR

    def __init__(
        self, message: str, *, code: str | None = None, close_code: int | None = None, close_reason: str = ""
    ) -> None:
        super().__init__(message, code=code)
        self.close_code = close_code
        self.close_reason = close_reason


class UntrustedHubException(TransportException):
    """The hub's certificate is not trusted.

    `chain` is the certificates that it presented, in DER; empty if there were none.
    """

    def __init__(self, message: str, *, chain: tuple[bytes, ...] = ()) -> None:
        super().__init__(message)
        self.chain = chain


class OmnyShellTimeoutException(OmnyShellException):
    """A peer did not answer within its deadline."""

    default_code = ErrorCodes.TIMEOUT


class CertGeneratorException(OmnyShellException):
    """A certificate could not be made, written or read."""


class ConfigException(OmnyShellException):
    """An option or configuration key is wrong; the text says which and what would be right.

    `option` is the key of the option that gave the value, set where only the raising code knows it.
    """

    default_code = ErrorCodes.BAD_REQUEST
    option: str | None = None

    def about(self, option: str) -> Self:
        """Return this error, with the key of the option that gave the value."""
        self.option = option
        return self
