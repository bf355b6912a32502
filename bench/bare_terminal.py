"""A terminal with nothing around it: what the kernel, and what two hops of TLS in Python, leave to whoever does more.

`python -m bench.bare_terminal node|client ...` are the ends of the two hops: loops, as is what stands between them,
that pass on what they read. Nothing is framed, addressed, granted, kept or emulated.
"""

import multiprocessing
import os
import pty
import select
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.tls_sockets import Listener, dial

CHUNK = 64 * 1024
LAST_MESSAGE = 5.0
End = int | ssl.SSLSocket


def reading_rate(command: str, megabytes: int) -> float:
    """Return the megabytes a second at which a PTY can be read by somebody who does nothing else."""
    terminal, program = program_on_pty(command)
    os.set_blocking(terminal, False)
    poller = select.epoll()
    poller.register(terminal, select.EPOLLIN)
    started = time.perf_counter()
    while poller.poll() and _read_all(terminal):
        pass
    taken = time.perf_counter() - started
    poller.close()
    os.close(terminal)
    program.wait()
    return megabytes / taken


@contextmanager
def bare_hops(directory: Path, command: str) -> Iterator[list[str]]:
    """A hub, and a node with a program on a PTY; yields the command of the client, which is to be started once."""
    with Listener(directory) as listener:
        access = (str(listener.port), str(listener.ca))
        hub = multiprocessing.get_context("fork").Process(target=_serve, args=(listener,))
        hub.start()
    node = subprocess.Popen(_role("node", *access, command))
    try:
        yield _role("client", *access)
    finally:
        hub.terminate()
        hub.join()
        node.wait(LAST_MESSAGE)


def main(role: str, *words: str) -> None:
    """Be one of the ends, until one side of it has ended."""
    hub = dial(int(words[0]), words[1])
    hub.sendall(role[:1].encode())
    if role == "client":
        _pass_on({0: hub, hub: 1})
    else:
        terminal, _ = program_on_pty(words[2])
        _pass_on({terminal: hub, hub: terminal})


def _serve(listener: Listener) -> None:
    ends = {end.recv(1): end for end in (listener.accept(), listener.accept())}
    client, node = ends[b"c"], ends[b"n"]
    _pass_on({client: node, node: client})


def _role(role: str, *words: str) -> list[str]:
    return [sys.executable, "-m", "bench.bare_terminal", role, *words]


def program_on_pty(command: str) -> tuple[int, subprocess.Popen[bytes]]:
    """Start a shell's command on a PTY; returns the end to read and write, and the process."""
    terminal, its_end = pty.openpty()
    program = subprocess.Popen(
        ["sh", "-c", command], stdin=its_end, stdout=its_end, stderr=its_end, start_new_session=True
    )
    os.close(its_end)
    return terminal, program


def _read_all(terminal: int) -> bool:
    """Read until it would block; returns whether more may come."""
    while True:
        try:
            os.read(terminal, CHUNK)
        except BlockingIOError:
            return True
        except OSError:
            return False


def _pass_on(ways: dict[End, End]) -> None:
    poller = select.epoll()
    ends = {end if isinstance(end, int) else end.fileno(): end for end in ways}
    for fd in ends:
        poller.register(fd, select.EPOLLIN)
    while True:
        for fd, _ in poller.poll():
            source = ends[fd]
            data = os.read(source, CHUNK) if isinstance(source, int) else source.recv(CHUNK)
            if not data:
                return
            target = ways[source]
            if isinstance(target, int):
                os.write(target, data)
            else:
                target.sendall(data)


if __name__ == "__main__":
    main(*sys.argv[1:])
