"""What it costs to start a program as another user: `python -m bench.other_users [ROUNDS]`, as root.

One keeper starts programs as its own user, another one as somebody else, in random order and 5 ms apart. With
`TMPDIR=/dev/shm chrt -r 1` before it figures are steady on a machine that others use.
"""

import os
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

import soak  # noqa: F401 - has what tests share be found
from omnyshell.keeper import wire

from support.keepers import PATH, KeeperProcess, RawNode  # isort: skip
from support.people import Machine  # isort: skip

BETWEEN = 0.005
WARM = 5
"""Starts that do not count: the first one as somebody else finds no child that waits."""


def start(node: RawNode, name: bytes, whose: bytes) -> float:
    """Return for how many milliseconds somebody waits for a program that ends at once."""
    time.sleep(BETWEEN)
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


def measure(place: Path, rounds: int) -> list[tuple[float, float]]:
    """Return of each round the times as the keeper's own user, and as another one."""
    place.chmod(0o755)
    machine, file = Machine(place / "machine"), place / "node.toml"
    file.write_text('pam = false\n[users]\nann = "ann"\n', encoding="utf-8")
    own = KeeperProcess(place / "own", machine=machine)
    keepers = [own, KeeperProcess(place / "users", users_file=file, machine=machine)]
    found = []
    try:
        starts = list(zip([keeper.node() for keeper in keepers], (b"", b"ann\n\n\n"), strict=True))
        for number in range(WARM + rounds):
            times = {whose: start(node, b"s%d" % number, whose) for node, whose in random.sample(starts, 2)}
            found.append((times[b""], times[starts[1][1]]))
    finally:
        for keeper in keepers:
            keeper.end()
    return found[WARM:]


def main(rounds: int) -> None:
    with tempfile.TemporaryDirectory() as place:
        times = measure(Path(place), rounds)
    own, other = (statistics.median(each) for each in zip(*times, strict=True))
    more = statistics.median(b - a for a, b in times)
    print(f"as the keeper's own user {own:.2f} ms, as another one {other:.2f} ms; {more:.2f} ms more, of pairs")
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 150)
