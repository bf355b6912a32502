"""Connects a node or a client to its hub, logged in."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from omnyshell.errors import OmnyShellException
from omnyshell.protocol.codec import FrameCodec
from omnyshell.protocol.extensions import AUTH_BIND
from omnyshell.protocol.handshake import PeerHandshake
from omnyshell.protocol.messages import AuthRequest, ControlMessage
from omnyshell.security.credentials import CredentialProvider, LoginContext, TokenCredentialProvider
from omnyshell.transport.connection import HubAddress, OmnyShellConnection
from omnyshell.transport.keepalive import KeepaliveTimes
from omnyshell.transport.tls import client_context
from omnyshell.version import __version__

AGENT = "omnyshell-python"


@dataclass(frozen=True, slots=True, kw_only=True)
class HubAccess:
    """Where the hub is, whom to trust about it, and how to log in. Times in seconds."""

    address: HubAddress
    credentials: CredentialProvider
    ca: Path | None = None
    """Certificates to trust; None means the system's."""

    connect_timeout: float = 15.0
    keepalive: KeepaliveTimes = field(default_factory=KeepaliveTimes)


async def dial(
    access: HubAccess,
    *,
    role: str,
    features: frozenset[str],
    incoming: str,
    on_message: Callable[[ControlMessage, int | None], None],
    on_lost: Callable[[OmnyShellException], None],
    codec: FrameCodec | None = None,
) -> OmnyShellConnection:
    """Return a connection that has logged in as `role`; `incoming` names the stream whose credit this side grants.

    Raises what `OmnyShellConnection.open` raises, and `ConfigException` for a CA file that cannot be read.
    """

    def credential(nonce: str, hub_features: frozenset[str]) -> AuthRequest:
        bind = AUTH_BIND in hub_features and not isinstance(access.credentials, TokenCredentialProvider)
        spki = hub_key_hash(connection) if bind else None
        context = LoginContext(nonce=nonce, role=role, spki_sha256=spki)
        return access.credentials.auth_request(context, bind=spki is not None)

    handshake = PeerHandshake(role=role, agent=AGENT, version=__version__, features=features, credential=credential)
    connection = OmnyShellConnection(
        access.address, handshake, incoming=incoming, on_message=on_message, on_lost=on_lost, codec=codec
    )
    await connection.open(client_context(access.ca), timeout=access.connect_timeout, keepalive=access.keepalive)
    return connection


def hub_key_hash(connection: OmnyShellConnection) -> bytes | None:
    """Return the SHA-256 of the hub's key as TLS showed it; None where there is none."""
    # Imported where a key logs in: it brings all of `cryptography`, which a token does not need.
    from omnyshell.security.certificates import spki_sha256_of_der

    certificate = connection.link.peer_certificate
    return spki_sha256_of_der(certificate) if certificate is not None else None
