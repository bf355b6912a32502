"""What a command costs: its time, and the processor time of all that works for it.

On a machine that others use as well, processor times of turns in one run compare, and times only with priority over the
others: `TMPDIR=/dev/shm chrt -r 1 python -m bench...`, which keeps disks out as well, for half a minute at most.
"""

import ctypes
import json
import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

_BECOME_PARENT = 36
_TICK = os.sysconf("SC_CLK_TCK")


class Cost(NamedTuple):
    """Seconds: on the clock, of the command and what it starts, and of each server with what that starts."""

    taken: float
    own: float
    servers: tuple[float, ...]

    @property
    def processor(self) -> float:
        """All processor time together."""
        return self.own + sum(self.servers)


def compare(title: str, turns: Mapping[str, Callable[[], Cost]], rounds: int, size: float, goal: float) -> None:
    """Let two take turns with something of a size, and print their best rates, and how the first compares.

    The second ratio is the median of the rounds', as is that of processor time.
    """
    costs: dict[str, list[Cost]] = {name: [] for name in turns}
    for _ in range(rounds):
        for name, run in turns.items():
            costs[name].append(run())
    (ours, first), (theirs, second) = costs.items()
    best, others = (size / min(each.taken for each in some) for some in (first, second))
    pairs = list(zip(first, second, strict=True))
    rate = statistics.median(other.taken / one.taken for one, other in pairs)
    work = statistics.median(one.processor / other.processor for one, other in pairs)
    print(f"{title}: {ours} {best:.4g}, {theirs} {others:.4g}")
    ratios = f"{best / others:.2f} of {theirs}, {rate:.2f} by rounds (goal >= {goal:.2f})"
    print(f"    {ratios}, {work:.2f} of its processor time", flush=True)


def cost(command: list[str], env: dict[str, str] | None = None, servers: Sequence[int] = ()) -> Cost:
    """Run a command whose output nobody keeps, by servers with these process ids, which do nothing else meanwhile."""
    before = [(_used(pid), _children(pid)) for pid in servers]
    taken, own = _run(command, env)
    for pid, (_, children) in zip(servers, before, strict=True):
        # What a server has started counts once it has ended: a moment after its client.
        while _children(pid) - children:
            time.sleep(0.01)
    return Cost(taken, own, tuple(_used(pid) - was for pid, (was, _) in zip(servers, before, strict=True)))


def _run(command: list[str], env: dict[str, str] | None) -> tuple[float, float]:
    """Run it in a process to which falls what loses its parent, as ssh does not wait for its proxy."""
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        code = 1
        try:
            ctypes.CDLL(None).prctl(_BECOME_PARENT, 1, 0, 0, 0)
            started = time.perf_counter()
            code = subprocess.run(command, env=env, stdin=-3, stdout=-3, check=False).returncode
            taken = time.perf_counter() - started
            with suppress(ChildProcessError):
                while True:
                    os.wait()
            times = os.times()
            os.write(writing, json.dumps([taken, times.children_user + times.children_system]).encode())
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading, "rb") as said:
        figures = said.read()
    if os.waitpid(pid, 0)[1] or not figures:
        raise RuntimeError(f"fails: {' '.join(command)}")
    taken, own = json.loads(figures)
    return taken, own


def _used(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / _TICK


def _children(pid: int) -> set[str]:
    return set(Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
