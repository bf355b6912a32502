"""Runs a program in a terminal of its own, and tells a listener all that it writes and each size that it gets.

`python teed.py SOCKET COMMAND ...`; standard library alone. Frames: a letter, a length of four bytes, the payload. `D`
is output, `R` a size as `COLUMNS ROWS`, in the order in which they happened.
"""

import fcntl
import os
import pty
import selectors
import signal
import socket
import struct
import sys
import termios
import tty
from collections.abc import Callable

_CHUNK = 65536


def _size() -> bytes:
    return fcntl.ioctl(0, termios.TIOCGWINSZ, bytes(8))


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def _resizer(listener: socket.socket, program: int) -> Callable[[], None]:
    def resize() -> None:
        size = _size()
        rows, columns = struct.unpack("HHHH", size)[:2]
        _tell(listener, b"R", b"%d %d" % (columns, rows))
        fcntl.ioctl(program, termios.TIOCSWINSZ, size)

    return resize


def _tell(listener: socket.socket, kind: bytes, payload: bytes) -> None:
    listener.sendall(kind + len(payload).to_bytes(4, "big") + payload)


def _copy(program: int, listener: socket.socket, resized: int, resize: Callable[[], None]) -> None:
    selector = selectors.DefaultSelector()
    for fd in (0, program, resized):
        selector.register(fd, selectors.EVENT_READ)
    while True:
        ready = {key.fd for key, _ in selector.select()}
        if resized in ready:
            os.read(resized, _CHUNK)
            resize()
        if program in ready:
            try:
                data = os.read(program, _CHUNK)
            except OSError:
                return
            _tell(listener, b"D", data)
            _write_all(1, data)
        if 0 in ready:
            typed = os.read(0, _CHUNK)
            if not typed:
                return
            _write_all(program, typed)


def main() -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.connect(sys.argv[1])
    size = _size()
    pid, program = pty.fork()
    if pid == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, size)
        os.execvp(sys.argv[2], sys.argv[2:])
    tty.setraw(0)
    resized, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGWINCH, lambda *_: None)
    resize = _resizer(listener, program)
    resize()
    _copy(program, listener, resized, resize)
    os.waitpid(pid, 0)


if __name__ == "__main__":
    main()
