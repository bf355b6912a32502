"""The sessions of a node: each joins a channel of the hub with a process."""

import asyncio
import logging
from collections.abc import Callable

from omnyshell.errors import ErrorCodes, OmnyShellException, SessionRejectedException
from omnyshell.model.sessions import SessionMode
from omnyshell.protocol.frames import DataOpcode
from omnyshell.protocol.limits import MAX_PAYLOAD
from omnyshell.protocol.messages import (
    ChannelClose,
    ChannelEof,
    ChannelExit,
    ChannelMessage,
    ChannelResize,
    ChannelSignal,
    NodeSessionOpen,
    NodeSessionOpened,
    NodeSessionRejected,
)
from omnyshell.services.node.backend import ShellRequest
from omnyshell.services.node.config import NodeConfig
from omnyshell.services.node.ledger import ChildLedger
from omnyshell.services.node.local_backend import LocalBackend
from omnyshell.services.node.process_session import ProcessSession
from omnyshell.transport.channels import Channel
from omnyshell.transport.connection import OmnyShellConnection

CLOSE_TIMEOUT = 3.0
"""Seconds for all sessions to end when the node stops: the hang-up, and the kill 2 s later."""

logger = logging.getLogger("omnyshell.node")


class NodeSession:
    """One session. Without a channel, as after the loss of the hub, a shell goes on and its output is dropped."""

    def __init__(self, request: NodeSessionOpen, on_end: Callable[["NodeSession"], None]) -> None:
        self.id = request.session_id
        self.mode = request.mode
        self._channel: Channel | None = None
        self._on_end = on_end
        self._process: ProcessSession | None = None
        self._expiry: asyncio.TimerHandle | None = None

    def attach(self, channel: Channel) -> None:
        """Send output to this channel from now on."""
        self._channel = channel

    def start(self, process: ProcessSession) -> None:
        """Join the process that was started with this session as its sink."""
        self._process = process

    def kill(self) -> None:
        """End the process and all that belongs to its session. Idempotent."""
        if self._process is not None:
            self._process.kill()

    def kill_now(self) -> None:
        """End the process at once."""
        if self._process is not None:
            self._process.kill_now()

    # What the process calls

    def budget(self) -> int:
        """As many bytes as the channel has credit for; a detached session is always read."""
        return self._channel.budget if self._channel is not None else MAX_PAYLOAD

    def output(self, stream: DataOpcode, data: bytes) -> None:
        """Send output on."""
        if self._channel is not None:
            self._channel.send_data(stream, data)

    def input_taken(self, size: int) -> None:
        """Return credit for input."""
        if self._channel is not None:
            self._channel.consumed(size)

    def exited(self, exit_code: int, signal_name: str | None) -> None:
        """Tell the client, behind all output."""
        channel, self._channel = self._channel, None
        if channel is not None and not channel.is_closed:
            channel.send(ChannelExit(exit_code=exit_code, signal=signal_name))
            channel.send(ChannelClose())
        if self._expiry is not None:
            self._expiry.cancel()
        self._on_end(self)

    # What the channel calls

    def data_received(self, opcode: DataOpcode, payload: bytes) -> None:
        """Pass input on to the process."""
        if self._process is not None and opcode is DataOpcode.STDIN:
            self._process.write(payload)

    def message_received(self, message: ChannelMessage) -> None:
        """Do what the client asks."""
        process = self._process
        if process is None:
            return
        if isinstance(message, ChannelResize):
            process.resize(message.cols, message.rows)
        elif isinstance(message, ChannelSignal):
            process.signal(message.signal)
        elif isinstance(message, ChannelEof):
            process.eof()
        elif isinstance(message, ChannelClose):
            self._leave_channel()
            process.kill()

    def budget_available(self) -> None:
        """The client took output: read on."""
        if self._process is not None:
            self._process.resume_output()

    def channel_lost(self, _error: OmnyShellException) -> None:
        """The hub is gone: a shell goes on without it, a command has nobody left to report to."""
        self._leave_channel()
        if self._process is None:
            return
        if self.mode is SessionMode.SHELL:
            self._process.resume_output()
        else:
            self._process.kill()

    def expire_after(self, delay: float) -> None:
        """End the session after so many seconds, unless it ends by itself."""
        self._expiry = asyncio.get_running_loop().call_later(delay, self.kill)

    @property
    def is_detached(self) -> bool:
        """Whether no client can see the session."""
        return self._channel is None

    def _leave_channel(self) -> None:
        if self._channel is not None:
            self._channel.close()
            self._channel = None


class NodeSessions:
    """All sessions of a node, whatever becomes of its connections to the hub."""

    def __init__(self, config: NodeConfig) -> None:
        self._config = config
        self._ledger = ChildLedger(config.state_dir / "children")
        self._backend = LocalBackend(self._ledger, config.commands)
        self._sessions: set[NodeSession] = set()
        self._all_ended = asyncio.Event()

    def __len__(self) -> int:
        return len(self._sessions)

    async def end_leftovers(self) -> None:
        """End what a node that was killed has left behind."""
        count = await self._ledger.end_leftovers()
        if count:
            logger.warning("ended %d sessions that an earlier run of this node left behind", count)

    def open(self, connection: OmnyShellConnection, channel_id: int, request: NodeSessionOpen) -> None:
        """Start what the hub asks for, and answer it."""
        try:
            self._open(connection, channel_id, request)
        except OmnyShellException as exc:
            rejected = NodeSessionRejected(session_id=request.session_id, reason=exc.code, message=exc.message)
            connection.send(rejected, channel_id)

    def connection_lost(self) -> None:
        """Give the sessions that went on without their hub a limited time."""
        for session in self._sessions:
            if session.is_detached:
                session.expire_after(self._config.detached_timeout)

    async def close(self) -> None:
        """End every session and wait until they have ended."""
        if not self._sessions:
            return
        self._all_ended.clear()
        for session in list(self._sessions):
            session.kill()
        try:
            await asyncio.wait_for(self._all_ended.wait(), CLOSE_TIMEOUT)
        except TimeoutError:
            for session in list(self._sessions):
                session.kill_now()

    def _open(self, connection: OmnyShellConnection, channel_id: int, request: NodeSessionOpen) -> None:
        if request.resume_session_id is not None:
            raise SessionRejectedException("There is no such session", code="not_found")
        session = NodeSession(request, self._ended)
        channel = connection.channels.adopt(channel_id, session)
        session.attach(channel)
        try:
            process = self._backend.start(_shell_request(request), session)
        except SessionRejectedException:
            channel.end()
            raise
        except OSError as exc:
            channel.end()
            text = f"The node cannot start a process: {exc.strerror or exc}"
            raise SessionRejectedException(text, code=ErrorCodes.BAD_REQUEST) from exc
        except Exception:
            channel.end()
            logger.exception("a session could not be started")
            raise SessionRejectedException("The node failed", code=ErrorCodes.INTERNAL_ERROR) from None
        session.start(process)
        self._sessions.add(session)
        channel.send(NodeSessionOpened(session_id=session.id, pid=process.pid))

    def _ended(self, session: NodeSession) -> None:
        self._sessions.discard(session)
        if not self._sessions:
            self._all_ended.set()


def _shell_request(request: NodeSessionOpen) -> ShellRequest:
    return ShellRequest(
        session_id=request.session_id,
        principal=request.principal,
        mode=request.mode,
        command=request.command,
        args=request.args,
        env=request.env,
        cwd=request.cwd,
        pty=request.pty,
        shell_family=request.shell_family,
        interactive=request.interactive,
    )
