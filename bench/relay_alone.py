"""The hub's relay between two peers that cost as little as they can: blocking sockets, and frames made beforehand.

They speak the wire protocol as far as a session needs it: one node, one client, one session that floods under credit.
"""

import base64
import json
import multiprocessing
import socket
import struct
import time
from contextlib import suppress
from typing import Any

from bench.peers import Hub
from bench.tls_sockets import dial

PAYLOAD = 60 * 1024
INITIAL_CREDIT, EXTRA_CREDIT, GRANT = 256 * 1024, 768 * 1024, 128 * 1024
TEXT, BINARY = 0x81, 0x82
STDOUT = 2
READ_SIZE = 256 * 1024


def relay_rate(hub: Hub, megabytes: int) -> float:
    """Return the megabytes a second from one peer through a hub to another."""
    size = megabytes * 1_000_000
    node = _Peer(hub, "node", "box")
    node.say("node.register", {"nodeId": "flood", "platform": {"os": "linux", "arch": "x64"}})
    node.hear("node.registered")
    client = _Peer(hub, "client", "admin")
    client.say("session.open", {"nodeId": "flood", "command": "flood"}, 1)
    asked = node.hear("node.session.open")
    node.say("node.session.opened", {"sessionId": asked["d"]["sessionId"]}, asked["c"])
    client.hear("session.opened")
    client.say("channel.window", {"credit": EXTRA_CREDIT}, 1)
    sender = multiprocessing.get_context("fork").Process(target=node.flood, args=(asked["c"], size))
    sender.start()
    try:
        return megabytes / client.drain(1, size)
    finally:
        client.close()
        sender.join()
        node.close()


class _Peer:
    """A connection that has logged in."""

    def __init__(self, hub: Hub, role: str, principal: str) -> None:
        self._socket = dial(hub.port, hub.ca)
        key = base64.b64encode(bytes(16)).decode()
        self._socket.sendall(
            "GET / HTTP/1.1\r\nHost: hub\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
        )
        self._unread = b""
        while b"\r\n\r\n" not in self._unread:
            self._unread += self._socket.recv(4096)
        self._unread = self._unread.partition(b"\r\n\r\n")[2]
        self.hear("hello")
        self.say("hello", {"role": role, "protocolVersion": 1, "minVersion": 1, "info": {"agent": "bench"}})
        self.say("auth.request", {"method": "token", "principal": principal, "token": f"{principal}-token"})
        self.hear("auth.ok")

    def say(self, kind: str, data: dict[str, Any], channel: int | None = None) -> None:
        """Send a control message."""
        message = {"t": kind, "d": data} | ({} if channel is None else {"c": channel})
        self._socket.sendall(_frame(TEXT, json.dumps(message).encode()))

    def hear(self, kind: str) -> dict[str, Any]:
        """Return the next message, which is of this kind."""
        while (found := _split(self._unread)) is None:
            self._unread += self._socket.recv(4096)
        payload, self._unread = found
        message: dict[str, Any] = json.loads(payload)
        assert message["t"] == kind, message
        return message

    def flood(self, channel: int, size: int) -> None:
        """Send so many bytes on a channel, as credit allows, and wait until the other side has left."""
        credit = INITIAL_CREDIT
        while size > 0:
            count = min(size, PAYLOAD)
            while credit < count:
                credit += self.hear("channel.window")["d"]["credit"]
            self._socket.sendall(_data_frame(channel, count))
            credit -= count
            size -= count
        while self._socket.recv(4096).find(b"channel.close") < 0:
            pass

    def drain(self, channel: int, size: int) -> float:
        """Take so many bytes of a channel, and return the seconds since the first of them."""
        buffer = memoryview(bytearray(READ_SIZE))
        frame_left = taken = granted = kept = 0
        started = 0.0
        while taken < size:
            end = kept + self._socket.recv_into(buffer[kept:])
            started = started or time.perf_counter()
            at = 0
            while at < end:
                if not frame_left:
                    header = _header(buffer[at:end])
                    if header is None:
                        break
                    start, frame_left = header
                    at += start
                    # The protocol's own header is no payload.
                    taken -= 10
                step = min(frame_left, end - at)
                at, frame_left, taken = at + step, frame_left - step, taken + step
            kept = end - at
            buffer[:kept] = bytes(buffer[at:end])
            while taken - granted >= GRANT:
                self.say("channel.window", {"credit": GRANT}, channel)
                granted += GRANT
        return time.perf_counter() - started

    def close(self) -> None:
        """Leave without a word, for the process that has a copy of the socket too."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


def _frame(kind: int, payload: bytes) -> bytes:
    """A masked frame; the mask of zeros leaves the payload as it is."""
    size = len(payload)
    if size < 126:
        return bytes((kind, 0x80 | size)) + bytes(4) + payload
    if size < 1 << 16:
        return struct.pack(">BBH4x", kind, 0x80 | 126, size) + payload
    return struct.pack(">BBQ4x", kind, 0x80 | 127, size) + payload


_frames: dict[tuple[int, int], bytes] = {}


def _data_frame(channel: int, size: int) -> bytes:
    frame = _frames.get((channel, size))
    if frame is None:
        frame = _frame(BINARY, struct.pack(">BBII", 1, STDOUT, channel, size) + bytes(size))
        _frames[channel, size] = frame
    return frame


def _header(data: memoryview | bytes) -> tuple[int, int] | None:
    """The sizes of an unmasked frame's header and payload; None where the header has not come whole."""
    if len(data) < 2:
        return None
    code = data[1]
    extra = {126: 2, 127: 8}.get(code, 0)
    if len(data) < 2 + extra:
        return None
    return 2 + extra, int.from_bytes(data[2 : 2 + extra], "big") if extra else code


def _split(data: bytes) -> tuple[bytes, bytes] | None:
    """A frame's payload and what comes behind it; None where it has not come whole."""
    header = _header(data)
    if header is None or len(data) < sum(header):
        return None
    start, size = header
    return data[start : start + size], data[start + size :]
