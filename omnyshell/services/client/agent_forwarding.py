"""Has programs at a node ask the ssh-agent of this machine (docs/extensions.md#agent).

What is asked comes from whoever is root at the node, or at the hub, as much as from one's own programs there. So only
what signing in takes goes to the agent: the list of its keys, signatures, and for whom a connection signs. Nothing that
adds, removes, locks or unlocks keys does.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import NamedTuple

from omnyshell.errors import OmnyShellException, ProtocolException
from omnyshell.model.sessions import SessionMode
from omnyshell.printable import printable
from omnyshell.protocol.extensions import AGENT, LOGINS
from omnyshell.protocol.messages import SessionOpen
from omnyshell.security.agent.agent import SIGN_TIMEOUT, SOCKET_VARIABLE, Agent, AgentException
from omnyshell.security.agent.wire import FAILED, MAX_MESSAGE, MessageType
from omnyshell.security.length_prefix import FieldReader
from omnyshell.services.client.client import OmnyShellClient
from omnyshell.services.client.session import RemoteSession

MOST_CONNECTIONS = 16
"""How many programs may ask at a time; a node sends away further ones."""

LONGEST_PATH = 107
"""Bytes of a socket's path."""

SESSION_BIND = b"session-bind@openssh.com"
"""The one extension that is passed on: it tells an agent for which host it signs, which a key can be bound to."""

_HEAD = 8
_LONGEST_COMPLAINT = 512


class FrameReader:
    """Finds frames in what the node sends: the number of a connection, and a request of it, or nothing at its end."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes | memoryview) -> list[tuple[int, bytes]]:
        """Take bytes, and return the frames that are whole. Raises `ProtocolException` for what is none."""
        self._buffer += data
        found = []
        while len(self._buffer) >= _HEAD:
            number, size = int.from_bytes(self._buffer[:4]), int.from_bytes(self._buffer[4:_HEAD])
            if size > MAX_MESSAGE:
                raise ProtocolException(f"a request to the agent of {size} bytes")
            if len(self._buffer) < _HEAD + size:
                break
            found.append((number, bytes(self._buffer[_HEAD : _HEAD + size])))
            del self._buffer[: _HEAD + size]
        return found


def framed(number: int, body: bytes) -> bytes:
    """Return a frame for the node."""
    return number.to_bytes(4) + len(body).to_bytes(4) + body


def may_be_asked(body: bytes) -> bool:
    """Tell whether a request is passed on to the agent."""
    if body[0] in (MessageType.REQUEST_IDENTITIES, MessageType.SIGN_REQUEST):
        return True
    try:
        return body[0] == MessageType.EXTENSION and FieldReader(body[1:]).field() == SESSION_BIND
    except ValueError:
        return False


@asynccontextmanager
async def forwarded_agent(client: OmnyShellClient, node_id: str, user: str) -> AsyncIterator[dict[str, str]]:
    """Forward the agent meanwhile; yields the variables that lead to it at the node.

    `user` is whose sessions there use it, as for `OmnyShellClient.open_session`. Raises as that does, and
    `AgentException` where there is no agent here.
    """
    request = SessionOpen(node_id=node_id, mode=SessionMode.AGENT, user=user or None)
    # First of all it has to be there.
    async with Agent.connected():
        session = await client.open_as_asked(request, AGENT, *((LOGINS,) if user else ()))
    async with session:
        forwarding = _Forwarding(session)
        serving = asyncio.create_task(forwarding.serve())
        try:
            yield {SOCKET_VARIABLE: await forwarding.path(serving)}
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)


class _Connection(NamedTuple):
    """A program at the node that asks: one request at a time."""

    requests: asyncio.Queue[bytes]
    answering: asyncio.Task[None]


class _Forwarding:
    """One forwarded agent."""

    def __init__(self, session: RemoteSession) -> None:
        self._session = session
        self._path: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._open: dict[int, _Connection] = {}
        """The connections of programs at the node, from a first request until the node says that it has ended, or the
        agent has failed."""

        self._complaint = ""
        """What the node said for people, of that the beginning."""

    async def path(self, serving: "asyncio.Task[None]") -> str:
        """Return the path of the socket at the node. Raises `ProtocolException` where there will be none."""
        serving.add_done_callback(lambda _task: self._path.done() or self._path.cancel())
        await asyncio.wait({self._path})
        if self._path.cancelled():
            await serving
            why = f": {printable(self._complaint.strip())}" if self._complaint else ""
            raise ProtocolException(f"the node opened no socket for the agent{why}")
        return self._path.result()

    async def serve(self) -> None:
        """Answer until the session ends, which it does for what no node sends. Raises why it was lost, or ended so."""
        problem: OmnyShellException | None = None
        async with asyncio.TaskGroup() as tasks:
            try:
                await self._read(tasks)
            except OmnyShellException as exc:
                problem = exc
                self._session.close()
            finally:
                for connection in self._open.values():
                    connection.answering.cancel()
        if problem is not None:
            raise problem

    async def _read(self, tasks: asyncio.TaskGroup) -> None:
        frames = FrameReader()
        async for chunk in self._session:
            if chunk.is_stderr:
                said = self._complaint + bytes(chunk.data).decode(errors="replace")
                self._complaint = said[:_LONGEST_COMPLAINT]
                continue
            for number, body in frames.feed(chunk.data):
                self._take(number, body, tasks)

    def _take(self, number: int, body: bytes, tasks: asyncio.TaskGroup) -> None:
        if number == 0:
            self._note_path(body)
        elif not body:
            # The node may have the next one ask at once, so this one counts no more.
            if (ended := self._open.pop(number, None)) is not None:
                ended.answering.cancel()
        elif number in self._open:
            try:
                self._open[number].requests.put_nowait(body)
            except asyncio.QueueFull:
                raise ProtocolException("a second request before the first one was answered") from None
        else:
            if len(self._open) >= MOST_CONNECTIONS:
                raise ProtocolException("more connections to the agent than there may be")
            requests = asyncio.Queue[bytes](1)
            requests.put_nowait(body)
            self._open[number] = _Connection(requests, tasks.create_task(self._converse(number, requests)))

    def _note_path(self, body: bytes) -> None:
        path = os.fsdecode(body)
        if self._path.done() or not (path.startswith("/") and path.isprintable() and len(body) <= LONGEST_PATH):
            raise ProtocolException("the node names no socket for the agent")
        self._path.set_result(path)

    async def _converse(self, number: int, requests: "asyncio.Queue[bytes]") -> None:
        """Answer what one connection asks, by a connection of its own, as an agent knows each for itself."""
        with suppress(AgentException):
            async with Agent.connected() as agent:
                while True:
                    body = await requests.get()
                    is_let = may_be_asked(body)
                    await self._say(number, await agent.answer(body, SIGN_TIMEOUT) if is_let else FAILED)
        # The agent has gone, or does not answer.
        await self._say(number, b"")
        self._open.pop(number, None)

    async def _say(self, number: int, body: bytes) -> None:
        with suppress(OmnyShellException):
            self._session.send(framed(number, body))
            await self._session.drain()
