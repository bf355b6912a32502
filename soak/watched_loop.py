"""Runs `omnyshell` in this process and watches its event loop: how late it is, and what its long steps consist of.

`python -m soak.watched_loop [--times-only] FILE hub start ...` writes what it has seen to FILE each second, as JSON,
and begins anew at SIGUSR1. A step is what a timer of 2 ms has to wait for. Its processor time is that of the loop's
thread, in which other processes that want the machine's cores have no part, as they have in how late it is.
With `--times-only` no stacks are taken.
"""

import asyncio
import gc
import json
import signal
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

from omnyshell.cli import main as program
from omnyshell.cli.ground import service

TIMES_ONLY = "--times-only"

TICK = 0.002
LONG = 0.03
"""Processor seconds from which a step is looked at."""

LATE = 0.1
"""Seconds of being late from which it is looked at as well: the loop may have waited for something."""

SAMPLE = 0.004
DEPTH = 10
MOST_LISTED = 40


class Spread:
    """How long something took, each time: counted by tenths of a millisecond, so that much is as cheap as little."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()

    def add(self, seconds: float) -> None:
        self._counts[max(0, round(seconds * 10_000))] += 1

    def quantiles(self) -> dict[str, float]:
        """For how long who asks at any moment waits: for what is left of the step that runs then."""
        lasted = [(max(took / 10_000, TICK), count) for took, count in sorted(self._counts.items())]
        if not lasted:
            return {}
        whole, longest = sum(each * count for each, count in lasted), lasted[-1][0]
        found = {f"p{100 * share:g}": _wait(lasted, (1 - share) * whole) for share in (0.5, 0.9, 0.99, 0.999)}
        return found | {"max": longest}


def _wait(lasted: list[tuple[float, int]], beyond: float) -> float:
    """Return the wait that is exceeded for so many seconds in all. `lasted` are steps, the shortest first."""
    together, count = 0.0, 0
    for step, times in reversed(lasted):
        # Of waits between this step and the next longer one, those of `count` steps are left.
        if together - count * step > beyond:
            break
        together, count = together + step * times, count + times
    return max(0.0, (together - beyond) / count)


class WatchedLoop:
    """Watches from `begin` on, in the loop that runs then."""

    def __init__(self, file: Path, *, takes_stacks: bool) -> None:
        self._file, self._takes_stacks = file, takes_stacks
        self._began_collecting = 0.0
        self._thread = threading.get_ident()
        self._ended = threading.Event()
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._steps, self._lags = Spread(), Spread()
        self._collections: list[tuple[float, int, float]] = []
        self._samples: list[tuple[float, str]] = []
        self._long: list[dict[str, Any]] = []
        self._used = time.process_time()

    def begin(self) -> None:
        gc.callbacks.append(self._collecting)
        if self._takes_stacks:
            threading.Thread(target=self._sample, daemon=True).start()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGUSR1, self._begin_anew)
        self._loop, self._expected = loop, loop.time() + TICK
        self._worked, self._written = time.thread_time(), loop.time()
        loop.call_later(TICK, self._tick)

    def _collecting(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._began_collecting = time.thread_time()
        else:
            took = time.thread_time() - self._began_collecting
            self._collections.append((time.monotonic(), info["generation"], took))

    def _sample(self) -> None:
        while not self._ended.wait(SAMPLE):
            frame = sys._current_frames().get(self._thread)
            if frame is not None:
                self._samples.append((time.monotonic(), _stack(frame)))

    def _tick(self) -> None:
        now, worked = self._loop.time(), time.thread_time()
        step, since = worked - self._worked, self._expected - TICK
        self._steps.add(step)
        self._lags.add(now - self._expected)
        if step >= LONG or now - self._expected >= LATE:
            self._note(step, since, now)
        self._samples.clear()
        if now - self._written >= 1:
            self._written = now
            self.write()
        self._worked = time.thread_time()
        self._expected = self._loop.time() + TICK
        self._loop.call_later(TICK, self._tick)

    def _note(self, step: float, since: float, now: float) -> None:
        stacks = Counter(stack for at, stack in self._samples if at >= since)
        collected = [(g, round(took, 4)) for at, g, took in self._collections if since <= at <= now + 0.01]
        self._long.append(
            {
                "at": round(now, 2),
                "step": round(step, 4),
                "lag": round(now - self._expected, 4),
                "collections": [each for each in collected if each[1] > 0.005],
                "stacks": stacks.most_common(6),
            }
        )
        self._long = sorted(self._long, key=lambda each: -each["step"])[:MOST_LISTED]

    def write(self) -> None:
        collections = {
            g: {"count": len(took), "sum": round(sum(took), 3), "max": round(max(took), 4)}
            for g in range(3)
            if (took := [took for _, each, took in self._collections if each == g])
        }
        told = {
            "steps": self._steps.quantiles(),
            "lags": self._lags.quantiles(),
            "collections": collections,
            "processor": round(time.process_time() - self._used, 2),
            "long": self._long,
        }
        self._file.write_text(json.dumps(told))


def told(file: Path) -> str:
    """Return what a loop that is watched has written, for people."""
    seen = json.loads(file.read_text())
    lines = []
    for long in seen.pop("long"):
        lines.append(f"{long['step']} s of processor time, {long['lag']} s late; collections {long['collections']}")
        lines += [f"    {times} times {stack}" for stack, times in long["stacks"]]
    return "\n".join([*lines, json.dumps(seen)])


def _stack(frame: FrameType | None) -> str:
    words = []
    while frame is not None and len(words) < DEPTH:
        code = frame.f_code
        words.append(f"{Path(code.co_filename).stem}.{code.co_name}:{frame.f_lineno}")
        frame = frame.f_back
    return " < ".join(words)


def main() -> None:
    takes_stacks = sys.argv[1] != TIMES_ONLY
    if not takes_stacks:
        del sys.argv[1]
    watched = WatchedLoop(Path(sys.argv[1]), takes_stacks=takes_stacks)
    del sys.argv[1]
    sys.argv[0] = "omnyshell"
    watch_signals = service.watch_signals

    def watching(*given: Any) -> asyncio.Event:
        with suppress(RuntimeError):
            watched.begin()
        return watch_signals(*given)

    service.watch_signals = watching
    program.main()


if __name__ == "__main__":
    main()
