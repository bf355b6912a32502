"""How a client opens and resumes sessions: what it asks of the hub, and until the node has answered."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from omnyshell.errors import ErrorCodes, OmnyShellException, OmnyShellTimeoutException, SessionRejectedException
from omnyshell.model.sessions import CloseReason, PtySpec, SessionMode
from omnyshell.protocol.byte_text import carry_bytes
from omnyshell.protocol.extensions import BYTE_TEXT
from omnyshell.protocol.messages import ChannelClose, SessionOpen
from omnyshell.services.client.session import RemoteSession
from omnyshell.services.client.session_requests import fit
from omnyshell.steps import step
from omnyshell.transport.connection import OmnyShellConnection

MOST_ELSEWHERE = 4
"""Hubs at which a session is asked for, one after another."""

logger = logging.getLogger("omnyshell.client")


class SessionOpenings:
    """Opens the sessions of one client; what is raised is said by the client's methods of the same names."""

    def __init__(
        self,
        timeout: float,
        link: Callable[[], OmnyShellConnection],
        resumes: Callable[[RemoteSession], bool],
    ) -> None:
        """`timeout` is in seconds; `link` returns the connection to the hub, or raises.

        `resumes` is called with a session that lost its channel, and returns whether it will be resumed.
        """
        self._timeout = timeout
        self._link = link
        self._resumes = resumes

    def ask(self, request: SessionOpen, *extensions: str) -> RemoteSession:
        """Send the request for a session, fitted to the hub, which must have these extensions; return it at once."""
        connection = self._link()
        for extension in (*extensions, *((BYTE_TEXT,) if carry_bytes(request) else ())):
            connection.require(extension)
        session = RemoteSession(
            request.node_id,
            request.mode,
            request.pty,
            channels=connection.channels,
            resumes=self._resumes,
            forward=request.forward,
            shown=request.command if request.mode is SessionMode.FORWARD else None,
        )
        return self._asked(session, request, connection)

    async def open(self, request: SessionOpen, *extensions: str) -> RemoteSession:
        """Ask for a session, and return it when it is open."""
        session = self.ask(request, *extensions)
        await self.until_open(session, CloseReason.CLIENT_CLOSED)
        return session

    @staticmethod
    async def somewhere(
        opening: Callable[[], Awaitable[RemoteSession]], elsewhere: Callable[[], Awaitable[bool]]
    ) -> RemoteSession:
        """Open a session at this hub, or at others where this one cannot reach that of the node.

        `elsewhere` goes to another hub, if it can. Raises what the first hub said.
        """
        refused: SessionRejectedException | None = None
        for _ in range(MOST_ELSEWHERE):
            try:
                return await opening()
            except SessionRejectedException as exc:
                if exc.code != ErrorCodes.HUB_UNREACHABLE:
                    raise
                refused = refused or exc
            try:
                if not await elsewhere():
                    break
            except OmnyShellException as exc:
                raise refused from exc
        raise refused or SessionRejectedException("no hub reaches the node", code=ErrorCodes.HUB_UNREACHABLE)

    async def resume(self, node_id: str, session_ref: str, pty: PtySpec, owner: str) -> RemoteSession:
        """Resume the session of that reference; `owner` is its principal, "" for the client's own."""
        connection = self._link()
        session = RemoteSession(
            node_id,
            SessionMode.SHELL,
            pty,
            channels=connection.channels,
            resumes=self._resumes,
            resumes_ref=session_ref,
            owner=owner,
        )
        request = SessionOpen(
            node_id=node_id,
            mode=SessionMode.SHELL,
            pty=pty,
            resume_session_id=session_ref,
            owner=owner or None,
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
            session.channel.close(ChannelClose(reason=giving_up))
            if isinstance(exc, TimeoutError):
                raise OmnyShellTimeoutException(f"node '{session.node_id}' did not answer in time") from exc
            raise

    def _asked(self, session: RemoteSession, request: SessionOpen, connection: OmnyShellConnection) -> RemoteSession:
        step(logger, "session asked for", **_about(session))
        try:
            connection.send(fit(request, connection.features), session.channel.id)
        except BaseException:
            session.channel.end()
            raise
        return session


def _about(session: RemoteSession) -> dict[str, object]:
    return {"node_id": session.node_id, "channel": session.channel.id, "mode": session.mode}
