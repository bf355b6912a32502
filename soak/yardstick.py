"""A process beside hubs that does nothing but short steps: how late its loop is, is what the machine makes of any.

`python -m soak.yardstick FILE SHARE` takes that share of a core in steps of a millisecond or two, and writes to FILE
what `soak.watched_loop` sees in it, as a watched hub does; with a share of 0 it is the timer alone.
"""

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvloop

from soak.watched_loop import WatchedLoop

SHORTEST, LONGEST = 0.001, 0.002
"""Processor seconds of a step."""


class Yardstick:
    """One that runs."""

    def __init__(self, file: Path, share: float, ahead: list[str]) -> None:
        """`ahead` is the command that has hubs go ahead of others, if any does."""
        self._file = file
        command = [*ahead, sys.executable, "-m", "soak.yardstick", str(file), str(share)]
        self._process = subprocess.Popen(command)

    def begin_anew(self) -> None:
        """Forget what was seen."""
        os.kill(self._process.pid, signal.SIGUSR1)

    def late(self) -> float:
        """Return how late its loop was at p99, in seconds, as it was a second ago at most."""
        return float(json.loads(self._file.read_text())["lags"]["p99"])

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()


@contextmanager
def yardsticks(directory: Path, shares: list[float], ahead: list[str]) -> Iterator[list[Yardstick]]:
    """Some with these shares, which run until the end of the block."""
    made = [Yardstick(directory / f"yardstick-{place}.json", share, ahead) for place, share in enumerate(shares)]
    try:
        yield made
    finally:
        for each in made:
            each.stop()


async def run(file: Path, share: float) -> None:
    """Take steps for ever."""
    WatchedLoop(file, takes_stacks=False).begin()
    while True:
        step = random.uniform(SHORTEST, LONGEST)
        began = time.thread_time()
        while share and time.thread_time() - began < step:
            pass
        await asyncio.sleep(step * (1 - share) / share if share else 1.0)


if __name__ == "__main__":
    uvloop.run(run(Path(sys.argv[1]), float(sys.argv[2])))
