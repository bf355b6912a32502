"""Listens at a socket as ssh-agents do, and has stdin and stdout answer, as the user that it is started as.

It is started by its path, for a user who may read no more of the package than this, and imports nothing of it. The
socket lies in a directory that this user alone may enter, and both are gone when this ends: when it is hung up or
terminated, or its input ends.

On stdin and stdout are frames: the number of a connection and a size, 4 bytes each, big-endian, and so many bytes. The
first one, of the number 0, has the socket's path. Then each has a request of an agent's protocol without its length,
and towards here its answer; a size of 0 ends the connection. A connection has one request at a time.
"""

import os
import select
import shutil
import signal
import socket
import sys
import tempfile
import time
from contextlib import suppress

MOST_CONNECTIONS = 16
"""How many may be open at a time; further ones are closed at once."""

LARGEST = 256 * 1024
"""Bytes of a request or an answer; OpenSSH's limit."""

PATIENCE = 70.0
"""Seconds until a request that is not answered has failed: the client may be away, or its user."""

_FAILURE = b"\0\0\0\x01\x05"
_SIGNALS = (signal.SIGHUP, signal.SIGTERM, signal.SIGINT)
_HEAD = 8
_PIECE = 1 << 16


class _EndedError(Exception):
    """The node ends this session."""


def main() -> int:
    """Serve until the session ends."""
    for number in _SIGNALS:
        signal.signal(number, _end)
    os.umask(0o077)
    try:
        directory = tempfile.mkdtemp(prefix="omnyshell-agent-", dir="/tmp")  # where all look for such
    except OSError as exc:
        os.write(2, f"omnyshell: there is no place for it below /tmp: {exc.strerror}\n".encode())
        return 1
    try:
        path = f"{directory}/agent"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen(MOST_CONNECTIONS)
            listener.setblocking(False)
            Relay(listener).serve(path)
    except (_EndedError, BrokenPipeError):
        pass
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return 0


def _end(_number: int, _frame: object) -> None:
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    raise _EndedError


class Connection:
    """A program that asks."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.unread = bytearray()
        """What it has sent of its next request."""

        self.unsent = bytearray()
        """What it has not taken of an answer."""

        self.asked_at: float | None = None
        """When its request went out, while that has no answer."""

    @property
    def is_idle(self) -> bool:
        """Whether it may ask: its last request is answered, and it has taken the answer."""
        return self.asked_at is None and not self.unsent

    def request(self) -> bytes | None:
        """Return its next request, if that is whole. Raises `ValueError` for what is none."""
        if len(self.unread) < 4:
            return None
        size = int.from_bytes(self.unread[:4], "big")
        if not 0 < size <= LARGEST:
            raise ValueError
        if len(self.unread) < 4 + size:
            return None
        body = bytes(self.unread[4 : 4 + size])
        del self.unread[: 4 + size]
        return body


class Relay:
    """Hands requests on to stdout, and answers of stdin back."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._connections: dict[int, Connection] = {}
        self._last = 0
        self._input = bytearray()

    def serve(self, path: str) -> None:
        """Serve until the input ends."""
        _say(0, path.encode())
        while self._turn():
            self._fail_overdue()

    def _turn(self) -> bool:
        """Deal with what is ready; return whether the input goes on."""
        of_descriptor = {each.sock.fileno(): number for number, each in self._connections.items()}
        reading = {fd: number for fd, number in of_descriptor.items() if self._connections[number].is_idle}
        writing = {fd: number for fd, number in of_descriptor.items() if self._connections[number].unsent}
        waiting = [0, self._listener.fileno(), *reading]
        ready, writable, _ = select.select(waiting, list(writing), [], self._until_overdue())
        for descriptor in writable:
            self._write(writing[descriptor])
        for descriptor in ready:
            if descriptor in reading and reading[descriptor] in self._connections:
                self._read(reading[descriptor])
        if self._listener.fileno() in ready:
            self._accept()
        return 0 not in ready or self._take_input()

    def _accept(self) -> None:
        with suppress(OSError):
            sock, _ = self._listener.accept()
            if len(self._connections) >= MOST_CONNECTIONS:
                sock.close()
                return
            sock.setblocking(False)
            self._last = self._last % 0xFFFF_FFFF + 1
            self._connections[self._last] = Connection(sock)

    def _read(self, number: int) -> None:
        connection = self._connections[number]
        try:
            data = connection.sock.recv(_PIECE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        connection.unread += data
        if data:
            self._ask(number)
        else:
            self._close(number)

    def _ask(self, number: int) -> None:
        """Hand on its next request, if that is whole."""
        connection = self._connections[number]
        try:
            request = connection.request()
        except ValueError:
            self._close(number)
            return
        if request is not None:
            connection.asked_at = time.monotonic()
            _say(number, request)

    def _take_input(self) -> bool:
        data = os.read(0, _PIECE)
        self._input += data
        while len(self._input) >= _HEAD:
            number, size = int.from_bytes(self._input[:4], "big"), int.from_bytes(self._input[4:_HEAD], "big")
            if size > LARGEST:
                return False
            if len(self._input) < _HEAD + size:
                break
            body = bytes(self._input[_HEAD : _HEAD + size])
            del self._input[: _HEAD + size]
            self._answer(number, body)
        return bool(data)

    def _answer(self, number: int, body: bytes) -> None:
        connection = self._connections.get(number)
        if connection is None or connection.asked_at is None:
            return
        if not body:
            self._fail(number)
            return
        connection.asked_at = None
        connection.unsent += len(body).to_bytes(4, "big") + body
        self._write(number)

    def _write(self, number: int) -> None:
        connection = self._connections[number]
        try:
            sent = connection.sock.send(connection.unsent)
        except BlockingIOError:
            return
        except OSError:
            self._close(number)
            return
        del connection.unsent[:sent]
        if not connection.unsent:
            # It may have sent the next one before it had this answer.
            self._ask(number)

    def _fail(self, number: int) -> None:
        """Answer that it was not done, and close: a late answer would be taken for that of the next request."""
        with suppress(OSError):
            self._connections[number].sock.send(_FAILURE)
        self._close(number)

    def _close(self, number: int) -> None:
        self._connections.pop(number).sock.close()
        _say(number, b"")

    def _fail_overdue(self) -> None:
        now = time.monotonic()
        for number, each in list(self._connections.items()):
            if each.asked_at is not None and now >= each.asked_at + PATIENCE:
                self._fail(number)

    def _until_overdue(self) -> float | None:
        asked = [each.asked_at for each in self._connections.values() if each.asked_at is not None]
        return max(0.0, min(asked) + PATIENCE - time.monotonic()) if asked else None


def _say(number: int, body: bytes) -> None:
    data = memoryview(number.to_bytes(4, "big") + len(body).to_bytes(4, "big") + body)
    while data:
        data = data[os.write(1, data) :]


if __name__ == "__main__":
    sys.exit(main())
