"""Connects the hub's tunnel channels to their targets (docs/protocol.md#tunnels)."""

import asyncio
import logging

from omnyshell.errors import ChannelException, OmnyShellException
from omnyshell.ids import short_id
from omnyshell.model.sessions import CloseReason
from omnyshell.model.targets import Target
from omnyshell.protocol.extensions import TUNNEL_EOF
from omnyshell.protocol.frames import DataOpcode
from omnyshell.protocol.messages import (
    ChannelClose,
    ChannelMessage,
    NodeTunnelConnect,
    NodeTunnelConnected,
    NodeTunnelConnectFailed,
)
from omnyshell.services.exposer.dialing import DialException, dial
from omnyshell.services.exposer.targets import TargetPolicy
from omnyshell.transport.channel_stream import ChannelStream
from omnyshell.transport.connection import OmnyShellConnection
from omnyshell.transport.tcp_stream import TcpStream

FORBIDDEN = "forbidden"
DIAL_FAILED = "dial_failed"

INCOMING = "stdin"
"""The stream whose credit an exposer grants, whatever its connection's role."""

logger = logging.getLogger("omnyshell.exposer")


class TunnelExposer:
    """Serves the tunnel channels of its owner's connections to the hub. Call `close` when the owner ends."""

    def __init__(self, policy: TargetPolicy) -> None:
        self._policy = policy
        self._targets: set[TargetConnection] = set()

    def __len__(self) -> int:
        return len(self._targets)

    def connect(self, connection: OmnyShellConnection, channel_id: int, request: NodeTunnelConnect) -> None:
        """Connect to the target that the hub asks for, and answer it."""
        if not self._policy.allows(request.tunnel_id, request.target_host, request.target_port):
            where = f"{request.target_host}:{request.target_port}"
            logger.warning("tunnel connection of %r to %r refused: not allowed here", request.principal, where)
            text = f"{where} is not among the targets that are allowed here"
            failed = NodeTunnelConnectFailed(tunnel_id=request.tunnel_id, reason=FORBIDDEN, message=text)
            connection.send(failed, channel_id)
            return
        target = TargetConnection(request, self._targets, half_close=TUNNEL_EOF in connection.features)
        try:
            target.channel = connection.channels.adopt(channel_id, target, INCOMING)
        except ChannelException:
            # A hub that uses an id twice breaks the protocol: the channel that has it keeps it.
            return
        target.dial()

    async def close(self) -> None:
        """End every connection to a target."""
        targets = list(self._targets)
        for target in targets:
            target.abort(CloseReason.EXPOSER_CLOSED)
        await asyncio.gather(*(target.dialed() for target in targets))


class TargetConnection(ChannelStream):
    """A connection to a target, and the channel that it serves."""

    def __init__(self, request: NodeTunnelConnect, members: "set[TargetConnection]", *, half_close: bool) -> None:
        ids: dict[str, object] = {"tunnel_id": short_id(request.tunnel_id)}
        super().__init__(
            ids,
            sends=DataOpcode.STDOUT,
            half_close=half_close,
            closed=CloseReason.TARGET_CLOSED,
            failed=CloseReason.TARGET_ERROR,
        )
        self._ids = ids
        self._request = request
        self._members = members
        self._dialing: asyncio.Task[None] | None = None
        self.stream: TcpStream = TcpStream(self, ids)
        members.add(self)

    def dial(self) -> None:
        """Begin to connect; the outcome is sent on the channel."""
        self._ids["channel"] = self.channel.id
        self._dialing = asyncio.get_running_loop().create_task(self._dial())

    async def dialed(self) -> None:
        """Wait until dialing has succeeded or failed."""
        if self._dialing is not None:
            await asyncio.gather(self._dialing, return_exceptions=True)

    def stream_opened(self) -> None:
        """The target is connected: tell the hub, and let bytes flow."""
        if self.channel.is_closed:
            self.stream.abort()
            return
        self.channel.send(NodeTunnelConnected(tunnel_id=self._request.tunnel_id))
        self.join()

    def data_received(self, opcode: DataOpcode, payload: bytes | memoryview) -> None:
        """Write to the target; bytes that it does not take yet are queued."""
        super().data_received(opcode, bytes(payload))

    def message_received(self, message: ChannelMessage) -> None:
        """Handle the end of one direction or of the connection, also while dialing."""
        super().message_received(message)
        if isinstance(message, ChannelClose):
            self._give_up()

    def channel_lost(self, error: OmnyShellException) -> None:
        """The hub is gone."""
        super().channel_lost(error)
        self._give_up()

    def abort(self, reason: CloseReason, message: str | None = None) -> None:
        """End both sides at once."""
        super().abort(reason, message)
        self._give_up()

    def over(self) -> None:
        """Forget the connection."""
        self._members.discard(self)

    async def _dial(self) -> None:
        try:
            await dial(self.stream, Target(self._request.target_host, self._request.target_port))
        except DialException as exc:
            self._failed_to_dial(exc.message)

    def _failed_to_dial(self, why: str) -> None:
        if not self.channel.is_closed:
            where = f"{self._request.target_host}:{self._request.target_port}"
            text = f"cannot connect to {where}: {why}"
            self.channel.send(
                NodeTunnelConnectFailed(tunnel_id=self._request.tunnel_id, reason=DIAL_FAILED, message=text)
            )
            self.channel.end()
        self._finish()

    def _give_up(self) -> None:
        if self._dialing is not None and not self._dialing.done():
            self._dialing.cancel()
        if self.stream.is_opening:
            self._finish()
