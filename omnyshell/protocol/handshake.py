"""Both sides of docs/protocol.md#handshake as state machines: messages in, messages and outcomes out."""

import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from enum import Enum

import msgspec

from omnyshell.errors import AuthException, ErrorCodes, OmnyShellException, ProtocolException
from omnyshell.ids import is_uid
from omnyshell.model.hubs import OtherHub
from omnyshell.model.principals import Principal
from omnyshell.protocol.extensions import HUBS
from omnyshell.protocol.messages import AuthFail, AuthOk, AuthRequest, ControlMessage, Hello, ProtocolError
from omnyshell.protocol.version import MIN_PROTOCOL_VERSION, PROTOCOL_VERSION, is_protocol_compatible
from omnyshell.steps import entered

logger = logging.getLogger("omnyshell.link")

HUB_ROLE = "hub"

CLOSE_PROTOCOL_FAILURE = 4400
CLOSE_UNAUTHORIZED = 4401
CLOSE_HEARTBEAT_TIMEOUT = 4408
CLOSE_HUB_STOPPING = 4503
CLOSE_TRY_AGAIN_LATER = 1013
CLOSE_MESSAGE_TOO_BIG = 1009

CLOSE_REPLACED = 1000
REPLACED = "another connection registered this node"
HELD_OFF = "another process has this node id"
"""Start of the close reason for a node whose id went to another process; that one's address may follow."""


class HandshakeState(Enum):
    """How far a connection has come."""

    AWAIT_HELLO = "waiting for a hello"
    AWAIT_CREDENTIAL = "waiting for a credential"
    MAKING = "making the credential"
    JUDGING = "waiting for the verdict"
    DONE = "done"
    FAILED = "failed"


_FOLLOWING: Mapping[HandshakeState, Collection[HandshakeState]] = {
    HandshakeState.AWAIT_HELLO: {HandshakeState.AWAIT_CREDENTIAL, HandshakeState.MAKING, HandshakeState.FAILED},
    HandshakeState.AWAIT_CREDENTIAL: {HandshakeState.JUDGING, HandshakeState.FAILED},
    HandshakeState.MAKING: {HandshakeState.JUDGING, HandshakeState.FAILED},
    HandshakeState.JUDGING: {HandshakeState.DONE, HandshakeState.FAILED},
    HandshakeState.DONE: {HandshakeState.FAILED},
    # Whoever goes on after a failure fails again.
    HandshakeState.FAILED: {HandshakeState.FAILED},
}
"""A node or client offers its credential with its hello, so that it does not wait for one; or makes it first."""


class _Handshake:
    """The state of one side; `ids` identify the connection in the log."""

    def __init__(self, **ids: object) -> None:
        self.state = HandshakeState.AWAIT_HELLO
        self._ids = ids

    def _become(self, state: HandshakeState) -> None:
        """Change the state. Raises `RuntimeError` for one that cannot follow."""
        self.state = entered(state, self.state, _FOLLOWING, "handshake", logger, **self._ids)


class Violation(msgspec.Struct, frozen=True):
    """The peer broke the handshake: send `error`, fatal, then close 4400 with the code as reason."""

    error: ProtocolError


class CredentialOffered(msgspec.Struct, frozen=True):
    """The peer offers a credential: judge it, then call `accept` or `refuse`."""

    request: AuthRequest


class HubHandshake(_Handshake):
    """The hub's side, for one connection. Send `hello()` first, then feed every message until the state is DONE."""

    def __init__(self, *, nonce: str, hub_uid: str | None, features: Iterable[str], peer_id: str = "") -> None:
        """`peer_id` identifies the peer in the log."""
        super().__init__(peer=peer_id)
        self.nonce = nonce
        self.role = ""
        self.peer_features: frozenset[str] = frozenset()
        self._info: dict[str, object] = {"features": sorted(features)}
        if hub_uid is not None:
            self._info["hubUid"] = hub_uid

    def hello(self) -> Hello:
        """The message that opens the connection."""
        return Hello(
            role=HUB_ROLE,
            protocol_version=PROTOCOL_VERSION,
            min_version=MIN_PROTOCOL_VERSION,
            nonce=self.nonce,
            info=self._info,
        )

    def receive(self, message: ControlMessage) -> Violation | CredentialOffered | None:
        """Take one message of a peer that is not logged in; None means nothing is to be done."""
        if self.state is HandshakeState.AWAIT_HELLO and isinstance(message, Hello):
            return self._take_hello(message)
        if self.state is HandshakeState.AWAIT_CREDENTIAL and isinstance(message, AuthRequest):
            self._become(HandshakeState.JUDGING)
            return CredentialOffered(message)
        return self._fail(ErrorCodes.NOT_AUTHENTICATED, "Log in first")

    def begin_join(self) -> bool:
        """Take a request to join (extension `admin`) in place of a credential; returns whether it is allowed now."""
        if self.state is not HandshakeState.AWAIT_CREDENTIAL:
            return False
        self._become(HandshakeState.JUDGING)
        return True

    def end(self) -> None:
        """Finish without an answer to the credential: no more messages are accepted."""
        self._become(HandshakeState.FAILED)

    def accept(self, principal: Principal, session_token: str, others: tuple[OtherHub, ...] = ()) -> AuthOk:
        """The credential was right: returns the answer to send, which names the other hubs to who can hear of them."""
        self._become(HandshakeState.DONE)
        return AuthOk(
            principal=principal.id,
            display_name=principal.display_name or principal.id,
            roles=tuple(sorted(principal.roles)),
            session_token=session_token,
            hubs=others if HUBS in self.peer_features else (),
        )

    def refuse(self) -> AuthFail:
        """The credential was wrong: returns the answer to send, before close 4401."""
        self._become(HandshakeState.FAILED)
        return AuthFail()

    def refuse_method(self) -> Violation:
        """The method is not one we know."""
        return self._fail(ErrorCodes.AUTH_FAILED, "Unknown authentication method")

    def refuse_for_now(self, why: str, code: ErrorCodes = ErrorCodes.CAPACITY_EXCEEDED) -> Violation:
        """The credential is right, but a limit is reached, or the hub takes no logins now; `why` says which."""
        return self._fail(code, why)

    def _take_hello(self, hello: Hello) -> Violation | None:
        if not is_protocol_compatible(hello.protocol_version, hello.min_version):
            text = f"This hub speaks protocol versions {MIN_PROTOCOL_VERSION} to {PROTOCOL_VERSION}"
            return self._fail(ErrorCodes.VERSION_MISMATCH, text)
        self.role = hello.role
        self.peer_features = hello.features
        self._become(HandshakeState.AWAIT_CREDENTIAL)
        return None

    def _fail(self, code: ErrorCodes, text: str) -> Violation:
        self._become(HandshakeState.FAILED)
        return Violation(ProtocolError(code=code, message=text, fatal=True))


class PeerHandshake(_Handshake):
    """A node's or client's side, for one connection.

    `credential` turns the hub's nonce and announced extensions into the request to send. Where it returns an awaitable
    instead, that is in `making`: await it, and pass the request to `offer`.
    """

    def __init__(
        self,
        *,
        role: str,
        agent: str,
        version: str,
        features: Iterable[str],
        credential: Callable[[str, frozenset[str]], ControlMessage | Awaitable[ControlMessage]],
    ) -> None:
        super().__init__(role=role)
        self.making: Awaitable[ControlMessage] | None = None
        """The credential that is being made, until it is taken from here."""

        self.hub_features: frozenset[str] = frozenset()
        self.hub_uid: str | None = None
        self.welcome: AuthOk | None = None
        self._credential = credential
        self._offered: ControlMessage | None = None
        self._hello = Hello(
            role=role,
            protocol_version=PROTOCOL_VERSION,
            min_version=MIN_PROTOCOL_VERSION,
            info={"agent": agent, "version": version, "features": sorted(features)},
        )

    def receive(self, message: ControlMessage) -> list[ControlMessage]:
        """Take one message of the hub; returns what to send. Raises when the hub refuses, or breaks the protocol."""
        if isinstance(message, ProtocolError) and message.fatal:
            self._fail(refusal(message.code, message.message))
        if self.state is HandshakeState.AWAIT_HELLO and isinstance(message, Hello):
            return self._answer_hello(message)
        if self.state is HandshakeState.JUDGING:
            if isinstance(message, AuthFail):
                self._fail(self._refused(message))
            if isinstance(message, AuthOk):
                self._check_identity(message)
                self.welcome = message
                self._become(HandshakeState.DONE)
        return []

    def _answer_hello(self, hello: Hello) -> list[ControlMessage]:
        if not is_protocol_compatible(hello.protocol_version, hello.min_version):
            text = f"The hub speaks protocol version {hello.protocol_version}, this side {PROTOCOL_VERSION}"
            self._fail(ProtocolException(text, code=ErrorCodes.VERSION_MISMATCH))
        if hello.role != HUB_ROLE or not hello.nonce:
            self._fail(ProtocolException("The other side is no hub", field="role"))
        uid = hello.info.get("hubUid")
        self.hub_uid = uid if isinstance(uid, str) and is_uid(uid) else None
        self.hub_features = hello.features
        self._become(HandshakeState.MAKING)
        made = self._credential(hello.nonce or "", hello.features)
        if isinstance(made, ControlMessage):
            return [self._hello, self.offer(made)]
        self.making = made
        return [self._hello]

    def offer(self, credential: ControlMessage) -> ControlMessage:
        """The credential is made: returns what to send."""
        self._become(HandshakeState.JUDGING)
        self._offered = credential
        return credential

    def _refused(self, answer: AuthFail) -> AuthException:
        error, offered = AuthException(answer.message, code=answer.reason), self._offered
        if isinstance(offered, AuthRequest) and offered.host is not None:
            error.address = f"{offered.host}:{offered.port}"
        if isinstance(offered, AuthRequest) and offered.public_key is not None:
            error.principal, error.public_key = offered.principal, offered.public_key
            error.application = offered.application or ""
        return error

    def _check_identity(self, welcome: AuthOk) -> None:
        if isinstance(self._offered, AuthRequest) and welcome.principal != self._offered.principal:
            text = f"The hub took '{self._offered.principal}' for '{welcome.principal}'"
            self._fail(ProtocolException(text))

    def _fail(self, error: OmnyShellException) -> None:
        self._become(HandshakeState.FAILED)
        raise error


def refusal(code: str, text: str) -> OmnyShellException:
    """The exception for a fatal `error` of the hub."""
    if code == ErrorCodes.AUTH_FAILED:
        return AuthException(text, code=code)
    return ProtocolException(text, code=code)
