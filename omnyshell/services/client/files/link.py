"""The session of mode `sftp` that leads to a node's files (docs/extensions.md#sftp)."""

import asyncio
from collections.abc import Awaitable, Callable

from omnyshell.errors import OmnyShellException
from omnyshell.model.sessions import SessionMode
from omnyshell.printable import printable
from omnyshell.protocol.extensions import LOGINS, SFTP
from omnyshell.protocol.frames import DataOpcode
from omnyshell.protocol.messages import SessionOpen
from omnyshell.services.client.client import OmnyShellClient
from omnyshell.services.client.files.problems import FileException, LinkLostException
from omnyshell.services.client.session import RemoteSession
from omnyshell.services.client.states import LinkState

MOST_COMPLAINT = 2048
"""Bytes of what the node's side says on stderr that are kept: why it ends."""


class SftpLink:
    """A session with SFTP on it. `sftp` fails what is asked of it once the session has ended."""

    def __init__(self, session: RemoteSession) -> None:
        # It takes as long as the node's side takes to begin: meanwhile nothing else is to be done.
        from omnyshell.services.client.files.sftp import Sftp

        self._session = session
        self._complaint = b""
        self._reading: asyncio.Task[None] | None = None
        self.sftp = Sftp(self._send, lambda _: session.close())

    async def begin(self) -> None:
        """Begin, once the session is open. Raises `FileException`."""
        self._session.widen()
        self._session.take_at_once = self._take
        self._reading = asyncio.create_task(self._read())
        await self.sftp.greet()

    async def close(self) -> None:
        """End the session. Idempotent."""
        self.sftp.end(LinkLostException("the session has been closed"))
        self._session.close()
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    def _send(self, data: bytes) -> None:
        try:
            self._session.send(data)
        except OmnyShellException as exc:
            self.sftp.end(LinkLostException(exc.message))

    def _take(self, stream: DataOpcode, data: memoryview) -> int:
        if stream is DataOpcode.STDOUT:
            self.sftp.feed(data)
        else:
            self._complaint = (self._complaint + data)[:MOST_COMPLAINT]
        return len(data)

    async def _read(self) -> None:
        """Take what comes until the session has ended."""
        try:
            async for chunk in self._session:
                self._take(chunk.stream, memoryview(chunk.data))
            code = (await self._session.wait()).shell_code
        except OmnyShellException as exc:
            self.sftp.end(LinkLostException(exc.message))
            return
        said = printable(self._complaint.decode("utf-8", "replace").strip().rpartition("\n")[2])
        if said:
            self.sftp.end(FileException(said.removeprefix("omnyshell: ")))
        else:
            self.sftp.end(LinkLostException(f"the node's side of it has ended (code {code})"))


Opener = Callable[[], Awaitable[SftpLink]]


async def open_link(
    client: OmnyShellClient, node_id: str, user: str = "", tell: Callable[[str], None] = lambda _: None
) -> SftpLink:
    """Open a session to a node's files; `tell` is told when it waits for hub or node, and goes on.

    Raises as `OmnyShellClient.open_session` does, and `FileException` where the node's side does not begin;
    `MissingExtraException` without the extra `files`.
    """
    request = SessionOpen(node_id=node_id, mode=SessionMode.SFTP, user=user or None)
    session = client.ask_to_open(request, SFTP, *((LOGINS,) if user else ()))
    try:
        link = SftpLink(session)
    except BaseException:
        session.close()
        raise
    try:
        await client.until_open(session)
        session.on_state = lambda state: _tell_state(session, state, tell)
        await link.begin()
    except BaseException:
        await link.close()
        raise
    return link


def _tell_state(session: RemoteSession, state: LinkState, tell: Callable[[str], None]) -> None:
    if state is LinkState.RECONNECTING:
        tell(f"{session.lost_by}; waiting for it")
    elif state is LinkState.RESUMED:
        tell("the copy goes on")
