"""Forwards beside `ssh -L -J` and asyncssh: `python -m bench.forwards`. Needs `sshd`, `ssh` and the extra `bench`.

All three lead from a port of this machine over two hops to the same target; see `bench.tunnels`.
"""

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.compare_ssh import best, report
from bench.peers import Hub, OpenSsh, hub_with_node, open_ssh
from bench.tunnels import ECHO, connections_a_second, download, echo_ms, target_process, upload, wait_for

OUR_PORT, SSH_PORT, ASYNCSSH_PORT, SOCKS_PORT = 22130, 22131, 22132, 22133
AT_ONCE = 500


def main() -> None:
    """Measure throughput each way, a connection with an echo, connections a second, and memory for many at once."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        directory = Path(scratch)
        directory.chmod(0o755)
        target = stack.enter_context(target_process())
        ssh = stack.enter_context(open_ssh(directory))
        hub = stack.enter_context(hub_with_node(directory))
        client = stack.enter_context(ours(hub, target))
        ports = {
            "omnyshell": OUR_PORT,
            "ssh -L -J": stack.enter_context(of_ssh(ssh, target)),
            "asyncssh": stack.enter_context(of_asyncssh(directory, ssh, target)),
        }
        print(f"{os.cpu_count()} cores")
        for title, run in (("into the target", upload), ("out of the target", download)):
            contest = {name: lambda run=run, port=port: run(port, options.megabytes) for name, port in ports.items()}
            figures = best(contest, options.rounds, max)
            report(f"one connection {title}, MB/s", figures, "omnyshell", {"ssh -L -J": ">= 1.5", "asyncssh": "-"})
        contest = {name: lambda port=port: echo_ms(port, 0.001) for name, port in ports.items()}
        goals = {"ssh -L -J": "<= 2.0", "asyncssh": "<= 1.0"}
        report("connect and echo a byte, median, ms", best(contest, options.rounds), "omnyshell", goals)
        contest = {name: lambda port=port: asyncio.run(connections_a_second(port)) for name, port in ports.items()}
        report("connections a second, 32 at once", best(contest, options.rounds, max), "omnyshell", {"ssh -L -J": "-"})
        pids = {"client": client, "hub": hub.pid, "node": hub.node_pid}
        for way, port, hello in (("the forward", OUR_PORT, b""), ("SOCKS", SOCKS_PORT, socks_request(target))):
            asyncio.run(many_at_once(way, port, hello, pids))


def socks_request(target: int) -> bytes:
    """What a client of SOCKS says to be led to the target."""
    return b"\x05\x01\x00\x05\x01\x00\x01\x7f\x00\x00\x01" + target.to_bytes(2, "big")


async def many_at_once(way: str, port: int, hello: bytes, pids: dict[str, int]) -> None:
    """Print how many of `AT_ONCE` connections fail, and what each process takes while all of them are open."""
    before = {name: resident(pid) for name, pid in pids.items()}
    opened = await asyncio.gather(*(open_one(port, hello) for _ in range(AT_ONCE)), return_exceptions=True)
    during = {name: resident(pid) for name, pid in pids.items()}
    failed = sum(isinstance(each, BaseException) for each in opened)
    taken = ", ".join(f"{name} {before[name]:.1f} to {during[name]:.1f}" for name in pids)
    print(f"{AT_ONCE} connections at once through {way}: {failed} failed; resident MiB: {taken}")
    for each in opened:
        if isinstance(each, asyncio.StreamWriter):
            each.close()


async def open_one(port: int, hello: bytes) -> asyncio.StreamWriter:
    """Return a connection through which a byte has come back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(hello + ECHO + b"x")
    if hello:
        await reader.readexactly(len(b"\x05\x00") + 10)
    assert await reader.readexactly(1) == b"x"
    return writer


def resident(pid: int) -> float:
    """Return the memory of a process, in MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")) / 1024


@contextmanager
def ours(hub: Hub, target: int) -> Iterator[int]:
    """Yield the client's process id."""
    command = hub.omnyshell("forward", "n1", f"{OUR_PORT}:127.0.0.1:{target}", "--socks", str(SOCKS_PORT))
    with running(command, hub.env) as pid:
        wait_for(SOCKS_PORT)
        yield pid


@contextmanager
def of_ssh(ssh: OpenSsh, target: int) -> Iterator[int]:
    # Options stand before the host in ssh's own order.
    *before, host = ssh.jump()
    command = [*before, "-N", "-L", f"{SSH_PORT}:127.0.0.1:{target}", host]
    with running(command, dict(os.environ)):
        wait_for(SSH_PORT)
        yield SSH_PORT


@contextmanager
def of_asyncssh(directory: Path, ssh: OpenSsh, target: int) -> Iterator[int]:
    """A client of asyncssh, over two hops of sshd."""
    words = (str(ssh.config), str(directory / "user"), str(ASYNCSSH_PORT), str(target))
    with running([sys.executable, "-m", "bench.asyncssh_forward", *words], dict(os.environ)):
        wait_for(ASYNCSSH_PORT)
        yield ASYNCSSH_PORT


@contextmanager
def running(command: list[str], env: dict[str, str]) -> Iterator[int]:
    with subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL) as process:
        try:
            yield process.pid
        finally:
            process.terminate()


if __name__ == "__main__":
    main()
