"""Joining a hub with an invite: pins its authority by fingerprint, and trades the token for an enrolled key."""

import hashlib
import hmac
import re
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from omnyshell.errors import (
    AuthException,
    ConfigException,
    ErrorCodes,
    OmnyShellException,
    ProtocolException,
    TransportException,
)
from omnyshell.model.admin import InviteKind
from omnyshell.model.principals import NODE_PREFIX, is_user_name
from omnyshell.protocol.codec import FrameCodec
from omnyshell.protocol.extensions import ADMIN, AUTH_BIND_2, OF_JOINING
from omnyshell.protocol.handshake import HandshakeState, PeerHandshake
from omnyshell.protocol.messages import ControlMessage
from omnyshell.protocol.messages.admin import JoinAccepted, JoinRefused, JoinRequest, register
from omnyshell.protocol.messages.base import Role
from omnyshell.security.authenticators import hash_token
from omnyshell.security.credentials import LoginContext
from omnyshell.security.join_proof import join_message
from omnyshell.security.keys import Ed25519PrivateKey, encode_base64
from omnyshell.services.binding import Binding
from omnyshell.services.dial import AGENT, open_trusted
from omnyshell.services.join_files import check_directory_name
from omnyshell.transport.connection import HubAddress, OmnyShellConnection, in_words
from omnyshell.transport.keepalive import KeepaliveTimes
from omnyshell.transport.tls import shown_chain
from omnyshell.version import __version__

CONNECT_TIMEOUT = 15.0

UNKNOWN_TOKEN = "unknown_token"  # noqa: S105
"""The code for a refused invite; remedies for refused logins do not apply to it."""

_FINGERPRINT = re.compile(r"(?:sha256:)?([0-9a-f]{64})")


def parse_fingerprint(text: str) -> bytes:
    """Read `sha256:` and 64 hexadecimal digits, with or without colons. Raises `ConfigException`."""
    kind, _, digits = text.strip().lower().rpartition("sha256:")
    match = _FINGERPRINT.fullmatch(digits.replace(":", ""))
    if match is None or kind:
        raise ConfigException(f"fingerprint '{text}': write it as sha256: and 64 hexadecimal digits")
    return bytes.fromhex(match.group(1))


def fetch_authority(address: HubAddress, fingerprint: bytes) -> str:
    """Return, in PEM, the certificate with this SHA-256 from the chain that the hub presents in TLS.

    Nothing is sent over this connection, and nothing else is taken from it. On the next connection the server must
    prove that its certificate comes from this one. Blocks. Raises `TransportException` where the hub cannot be reached
    or presents no such certificate.
    """
    for der in _shown_chain(address):
        if hmac.compare_digest(hashlib.sha256(der).digest(), fingerprint):
            return ssl.DER_cert_to_PEM_cert(der)
    text = f"the hub at {address} shows no certificate with this fingerprint: it is another hub, or somebody is between"
    raise TransportException(text)


def _shown_chain(address: HubAddress) -> Sequence[bytes]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection((address.host, address.port), CONNECT_TIMEOUT) as plain,
            context.wrap_socket(plain, server_hostname=address.host) as tls,
        ):
            return shown_chain(tls)
    except (OSError, ssl.SSLError) as exc:
        raise TransportException(f"cannot reach the hub at {address}: {in_words(exc)}") from exc


class _JoinHandshake(PeerHandshake):
    """Asks to join in place of logging in."""

    accepted: JoinAccepted | None = None

    def receive(self, message: ControlMessage) -> list[ControlMessage]:
        if self.state is HandshakeState.JUDGING:
            if isinstance(message, JoinRefused):
                self._become(HandshakeState.FAILED)
                raise AuthException(message.message or "the hub refused", code=message.reason)
            if isinstance(message, JoinAccepted):
                self.accepted = message
                self._become(HandshakeState.DONE)
                return []
        return super().receive(message)


@dataclass(frozen=True, slots=True)
class Joined:
    """The principal for whom a key was enrolled, and whether the hub binds its logins to the dialled address."""

    accepted: JoinAccepted
    is_bound: bool


async def join(
    address: HubAddress,
    ca: Path,
    *,
    role: str,
    token: str,
    key: Ed25519PrivateKey,
    node_id: str | None = None,
    suggested_id: str | None = None,
    binding: Binding,
) -> Joined:
    """Have the key enrolled.

    Raises `ConfigException`, without spending the invite, for a hub that took a stronger proof before; `AuthException`
    where the hub refuses, with the reason if the token was valid; and what `OmnyShellConnection.open` raises.
    """

    def request(nonce: str, announced: frozenset[str]) -> ControlMessage:
        if ADMIN not in announced:
            raise ProtocolException("this hub takes no invites", code=ErrorCodes.BAD_REQUEST)
        proof = binding.choose_to_join(address, announced)
        binding.note(address, announced)
        context = binding.context(proof, nonce, role, connection)
        asked = _request(context, token, key)
        asked.node_id, asked.suggested_id = node_id, suggested_id
        return asked

    handshake = _JoinHandshake(role=role, agent=AGENT, version=__version__, features=OF_JOINING, credential=request)
    connection = OmnyShellConnection(
        address,
        handshake,
        incoming="stdout",
        on_message=lambda _message, _channel: None,
        on_lost=lambda _error: None,
        codec=register(FrameCodec()),
    )
    await _open(connection, ca)
    await connection.close()
    if handshake.accepted is None:
        raise OmnyShellException("the hub did not answer the request to join")
    check_accepted(handshake.accepted, role, node_id)
    return Joined(handshake.accepted, is_bound=AUTH_BIND_2 in connection.features)


async def _open(connection: OmnyShellConnection, ca: Path) -> None:
    """Connect, and ask to join. A refused login means here that the token was refused."""
    try:
        await open_trusted(connection, ca, timeout=CONNECT_TIMEOUT, keepalive=KeepaliveTimes())
    except AuthException as exc:
        if exc.code != ErrorCodes.AUTH_FAILED:
            raise
        text = "the hub does not know this token, or takes nobody by this address: copy the whole line of the invite"
        raise AuthException(text, code=UNKNOWN_TOKEN) from exc


def _request(context: LoginContext, token: str, key: Ed25519PrivateKey) -> JoinRequest:
    return JoinRequest(
        token=token,
        public_key=key.public_key.to_base64(),
        signature=encode_base64(key.sign(join_message(context, hash_token(token)))),
        host=context.host or None,
        port=context.port or None,
    )


def check_accepted(accepted: JoinAccepted, role: str, node_id: str | None) -> None:
    """Check the answer to a join against the request. Raises `ProtocolException` that says what the hub did wrong."""
    asked = InviteKind.NODE if role == Role.NODE else InviteKind.USER
    if accepted.kind is not asked:
        raise ProtocolException(f"the hub answered a {asked}'s request to join as one of a {accepted.kind}")
    if asked is InviteKind.USER:
        if not is_user_name(accepted.principal):
            raise ProtocolException(f"the hub gave the name '{accepted.principal}', which no user can have")
        return
    named = accepted.node_id or ""
    if node_id is not None and named != node_id:
        raise ProtocolException(f"the hub calls this node '{named}', and '{node_id}' was asked for")
    try:
        check_directory_name(named)
    except ConfigException as exc:
        raise ProtocolException(f"the hub named an id that none can have: {exc}") from exc
    if accepted.principal != NODE_PREFIX + named:
        raise ProtocolException(f"the hub gave the node '{named}' the login '{accepted.principal}'")
