"""Connects a node or a client to its hub, logged in."""

import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from msgspec.structs import replace

from omnyshell.errors import (
    AuthException,
    ConfigException,
    ImproperValueException,
    OmnyShellException,
    UntrustedHubException,
)
from omnyshell.protocol.codec import FrameCodec
from omnyshell.protocol.handshake import PeerHandshake
from omnyshell.protocol.messages import AuthRequest, ControlMessage
from omnyshell.security.credentials import (
    PUBLIC_KEY_METHOD,
    CredentialProvider,
    LoginContext,
    Proof,
    TokenCredentialProvider,
)
from omnyshell.services.attempts import Turn
from omnyshell.services.binding import Binding
from omnyshell.services.known_hubs import KnownHubs
from omnyshell.steps import step
from omnyshell.transport.connection import HubAddress, OmnyShellConnection
from omnyshell.transport.keepalive import KeepaliveTimes
from omnyshell.transport.tls import client_context
from omnyshell.version import __version__

logger = logging.getLogger("omnyshell.link")

AGENT = "omnyshell-python"


class LoginWait:
    """Says what a login waits for: somebody has to touch a key, or to answer a question of an agent."""

    def __init__(self, show: Callable[[str], None] = lambda _text: None) -> None:
        self.show = show
        """Shows it; whoever has the terminal at the moment may put another function here."""

    def tell(self, text: str) -> None:
        """Show this."""
        self.show(text)

    @contextmanager
    def shown_by(self, show: Callable[[str], None]) -> Iterator[None]:
        """Have it shown by this meanwhile."""
        before, self.show = self.show, show
        try:
            yield
        finally:
            self.show = before


@dataclass(frozen=True, slots=True, kw_only=True)
class HubAccess:
    """Where the hub is, whom to trust about it, and how to log in. Times in seconds."""

    address: HubAddress
    credentials: CredentialProvider
    ca: Path | None = None
    """Certificates to trust; None means the system's."""

    binding: Binding = field(default_factory=Binding)
    """How a key's logins are bound to this hub."""

    known: KnownHubs = field(default_factory=KnownHubs)
    """Remembers the other hubs of which this one has told."""

    waiting: LoginWait = field(default_factory=LoginWait)
    """Says what a login by these credentials waits for."""

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
    on_improper: Callable[[ImproperValueException], None] = lambda _error: None,
    turn: Turn | None = None,
) -> OmnyShellConnection:
    """Return a connection that has logged in as `role`; `incoming` names the stream whose credit this side grants.

    Where several hubs are dialled at a time, it waits with its login for its `turn`.

    Raises what `OmnyShellConnection.open` raises, and `ConfigException` for a CA file that cannot be read, and for
    a hub that a key must not be proved to.
    """

    def credential(nonce: str, announced: frozenset[str]) -> AuthRequest | Awaitable[AuthRequest]:
        waiting = turn.take() if turn is not None else None
        return made(nonce, announced) if waiting is None else _made_behind(waiting, partial(made, nonce, announced))

    def made(nonce: str, announced: frozenset[str]) -> AuthRequest | Awaitable[AuthRequest]:
        binding = access.binding
        binding.note(access.address, announced)
        if isinstance(access.credentials, TokenCredentialProvider):
            return access.credentials.auth_request(LoginContext(nonce=nonce, role=role), bind=False)
        proof = binding.choose(access.address, announced, nonce)
        context = replace(binding.context(proof, nonce, role, connection), announced=announced)
        request = access.credentials.auth_request(context, bind=proof is not Proof.UNBOUND)
        if isinstance(request, AuthRequest):
            _check_provider(request, context)
            return request
        return _checked(request, context)

    handshake = PeerHandshake(role=role, agent=AGENT, version=__version__, features=features, credential=credential)
    connection = OmnyShellConnection(
        access.address,
        handshake,
        incoming=incoming,
        on_message=on_message,
        on_lost=on_lost,
        codec=codec,
        on_improper=on_improper,
    )
    step(logger, "dialling", role=role, address=str(access.address))
    try:
        await open_trusted(connection, access.ca, timeout=access.connect_timeout, keepalive=access.keepalive)
    except OmnyShellException as exc:
        what = "login refused" if isinstance(exc, AuthException) else "no link"
        step(logger, what, role=role, address=str(access.address), code=exc.code, reason=exc)
        raise
    welcome = handshake.welcome
    who = welcome.principal if welcome is not None else ""
    step(logger, "link open, logged in", role=role, address=str(access.address), principal=who)
    return connection


async def _made_behind(
    waiting: Awaitable[None], make: Callable[[], AuthRequest | Awaitable[AuthRequest]]
) -> AuthRequest:
    await waiting
    made = make()
    return made if isinstance(made, AuthRequest) else await made


async def _checked(making: Awaitable[AuthRequest], context: LoginContext) -> AuthRequest:
    request = await making
    _check_provider(request, context)
    return request


def _check_provider(request: AuthRequest, context: LoginContext) -> None:
    """Check, before the request is sent, that an embedder's provider made no weaker proof than it was asked for."""
    if request.method != PUBLIC_KEY_METHOD or not context.host:
        return
    if (request.host, request.port, request.binding) != (context.host, context.port, None):
        raise ConfigException("the credential provider signs no proof that names host and port; it has to, here")


async def open_trusted(
    connection: OmnyShellConnection,
    ca: Path | None,
    *,
    timeout: float,  # noqa: ASYNC109
    keepalive: KeepaliveTimes,
) -> None:
    """Open a connection to a hub whose certificate must come from those in `ca`, or from the system's authorities.

    Raises what `OmnyShellConnection.open` raises, with each cause of distrust and its remedy, and `ConfigException` for
    a CA file that cannot be read.
    """
    try:
        await connection.open(client_context(ca), timeout=timeout, keepalive=keepalive)
    except UntrustedHubException as exc:
        # Imported only after a failure: it loads all of `cryptography`.
        from omnyshell.services.trust import explained

        raise explained(exc, connection.address, ca) from exc
