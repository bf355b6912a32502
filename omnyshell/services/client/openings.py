"""How a client opens and resumes sessions: what it asks of the hub, and until the node has answered."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from functools import partial

from msgspec import structs

from omnyshell.errors import OmnyShellTimeoutException, SessionRejectedException
from omnyshell.model.sessions import CloseReason, PtySpec, SessionMode
from omnyshell.protocol.byte_text import carry_bytes
from omnyshell.protocol.extensions import BYTE_TEXT
from omnyshell.protocol.messages import SessionOpen
from omnyshell.services.client.session import RemoteSession
from omnyshell.services.client.session_requests import fit
from omnyshell.steps import step
from omnyshell.transport.channels import Channel
from omnyshell.transport.connection import OmnyShellConnection

logger = logging.getLogger("omnyshell.client")


Ask = Callable[[RemoteSession], None]
"""Asks for a session by the present connection. Raises `OmnyShellException`."""


class SessionOpenings:
    """Opens the sessions of one client; what is raised is said by the client's methods of the same names."""

    def __init__(
        self,
        timeout: float,
        link: Callable[[], OmnyShellConnection],
        resumes: Callable[[RemoteSession], bool],
        moves: Callable[[Ask, RemoteSession, SessionRejectedException], bool],
    ) -> None:
        """`timeout` is in seconds; `link` returns the connection to the hub, or raises.

        `resumes` is called with a session that lost its channel, and returns whether it will be resumed; `moves` with
        one that the hub refuses as it cannot reach that of the node, and returns whether it is asked for at another.
        """
        self._timeout = timeout
        self._link = link
        self._resumes, self._moves = resumes, moves

    def ask(self, request: SessionOpen, *extensions: str) -> RemoteSession:
        """Send the request for a session, fitted to the hub, which must have these extensions; return it at once."""
        needed = (*extensions, *((BYTE_TEXT,) if carry_bytes(request) else ()))
        connection = self._able(needed)
        session = RemoteSession(
            request.node_id,
            request.mode,
            request.pty,
            channels=connection.channels,
            resumes=self._resumes,
            # What is asked for ahead is of the hub that has its permission, and can be done without.
            moves=_stays if request.ahead else partial(self._moves, partial(self._ask_again, request, needed)),
            forward=request.forward,
            shown=request.command if request.mode is SessionMode.FORWARD else None,
        )
        return self._asked(session, request, connection)

    async def open(self, request: SessionOpen, *extensions: str) -> RemoteSession:
        """Ask for a session, and return it when it is open."""
        session = self.ask(request, *extensions)
        await self.until_open(session, CloseReason.CLIENT_CLOSED)
        return session

    async def resume(self, node_id: str, session_ref: str, pty: PtySpec, owner: str) -> RemoteSession:
        """Resume the session of that reference; `owner` is its principal, "" for the client's own."""
        connection = self._link()
        request = SessionOpen(
            node_id=node_id,
            mode=SessionMode.SHELL,
            pty=pty,
            resume_session_id=session_ref,
            owner=owner or None,
        )
        session = RemoteSession(
            node_id,
            SessionMode.SHELL,
            pty,
            channels=connection.channels,
            resumes=self._resumes,
            moves=partial(self._moves, partial(self._ask_again, request, ())),
            resumes_ref=session_ref,
            owner=owner,
        )
        self._asked(session, request, connection)
        # A caller that gives up waiting must not end the session.
        await self.until_open(session, CloseReason.CLIENT_DISCONNECTED)
        return session

    async def until_open(self, session: RemoteSession, giving_up: CloseReason) -> None:
        """Return when a session is open; the hub is told this reason where it is not waited for any more."""
        try:
            async with asyncio.timeout(self._timeout):
                await session.opened
        except BaseException as exc:
            step(logger, "no session", reason=type(exc).__name__, **_about(session))
            session.leave(giving_up)
            if isinstance(exc, TimeoutError):
                raise OmnyShellTimeoutException(f"node '{session.node_id}' did not answer in time") from exc
            raise

    def _able(self, extensions: Iterable[str]) -> OmnyShellConnection:
        connection = self._link()
        for extension in extensions:
            connection.require(extension)
        return connection

    def _asked(self, session: RemoteSession, request: SessionOpen, connection: OmnyShellConnection) -> RemoteSession:
        try:
            _send(session, request, connection, session.channel)
        except BaseException:
            session.channel.end()
            raise
        return session

    def _ask_again(self, request: SessionOpen, extensions: Iterable[str], session: RemoteSession) -> None:
        """Ask for a session at the present hub, which another one refused."""
        connection = self._able(extensions)
        session.ask_by(connection.channels, partial(_send, session, request, connection))


def _stays(_session: RemoteSession, _error: SessionRejectedException) -> bool:
    return False


def _send(session: RemoteSession, request: SessionOpen, connection: OmnyShellConnection, channel: Channel) -> None:
    step(logger, "session asked for", **_about(session))
    # A copy is fitted: another hub may be able to do more.
    connection.send(fit(structs.replace(request), connection.features), channel.id)


def _about(session: RemoteSession) -> dict[str, object]:
    return {"node_id": session.node_id, "channel": session.channel.id, "mode": session.mode}
