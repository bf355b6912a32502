"""Tunnels beside `ssh -R` and asyncssh: `python -m bench.tunnels`. Needs `sshd`, `ssh` and the extra `bench`.

All three lead from a public port on loopback to the same target. Each figure is the best of some rounds in which the
peers take turns, so that a busy moment of the machine hits all of them. Ratios are what counts.
"""

import argparse
import asyncio
import multiprocessing
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.compare_ssh import best, report
from bench.peers import Hub, OpenSsh, hub_with_node, open_ssh

CHUNK = 256 * 1024
START_TIMEOUT = 10.0
OUR_PORTS, SSH_PORT, ASYNCSSH_PORT, ASYNCSSH_SERVER = "22100-22110", 22120, 22121, 22122

SINK, SOURCE, ECHO = b"s", b"g", b"e"
"""First byte of a connection to the target: it reads to the end and says `k`, it sends a given size, it echoes."""


def main() -> None:
    """Run what was asked for, or everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("only", nargs="*", choices=["in", "out", "echo", "rate", []])
    parser.add_argument("--megabytes", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    chosen = options.only or ("in", "out", "echo", "rate")
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        directory = Path(scratch)
        directory.chmod(0o755)
        target = stack.enter_context(target_process())
        ssh = stack.enter_context(open_ssh(directory))
        hub = stack.enter_context(hub_with_node(directory, "--tunnel-port-range", OUR_PORTS))
        ports = {
            "omnyshell": omnyshell_tunnel(hub, target),
            "ssh -R": stack.enter_context(ssh_tunnel(ssh, target)),
            "asyncssh": stack.enter_context(asyncssh_tunnel(directory, target)),
        }
        print(f"{os.cpu_count()} cores")
        runs = {
            "in": lambda: throughput("into the target", upload, ports, options),
            "out": lambda: throughput("out of the target", download, ports, options),
            "echo": lambda: echo(ports, options),
            "rate": lambda: rate(ports, options),
        }
        for name in chosen:
            runs[name]()


def throughput(title: str, run, ports: dict[str, int], options: argparse.Namespace) -> None:
    """Megabytes a second through one connection."""
    contest = {name: lambda port=port: run(port, options.megabytes) for name, port in ports.items()}
    figures = best(contest, options.rounds, max)
    report(f"one connection {title}, MB/s", figures, "omnyshell", {"ssh -R": ">= 0.8, aim 0.9", "asyncssh": "-"})


def echo(ports: dict[str, int], options: argparse.Namespace) -> None:
    """Connecting, and the echo of one byte: at once, and after pauses.

    `ssh -R` waits for the acknowledgement of the connection before, which its peer delays for 40 ms: the shorter the
    pause, the longer it stalls, but for none at all. The goal supposes the whole stall.
    """
    goals = {"ssh -R": "<= 0.05 where it stalls for 40 ms", "asyncssh": "<= 1.0"}
    for pause in (0.0, 0.001, 0.02):
        contest = {name: lambda port=port, pause=pause: echo_ms(port, pause) for name, port in ports.items()}
        title = f"connect and echo a byte, {pause * 1000:.0f} ms between, median, ms"
        report(title, best(contest, options.rounds), "omnyshell", goals)


def rate(ports: dict[str, int], options: argparse.Namespace) -> None:
    """Connections a second, each with one byte there and back, 32 at a time."""
    contest = {name: lambda port=port: asyncio.run(connections_a_second(port)) for name, port in ports.items()}
    figures = best(contest, options.rounds, max)
    report("connections a second, 32 at once", figures, "omnyshell", {"ssh -R": "-", "asyncssh": "-"})


def upload(port: int, megabytes: int) -> float:
    chunk = bytes(CHUNK)
    total = megabytes * 1_000_000
    with connected(port) as sock:
        started = time.perf_counter()
        sock.sendall(SINK)
        sent = 0
        while sent < total:
            sock.sendall(chunk)
            sent += CHUNK
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(1) == b"k"
        return sent / 1e6 / (time.perf_counter() - started)


def download(port: int, megabytes: int) -> float:
    buffer = bytearray(CHUNK)
    total = megabytes * 1_000_000
    with connected(port) as sock:
        started = time.perf_counter()
        sock.sendall(SOURCE + total.to_bytes(8, "big"))
        got = 0
        while got < total:
            size = sock.recv_into(buffer)
            assert size
            got += size
        return got / 1e6 / (time.perf_counter() - started)


def echo_ms(port: int, pause: float, rounds: int = 50) -> float:
    taken = []
    for _ in range(rounds):
        started = time.perf_counter()
        with connected(port) as sock:
            sock.sendall(ECHO + b"x")
            assert sock.recv(1) == b"x"
            taken.append(time.perf_counter() - started)
        time.sleep(pause)
    return statistics.median(taken) * 1000


async def connections_a_second(port: int, count: int = 1500, at_once: int = 32) -> float:
    remaining = count

    async def connect() -> None:
        nonlocal remaining
        while remaining > 0:
            remaining -= 1
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(ECHO + b"x")
            assert await reader.readexactly(1) == b"x"
            writer.close()
            await writer.wait_closed()

    started = time.perf_counter()
    await asyncio.gather(*(connect() for _ in range(at_once)))
    return count / (time.perf_counter() - started)


@contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=120) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield sock


@contextmanager
def target_process() -> Iterator[int]:
    """What all tunnels lead to, in a process of its own."""
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        port = int(listener.getsockname()[1])
        process = multiprocessing.get_context("fork").Process(target=serve_target, args=(listener,), daemon=True)
        process.start()
    try:
        yield port
    finally:
        process.terminate()
        process.join()


def serve_target(listener: socket.socket) -> None:
    import uvloop

    async def serve() -> None:
        server = await asyncio.start_server(serve_one, sock=listener, limit=1 << 20)
        await server.serve_forever()

    uvloop.run(serve())


async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        kind = await reader.readexactly(1)
        if kind == SINK:
            while await reader.read(1 << 20):
                pass
            writer.write(b"k")
        elif kind == SOURCE:
            left = int.from_bytes(await reader.readexactly(8), "big")
            chunk = bytes(CHUNK)
            while left > 0:
                writer.write(chunk[:left])
                await writer.drain()
                left -= CHUNK
        else:
            while data := await reader.read(1 << 16):
                writer.write(data)
        await writer.drain()
    except (OSError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


def omnyshell_tunnel(hub: Hub, target: int) -> int:
    command = hub.omnyshell("tunnel", "open", "n1", str(target))
    said = subprocess.run(command, env=hub.env, check=True, capture_output=True, text=True).stdout
    return int(said.split()[0].rpartition(":")[2])


@contextmanager
def ssh_tunnel(ssh: OpenSsh, target: int) -> Iterator[int]:
    command = ssh.direct("-N", "-R", f"127.0.0.1:{SSH_PORT}:127.0.0.1:{target}")
    # Options stand before the host in ssh's own order.
    command = [*command[:3], *command[4:], command[3]]
    with subprocess.Popen(command) as process:
        wait_for(SSH_PORT)
        try:
            yield SSH_PORT
        finally:
            process.terminate()


@contextmanager
def asyncssh_tunnel(directory: Path, target: int) -> Iterator[int]:
    """asyncssh at both ends, as two processes."""
    words = (str(directory / "host"), str(directory / "user"), str(target))
    processes = [
        subprocess.Popen([sys.executable, "-m", "bench.asyncssh_peer", role, *words]) for role in ("server", "client")
    ]
    try:
        wait_for(ASYNCSSH_PORT)
        yield ASYNCSSH_PORT
    finally:
        for process in processes:
            process.terminate()
            process.wait()


def wait_for(port: int) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


if __name__ == "__main__":
    main()
