"""What it costs to run a command as another user: `python -m bench.other_users [ROUNDS]`, as root.

Whole commands go through a hub and two nodes, of which one runs them as its own user, and starts alone to two keepers,
which are told first that a start will come, as nodes do; in random order, 5 ms apart. With `TMPDIR=/dev/shm chrt -r 1`
before it figures are steady on a machine that others use.
"""

import asyncio
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from omnyshell import OmnyShellClient
from omnyshell.keeper import wire
from omnyshell.services.node.keeper.place import own_directory
from soak.machines import NodeProcess, workplace

from support.commands import start_installed  # isort: skip
from support.hub_process import HubProcess  # isort: skip
from support.keepers import PATH, KeeperProcess, RawNode  # isort: skip
from support.people import Machine  # isort: skip
from support.stack import connected_client  # isort: skip

OWN, OTHER = "own", "other"
BETWEEN = 0.005
PREPARING = 0.0004
"""Seconds that a node takes to prepare a start, after it has said that it will come."""

WARM = 5
"""What does not count: the first one as somebody else finds no child that waits."""

Round = Mapping[str, float]


def users_file(place: Path, principal: str) -> Path:
    """The file of a node whose keeper has that principal become ann."""
    file = place / "node.toml"
    file.write_text(f'pam = false\n[users]\n{principal} = "ann"\n', encoding="utf-8")
    return file


def start(node: RawNode, name: bytes, whose: bytes) -> float:
    """Return for how many milliseconds somebody waits for a program that ends at once."""
    time.sleep(BETWEEN)
    node.channel.sendall(wire.pack(wire.SOON, wire.UNANSWERED, whose))
    time.sleep(PREPARING)
    began = time.perf_counter()
    answer = node.ask(*node.start_request(name, b"/bin/true", env=(PATH,), whose=whose))
    took = 1000 * (time.perf_counter() - began)
    if answer[0] != wire.OK:
        raise SystemExit(f"it does not start: {answer}")
    node.exit_of(name)
    while node.descriptors:
        os.close(node.descriptors.pop())
    node.ask(wire.FORGET, name)
    return took


def starts(place: Path, rounds: int) -> list[Round]:
    """Return of each round the times of a start as the keeper's own user, and as another one."""
    place.chmod(0o755)
    machine = Machine(place / "machine")
    own = KeeperProcess(place / "own", machine=machine)
    other = KeeperProcess(place / "users", users_file=users_file(place, "ann"), machine=machine)
    nodes = {OWN: (own.node(), b""), OTHER: (other.node(), b"ann\n\n\n")}
    try:
        return [
            {whose: start(node, b"s%d" % number, asker) for whose, (node, asker) in random.sample([*nodes.items()], 2)}
            for number in range(WARM + rounds)
        ]
    finally:
        own.end()
        other.end()


async def command(client: OmnyShellClient, node: str) -> float:
    """Return for how many milliseconds somebody waits for a command that ends at once."""
    await asyncio.sleep(BETWEEN)
    began = time.perf_counter()
    await client.execute(node, args=["/bin/true"])
    return 1000 * (time.perf_counter() - began)


async def commands(rounds: int) -> list[Round]:
    """Return of each round the times of a command as the node's own user, and as another one."""
    with workplace() as (place, certificates):
        place.chmod(0o755)
        file, state = users_file(place, "admin"), place / OTHER
        state.mkdir(mode=0o700)
        keeper = KeeperProcess(own_directory(state), users_file=file, machine=Machine(place / "machine"))
        hub = HubProcess(certificates, place / "hub")
        hub.starter = start_installed
        await hub.start()
        own = NodeProcess(certificates, hub.port, place / OWN, OWN, "--keeper=true")
        other = NodeProcess(certificates, hub.port, state, OTHER, "--config", str(file))
        try:
            own.start()
            other.start()
            async with connected_client(certificates, hub.port) as client:
                while len(await client.list_nodes()) < 2:
                    await asyncio.sleep(0.05)
                return [
                    {node: await command(client, node) for node in random.sample((OWN, OTHER), 2)}
                    for _ in range(WARM + rounds)
                ]
        finally:
            own.stop()
            other.leave()
            keeper.end()
            hub.kill()


def report(what: str, rounds: Sequence[Round]) -> None:
    counted = rounds[WARM:]
    own, other = (statistics.median(each[whose] for each in counted) for whose in (OWN, OTHER))
    low, more, high = statistics.quantiles((each[OTHER] - each[OWN] for each in counted), n=4)
    print(
        f"{what} as the own user {own:.2f} ms, as another one {other:.2f} ms; "
        f"of pairs {more:.2f} ms more, quartiles {low:.2f} and {high:.2f}"
    )


def main(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as place:
        report("a start", starts(Path(place), rounds))
    report("a command", asyncio.run(commands(rounds)))
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 150)
