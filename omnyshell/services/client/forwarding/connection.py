"""A connection that was made to this machine, and the session that carries it to its target."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Protocol

from omnyshell.errors import OmnyShellException, SessionRejectedException
from omnyshell.model.forwards import FINISHED, TARGET_FINISHED
from omnyshell.model.targets import Target
from omnyshell.protocol.frames import DataOpcode
from omnyshell.protocol.limits import BULK_PAYLOAD, KIB
from omnyshell.services.client.forwarding.socks import SUCCEEDED, SocksRefusal, SocksRequest, reply, reply_to
from omnyshell.services.client.session import RemoteSession
from omnyshell.services.client.states import LinkState
from omnyshell.transport.tcp_stream import TcpStream
from omnyshell.transport.written_together import together

GREETING_TIMEOUT = 30.0
"""Seconds in which a client of SOCKS has to say what it wants."""

AWAY_TIMEOUT = 90.0
"""Seconds for which a connection waits for a hub or node that is lost: nodes keep theirs for 60, unless told otherwise
(`--exec-timeout`)."""

MOST_EARLY = 16 * KIB
"""Bytes that are taken before a connection is asked for: they go with the request."""

MOST_CONNECTIONS = 4096
"""The most connections of a forward at once, as many as its node has."""


class Connector(Protocol):
    """Makes connections to targets."""

    async def until_permitted(self) -> None:
        """Return when connections can be asked for."""

    def connect(self, target: Target, early: bytes, *, anew: bool = False) -> RemoteSession:
        """Ask for one, or unless `anew` use what was asked for ahead, and send what there is for it.

        Raises `OmnyShellException`.
        """

    def prepare(self, target: Target) -> None:
        """Have the next one to a target made sooner. It must not raise."""

    async def until_open(self, session: RemoteSession) -> None:
        """Return when it is made. Raises `OmnyShellException`, and ends the session then."""


class LocalConnection:
    """Moves bytes both ways, ends each direction separately, and ends with whichever side is lost.

    `target` is None for a client that says by SOCKS what it wants. No more than one window waits in either direction.
    """

    def __init__(
        self,
        target: Target | None,
        connector: Connector,
        failed: Callable[[str], None],
        members: "set[LocalConnection]",
    ) -> None:
        """`failed` is told why there is no connection to the target; `members` has this one for as long as it lasts."""
        self._connector = connector
        self._failed = failed
        self._members = members
        self._target = target
        self._socks = None if target is not None else SocksRequest()
        self._session: RemoteSession | None = None
        self._early = b""
        self._has_finished = False
        """Whether who has connected has finished writing."""

        self._is_answered = False
        """Whether a client of SOCKS knows that the connection is made; before that it expects nothing else."""

        self._reads_on = False
        """Whether it will be read on once more can be sent."""

        self._has_prepared = target is None
        """Whether the next connection is prepared, which is done behind the first answer, or need not be."""

        self._untaken = 0
        """Bytes that the socket has not taken."""

        self._taken = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._late: asyncio.TimerHandle | None = None
        """Ends a client of SOCKS that does not say what it wants, or what waits for a node that does not come back."""

        self.stream = TcpStream(self)

    async def close(self) -> None:
        """End both sides at once."""
        self.stream.abort()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # What the stream calls

    def stream_opened(self) -> None:
        """Somebody has connected."""
        if len(self._members) >= MOST_CONNECTIONS:
            self._failed(f"there are {MOST_CONNECTIONS} connections, so that no further one is made")
            self.stream.abort()
            return
        self._members.add(self)
        if self._target is not None:
            self._start(self._carry(self._target))
        else:
            self._late = asyncio.get_running_loop().call_later(GREETING_TIMEOUT, self.stream.abort)

    def budget(self) -> int:
        """Read what SOCKS needs, a first piece to go with the request, and then as much as can be sent on."""
        if self._session is None:
            return MOST_EARLY - len(self._early)
        if self._session.has_ended:
            # What comes now waits: it is for the one that is asked for in its place, if one is.
            return 0
        if not self._session.is_stuck:
            return BULK_PAYLOAD
        # It may have come to be so since the last bytes, as where the hub was lost.
        self._read_on_later(self._session)
        return 0

    def bytes_read(self, data: memoryview) -> None:
        """Send bytes on."""
        if self._session is not None:
            self._session.send(bytes(data))
            if self._session.is_stuck:
                self._read_on_later(self._session)
        elif self._target is not None:
            self._early += bytes(data)
        else:
            self._negotiate(bytes(data))

    def stream_ended(self) -> None:
        """Whoever has connected has finished writing."""
        self._has_finished = True
        if self._session is not None:
            self._session.eof()
        elif self._target is None:
            self.stream.close()

    def bytes_taken(self, size: int) -> None:
        """The socket can take more."""
        self._untaken -= size
        if not self._untaken:
            self._taken.set()

    def stream_lost(self, _error: Exception | None) -> None:
        """Leave the target: nobody is there any more."""
        self._members.discard(self)
        self._prepare_next()
        self._call_off()
        self._taken.set()
        if self._session is not None:
            self._session.close()
        for task in self._tasks:
            task.cancel()

    # The rest

    def _start(self, steps: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(steps)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _negotiate(self, data: bytes) -> None:
        if self._socks is None:
            return
        try:
            answer = self._socks.feed(data)
        except SocksRefusal as exc:
            self._failed(f"the proxy has refused a program: {exc.message}")
            self._write(exc.answer)
            self.stream.close()
            return
        if answer:
            self._write(answer)
        if self._socks.target is not None:
            self._call_off()
            self._early = self._socks.rest
            self._target = self._socks.target
            self._start(self._carry(self._target))

    def _call_off(self) -> None:
        """Wait no longer for what there is now."""
        if self._late is not None:
            self._late.cancel()
            self._late = None

    async def _carry(self, target: Target) -> None:
        try:
            session = await self._connected(target)
            async with session:
                await self._carry_on(session)
        except OmnyShellException as exc:
            # Nodes name the target of which they speak.
            self._failed(exc.message if str(target) in exc.message else f"{target}: {exc.message}")
            if self._socks is not None:
                self._write(reply_to(exc.code or ""))
            self.stream.close(reset=self._socks is None)

    async def _connected(self, target: Target) -> RemoteSession:
        """Return the session once its target has answered; one that was taken back unused is asked for once more."""
        session = await self._asked(target, anew=False)
        try:
            await self._connector.until_open(session)
        except SessionRejectedException as exc:
            if not exc.unused:
                raise
            self._session, self._early = None, session.kept_input
            session = await self._asked(target, anew=True)
            await self._connector.until_open(session)
        return session

    async def _asked(self, target: Target, *, anew: bool) -> RemoteSession:
        await self._connector.until_permitted()
        with together:
            session = self._connector.connect(target, self._early, anew=anew)
            self._join(session)
        return session

    def _join(self, session: RemoteSession) -> None:
        """Let bytes flow to the target, also before it has answered."""
        session.widen()
        session.take_at_once = self._take_at_once
        self._session = session
        if self._has_finished:
            session.eof()
        self.stream.resume_reading()

    async def _carry_on(self, session: RemoteSession) -> None:
        """Let bytes flow until the target's side is over."""
        if self._socks is not None:
            self._write(reply(SUCCEEDED))
        self._is_answered = True
        session.on_state = self._state_changed
        has_finished = False
        with suppress(OmnyShellException):
            async for chunk in session:
                self._deliver(chunk.stream, chunk.data)
                await self._until_taken()
            has_finished = (await session.wait()).code == FINISHED
        self.stream.close(reset=not has_finished)

    def _state_changed(self, state: LinkState) -> None:
        self._call_off()
        if state is LinkState.RECONNECTING and self._session is not None:
            self._late = asyncio.get_running_loop().call_later(AWAY_TIMEOUT, self._session.close)

    def _take_at_once(self, stream: DataOpcode, data: memoryview) -> int:
        if self._untaken or not self._is_answered:
            return 0
        self._deliver(stream, bytes(data))
        return len(data)

    def _prepare_next(self) -> None:
        if not self._has_prepared and self._target is not None:
            self._has_prepared = True
            asyncio.get_running_loop().call_soon(self._connector.prepare, self._target)

    def _deliver(self, stream: DataOpcode, data: bytes) -> None:
        self._prepare_next()
        if stream is DataOpcode.STDOUT:
            self._write(data)
        elif data == TARGET_FINISHED:
            self.stream.write_eof()

    def _write(self, data: bytes) -> None:
        if not data:
            return
        self._untaken += len(data)
        self._taken.clear()
        self.stream.write(data)

    async def _until_taken(self) -> None:
        if self._untaken:
            await self._taken.wait()

    def _read_on_later(self, session: RemoteSession) -> None:
        if not self._reads_on:
            self._reads_on = True
            self._start(self._read_on(session))

    async def _read_on(self, session: RemoteSession) -> None:
        await session.drain()
        self._reads_on = False
        self.stream.resume_reading()
