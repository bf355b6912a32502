"""Two hops of blocking TLS sockets: what Python's `ssl` alone makes of the way from a node through a hub to a client.

Nothing is parsed, addressed or granted: a relay that does more cannot be faster by much.
"""

import multiprocessing
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from bench.tls_sockets import Listener, dial

CHUNK = 64 * 1024


class Throughput(NamedTuple):
    """Megabytes a second from a sending process through a relaying one to a receiving one."""

    rate: float
    relay_seconds: float
    """Processor time of the relaying process."""


def throughput(directory: Path, megabytes: int) -> Throughput:
    """Send so much, and measure."""
    size = megabytes * 1_000_000
    context = multiprocessing.get_context("fork")
    with Listener(directory) as listener:

        def connect() -> ssl.SSLSocket:
            return dial(listener.port, listener.ca)

        used = context.SimpleQueue()
        roles: tuple[Callable[[], None], ...] = (
            lambda: used.put(_relay(listener.accept, size)),
            lambda: _send(connect, size),
        )
        processes = [context.Process(target=role) for role in roles]
        processes[0].start()
        client = connect()
        processes[1].start()
        started = _receive(client, size)
        taken = time.perf_counter() - started
        for process in processes:
            process.join()
        relay_seconds = used.get()
    return Throughput(megabytes / taken, relay_seconds)


def _relay(accept: Callable[[], ssl.SSLSocket], size: int) -> float:
    client, node = accept(), accept()
    before = time.process_time()
    buffer = memoryview(bytearray(4 * CHUNK))
    while size > 0:
        count = node.recv_into(buffer)
        client.sendall(buffer[:count])
        size -= count
    used = time.process_time() - before
    client.recv(1)
    return used


def _send(dial: Callable[[], ssl.SSLSocket], size: int) -> None:
    node, data = dial(), memoryview(bytes(CHUNK))
    while size > 0:
        node.sendall(data[:size])
        size -= CHUNK
    node.recv(1)


def _receive(client: ssl.SSLSocket, size: int) -> float:
    """Take everything; returns when the first bytes came, on the clock of `time.perf_counter`."""
    buffer = memoryview(bytearray(4 * CHUNK))
    size -= client.recv_into(buffer)
    started = time.perf_counter()
    while size > 0:
        size -= client.recv_into(buffer)
    client.sendall(b".")
    client.close()
    return started
