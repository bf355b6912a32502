"""A way to a port on loopback that takes its time: what goes through arrives late, in order, and as fast as before."""

import multiprocessing
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue

CHUNK = 1 << 18


@contextmanager
def delayed(port: int, round_trip: float) -> Iterator[int]:
    """Yield a port that leads to another one, with so many seconds of round trip."""
    listener = socket.create_server(("127.0.0.1", 0))
    process = multiprocessing.get_context("fork").Process(
        target=_serve, args=(listener, port, round_trip / 2), daemon=True
    )
    process.start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        process.terminate()
        process.join()
        listener.close()


def _serve(listener: socket.socket, port: int, delay: float) -> None:
    while True:
        near, _ = listener.accept()
        far = socket.create_connection(("127.0.0.1", port))
        for one, other in ((near, far), (far, near)):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            waiting: SimpleQueue[tuple[float, bytes]] = SimpleQueue()
            threading.Thread(target=_read, args=(one, waiting, delay), daemon=True).start()
            threading.Thread(target=_write, args=(other, waiting), daemon=True).start()


def _read(one: socket.socket, waiting: "SimpleQueue[tuple[float, bytes]]", delay: float) -> None:
    data = b" "
    while data:
        try:
            data = one.recv(CHUNK)
        except OSError:
            data = b""
        waiting.put((time.monotonic() + delay, data))


def _write(other: socket.socket, waiting: "SimpleQueue[tuple[float, bytes]]") -> None:
    while True:
        due, data = waiting.get()
        time.sleep(max(0.0, due - time.monotonic()))
        try:
            if not data:
                other.shutdown(socket.SHUT_WR)
                return
            other.sendall(data)
        except OSError:
            return
