"""Waits for descriptors and for points in time."""

import select
import sys
import time
from collections.abc import Callable

READ, WRITE = select.EPOLLIN, select.EPOLLOUT
ONCE = READ | select.EPOLLONESHOT
"""What is told one time, until it is waited for again by `change`."""

_MOST_AT_ONCE = 64
_BREATH = 0.1
"""Seconds to wait after an error that nobody expected, so that one that comes again takes no processor."""


def say(text: str) -> None:
    """Write a line of the log."""
    print(f"keeper: {text}", file=sys.stderr, flush=True)  # noqa: T201


class Poller:
    """Calls who waits for a descriptor or a time, one after the other. What is called must not block."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._ready: dict[int, Callable[[int], None]] = {}
        self._timers: list[tuple[float, Callable[[], None]]] = []

    def watch(self, fd: int, events: int, ready: Callable[[int], None]) -> None:
        """Call `ready` with the events whenever there are some, and now and then where there are none."""
        self._epoll.register(fd, events)
        self._ready[fd] = ready

    def change(self, fd: int, events: int) -> None:
        """Wait for other events."""
        self._epoll.modify(fd, events)

    def unwatch(self, fd: int) -> None:
        """Wait no longer; call it before the descriptor is closed. Idempotent."""
        if self._ready.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def call_later(self, seconds: float, action: Callable[[], None]) -> None:
        """Call `action` once, after some seconds."""
        self._timers.append((time.monotonic() + seconds, action))

    def run_once(self) -> None:
        """Wait for what comes first, and call who waits for it. No error of theirs ends the keeper."""
        for fd, events in self._epoll.poll(self._wait(), _MOST_AT_ONCE):
            ready = self._ready.get(fd)
            if ready is not None:
                _guarded(ready, events)
        now = time.monotonic()
        due = [timer for timer in self._timers if timer[0] <= now]
        for timer in due:
            self._timers.remove(timer)
            _guarded(timer[1])

    def _wait(self) -> float | None:
        if not self._timers:
            return None
        return max(0.0, min(when for when, _ in self._timers) - time.monotonic())


def _guarded(action: Callable[..., None], *events: int) -> None:
    try:
        action(*events)
    except Exception as exc:
        say(f"an error that was not expected: {exc!r}")
        time.sleep(_BREATH)
