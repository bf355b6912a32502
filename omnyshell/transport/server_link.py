"""The hub's side of a WebSocket connection. Any path is accepted; compression is off."""

from collections.abc import Callable

from websockets.frames import Frame
from websockets.http11 import Request
from websockets.protocol import Event
from websockets.server import ServerProtocol

from omnyshell.transport.held_reading import Cancellable
from omnyshell.transport.link import WebSocketLink
from omnyshell.transport.link_handler import LinkHandler
from omnyshell.transport.plain_http import HttpResponder, is_upgrade, respond
from omnyshell.transport.tls import shown_certificate
from omnyshell.transport.websocket_protocol import quiet_logger

FRAMES_A_TURN = 128
"""The most frames in one turn, about a millisecond's work. A stream's frames, even of 4 KiB, do not reach it in one
read."""


class ServerLink(WebSocketLink):
    """A connection from a peer at `peer_address`, which behind a load balancer is the address in its header.

    `max_size` bounds messages, in bytes, until `limit_messages`. A peer that does not ask for the upgrade within
    `upgrade_timeout` seconds is cut off. `responder` answers requests that ask for none.
    """

    frames_a_turn = FRAMES_A_TURN

    doorkeeper: Callable[[memoryview], None] | None = None
    """While set, given what arrives, which it may not keep: to `receive` it, now or in a later turn, or not."""

    def __init__(
        self,
        handler: LinkHandler,
        max_size: int,
        upgrade_timeout: float,
        responder: HttpResponder | None = None,
        *,
        peer_address: str = "",
    ) -> None:
        self.peer_address = peer_address
        self._upgrade_timeout = upgrade_timeout
        self._responder = responder
        self._server = ServerProtocol(extensions=None, max_size=max_size, logger=quiet_logger)
        super().__init__(self._server, handler, peer_address)
        self.on_slow_read: Callable[[int], None] = _ignored
        """Called with the number of completed frames when input came that `bulk_frames` does not handle itself."""

        self._slow_frames = 0

    @property
    def peer_certificate(self) -> bytes | None:
        """The certificate that the peer presented in TLS, in DER; None where it was asked for none."""
        return shown_certificate(self._transport)

    @property
    def is_held(self) -> bool:
        """Whether nothing is processed now, not even input that has arrived."""
        return self._held is not None and self._held.is_held

    def wait_for_turn(self, turn: Callable[[Callable[[], None]], Cancellable], arrived: memoryview) -> None:
        """Process what has `arrived`, and read on, once `turn` calls what it is given. Not while reading is held."""
        if (held := self._holder()) is not None:
            self.last_heard = self._loop.time()
            held.hold_for(turn, memoryview(bytes(arrived)))

    def buffer_updated(self, nbytes: int) -> None:
        """Pass the input on, or let the doorkeeper do so."""
        (self.doorkeeper or self.receive)(self._buffer[:nbytes])

    def begin_handshake(self) -> None:
        """Start the timeout for the peer's upgrade request."""
        self._cut_off.within(self._upgrade_timeout)

    def handshake_event(self, event: Event) -> None:
        """Accept the upgrade, or answer with an error."""
        if not isinstance(event, Request):
            return
        if self._responder is not None and not is_upgrade(event):
            self._server.send_response(respond(event, self.peer_address, self._responder))
        else:
            self._server.send_response(self._server.accept(event))
        self._flush_protocol()
        self._follow_protocol()
        if self.is_open:
            self._cut_off.call_off()
            self._opened()

    def _let_go(self) -> None:
        super()._let_go()
        self.doorkeeper, self.on_slow_read = None, _ignored

    def _receive(self, data: bytes | bytearray | memoryview) -> None:
        super()._receive(data)
        frames, self._slow_frames = self._slow_frames, 0
        self.on_slow_read(frames)

    def _frame_received(self, frame: Frame) -> None:
        self._slow_frames += 1
        super()._frame_received(frame)


def _ignored(_frames: int) -> None:
    pass
