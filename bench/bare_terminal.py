"""A terminal with nothing around it: what the kernel, and what two hops of TLS in Python, leave to whoever does more.

`python -m bench.bare_terminal hub|node|client ...` are the three ends of the two hops: each is one loop that passes on
what it reads. Nothing is framed, addressed, granted, kept or emulated.
"""

import os
import pty
import select
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

from omnyshell import CertGenerator

CHUNK = 64 * 1024
LAST_MESSAGE = 5.0
End = int | ssl.SSLSocket


def reading_rate(command: str, megabytes: int) -> float:
    """Return the megabytes a second at which a PTY can be read by somebody who does nothing else."""
    terminal, program = _program(command)
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


class BareHops:
    """A hub that waits for a client, and a node with a program on a PTY that follows it. Use it as a context."""

    def __init__(self, directory: Path, command: str) -> None:
        made = CertGenerator().generate(directory / "bare", ["127.0.0.1"])
        self._hub = subprocess.Popen(
            _role("hub", made.hub_pem_path, made.hub_key_path), stdout=subprocess.PIPE, text=True
        )
        assert self._hub.stdout is not None
        self._access = (self._hub.stdout.readline().strip(), str(made.ca_pem_path))
        self._command = command
        self._node: subprocess.Popen[bytes] | None = None
        self._starter = threading.Timer(0.5, self._start_node)

    def __enter__(self) -> list[str]:
        """Return the command of the client, which is to be started at once."""
        self._starter.start()
        return _role("client", *self._access)

    def __exit__(self, *_: object) -> None:
        self._starter.join()
        for process in (self._hub, self._node):
            if process is not None:
                process.terminate()
                process.wait(LAST_MESSAGE)

    def _start_node(self) -> None:
        self._node = subprocess.Popen(_role("node", *self._access, self._command))


def main(role: str, *words: str) -> None:
    """Be one of the three ends, until one side of it has ended."""
    if role == "hub":
        client, node = _accept_two(*words)
        _pass_on({client: node, node: client})
        return
    hub = _dial(int(words[0]), words[1])
    if role == "client":
        _pass_on({0: hub, hub: 1})
    else:
        terminal, _ = _program(words[2])
        _pass_on({terminal: hub, hub: terminal})


def _role(role: str, *words: str) -> list[str]:
    return [sys.executable, "-m", "bench.bare_terminal", role, *words]


def _program(command: str) -> tuple[int, subprocess.Popen[bytes]]:
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


def _accept_two(cert: str, key: str) -> tuple[ssl.SSLSocket, ssl.SSLSocket]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    context.num_tickets = 0
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        first, second = (context.wrap_socket(_at_once(listener.accept()[0]), server_side=True) for _ in range(2))
    return first, second


def _dial(port: int, ca: str) -> ssl.SSLSocket:
    plain = _at_once(socket.create_connection(("127.0.0.1", port)))
    return ssl.create_default_context(cafile=ca).wrap_socket(plain, server_hostname="127.0.0.1")


def _at_once(sock: socket.socket) -> socket.socket:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


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
