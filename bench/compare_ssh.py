"""OmnyShell beside OpenSSH: `make bench`. Needs `sshd` and `ssh` (Debian: openssh-server).

Each figure is the best of some rounds in which the peers take turns, so that a busy moment of the machine hits all of
them. Ratios are what counts.
"""

import argparse
import asyncio
import os
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

from bench.bare_links import bare_links
from bench.bare_terminal import bare_hops, reading_rate
from bench.blocking_relay import throughput
from bench.idle_peers import idle_peers, processor_seconds
from bench.peers import Hub, OpenSsh, hub_with_node, open_ssh
from bench.relay_alone import relay_rate
from omnyshell import ClientConfig, HubAccess, HubAddress, OmnyShellClient, PrincipalId, TokenCredentialProvider

ROUNDS = 3
Contest = dict[str, Callable[[], float]]


def best(contest: Contest, rounds: int = ROUNDS, pick: Callable[..., float] = min) -> dict[str, float]:
    """Let the contestants take turns, and return the best figure of each."""
    figures: dict[str, list[float]] = {name: [] for name in contest}
    for _ in range(rounds):
        for name, run in contest.items():
            figures[name].append(run())
    return {name: pick(values) for name, values in figures.items()}


def seconds(command: list[str], env: dict[str, str] | None = None) -> float:
    """Run a command whose output nobody keeps."""
    started = time.perf_counter()
    subprocess.run(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


def output(ssh: OpenSsh, hub: Hub, megabytes: int, directory: Path) -> None:
    """Throughput of a command's output, and beside it what two hops of TLS leave of the machine at all."""
    flood = f"head -c {megabytes}000000 /dev/zero"
    figures = best(
        {
            "omnyshell exec": lambda: seconds(hub.omnyshell("exec", "n1", flood), hub.env),
            "ssh -J": lambda: seconds(ssh.jump(flood)),
            "ssh": lambda: seconds(ssh.direct(flood)),
        }
    )
    rates = {name: megabytes / taken for name, taken in figures.items()}
    blocking = "two hops of blocking TLS sockets"
    rates[blocking] = max(throughput(directory, megabytes).rate for _ in range(ROUNDS))
    goals = {"ssh -J": ">= 1.6", "ssh": ">= 1.0", blocking: ">= 0.75"}
    report("output of a command, MB/s", rates, "omnyshell exec", goals)


def relay(hub: Hub, megabytes: int, directory: Path) -> None:
    """The hub's relay alone, between raw peers, beside the same hops without a protocol; and its processor time."""
    ours, theirs = "omnyshell hub", "blocking TLS sockets"
    rounds = []
    for _ in range(ROUNDS):
        before = processor_seconds(hub.pid)
        rate = relay_rate(hub, megabytes)
        rounds.append((rate, processor_seconds(hub.pid) - before, *throughput(directory, megabytes)))
    our_rates, our_seconds, rates, seconds = zip(*rounds, strict=True)
    title = "two hops between raw peers, MB/s"
    report(title, {ours: max(our_rates), theirs: max(rates)}, ours, {theirs: ">= 0.75, with a faster transport 0.9"})
    title = "processor time of the process between them, s a GB"
    costs = {ours: min(our_seconds) * 1000 / megabytes, theirs: min(seconds) * 1000 / megabytes}
    report(title, costs, ours, {theirs: "<= 1.5, with a faster transport 1.2"})


def pty_output(ssh: OpenSsh, hub: Hub, megabytes: int) -> None:
    """Throughput of a program's output through a PTY, and beside it that of a PTY that is only read."""
    flood = f"yes 0123456789012345678901234567890123456789012345678901234567890 | head -c {megabytes}000000"
    figures = best(
        {
            "omnyshell connect": lambda: seconds(hub.omnyshell("connect", "n1", "--", flood), hub.env),
            "ssh -tt": lambda: seconds(ssh.direct("-tt", flood)),
        }
    )
    rates = {name: megabytes / taken for name, taken in figures.items()}
    bare = "a PTY that is only read"
    rates[bare] = max(reading_rate(flood, megabytes) for _ in range(ROUNDS))
    report("output of a PTY, MB/s", rates, "omnyshell connect", {"ssh -tt": ">= 1.3", bare: "-"})


def cold(ssh: OpenSsh, hub: Hub) -> None:
    """A command from nothing to its end."""
    figures = best(
        {
            "omnyshell exec": lambda: seconds(hub.omnyshell("exec", "n1", "true"), hub.env) * 1000,
            "ssh": lambda: seconds(ssh.direct("true")) * 1000,
        },
        rounds=10,
    )
    report("a cold command, ms", figures, "omnyshell exec", {"ssh": "<= 0.65"})


def warm(ssh: OpenSsh, hub: Hub) -> None:
    """A command on an open connection."""

    async def run() -> float:
        async with OmnyShellClient(ClientConfig(access=access(hub))) as client:
            taken = []
            for _ in range(50):
                started = time.perf_counter()
                await client.execute("n1", "true")
                taken.append(time.perf_counter() - started)
        return statistics.median(taken) * 1000

    def over_master() -> float:
        return statistics.median(seconds(ssh.shared("true")) for _ in range(20)) * 1000

    figures = best({"execute": lambda: asyncio.run(run()), "ssh over a ControlMaster": over_master})
    report("a command on an open connection, ms", figures, "execute", {"ssh over a ControlMaster": "<= 0.35"})


def echo(ssh: OpenSsh, hub: Hub, directory: Path) -> None:
    """A keystroke's way through a PTY and back; beside it two hops of TLS, and of links, that do nothing else."""

    def over_bare_hops() -> float:
        with bare_hops(directory, ECHO) as client:
            return echo_ms(client)

    def over_bare_links() -> float:
        with bare_links(directory, ECHO) as client:
            return echo_ms(client)

    bare, links = "two bare hops", "two bare links"
    figures = best(
        {
            "omnyshell connect": lambda: echo_ms(hub.omnyshell("connect", "n1", "--", ECHO), hub.env),
            "ssh -J": lambda: echo_ms(ssh.jump("-tt", ECHO)),
            bare: over_bare_hops,
            links: over_bare_links,
        }
    )
    report("keystroke echo p50, ms", figures, "omnyshell connect", {"ssh -J": "<= 1.5", bare: "-", links: "-"})


def echo_under_flood(ssh: OpenSsh, hub: Hub) -> None:
    """The same while another session of the same node, or of the same connection, floods."""

    def ours() -> float:
        with flooding(hub.omnyshell("exec", "n1", "yes"), hub.env):
            return echo_ms(hub.omnyshell("connect", "n1", "--", ECHO), hub.env)

    def theirs() -> float:
        with flooding(ssh.shared("yes")):
            return echo_ms(ssh.shared("-tt", ECHO))

    figures = best({"omnyshell connect": ours, "ssh over a ControlMaster": theirs})
    title = "keystroke echo p50 beside a flood, ms"
    report(title, figures, "omnyshell connect", {"ssh over a ControlMaster": "<= 3"})


ECHO = "stty raw -echo; echo ready; exec cat"


def echo_ms(command: list[str], env: dict[str, str] | None = None, keys: int = 200) -> float:
    """The median time from writing a key to reading it back."""
    with subprocess.Popen(
        command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
    ) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        while b"ready" not in program.stdout.read(4096):
            pass
        time.sleep(0.3)
        taken = []
        for _ in range(keys):
            started = time.perf_counter()
            program.stdin.write(b"x")
            program.stdout.read(1)
            taken.append(time.perf_counter() - started)
            time.sleep(0.002)
        program.kill()
    return statistics.median(taken) * 1000


@contextmanager
def flooding(command: list[str], env: dict[str, str] | None = None):
    """Another session that prints as fast as it can, to nowhere."""
    program = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    time.sleep(0.7)
    try:
        yield
    finally:
        program.kill()
        program.wait()


def access(hub: Hub) -> HubAccess:
    """How the admin reaches the hub."""
    credentials = TokenCredentialProvider(PrincipalId("admin"), "admin-token")
    return HubAccess(address=HubAddress("127.0.0.1", hub.port), credentials=credentials, ca=hub.ca)


def report(title: str, figures: dict[str, float], ours: str, goals: dict[str, str]) -> None:
    """Print the figures, and the ratio to each peer beside its goal."""
    print(f"{title}: " + ", ".join(f"{name} {value:.3g}" for name, value in figures.items()))
    for peer, goal in goals.items():
        print(f"    {figures[ours] / figures[peer]:.2f} of {peer} (goal {goal})", flush=True)


def main() -> None:
    """Run what was asked for, or everything."""
    names = ("output", "relay", "pty_output", "cold", "warm", "echo", "echo_under_flood", "idle")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("only", nargs="*", choices=[*names, []], help="figures to measure; all if none is given")
    parser.add_argument("--megabytes", type=int, default=1000)
    options = parser.parse_args()
    chosen = options.only or names
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        directory.chmod(0o755)
        with open_ssh(directory) as ssh, hub_with_node(directory) as hub:
            runs = {
                "output": lambda: output(ssh, hub, options.megabytes, directory),
                "relay": lambda: relay(hub, options.megabytes, directory),
                "pty_output": lambda: pty_output(ssh, hub, options.megabytes // 5),
                "cold": lambda: cold(ssh, hub),
                "warm": lambda: warm(ssh, hub),
                "echo": lambda: echo(ssh, hub, directory),
                "echo_under_flood": lambda: echo_under_flood(ssh, hub),
                "idle": lambda: idle_peers(hub, access(hub)),
            }
            print(f"{os.cpu_count()} cores")
            for name in chosen:
                runs[name]()


if __name__ == "__main__":
    main()
