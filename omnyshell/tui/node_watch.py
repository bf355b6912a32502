"""Starts this machine's node again where its process is gone, later each time."""

from omnyshell.clock import Clock, SystemClock
from omnyshell.errors import ConfigException
from omnyshell.services.local.node_process import LocalNode
from omnyshell.transport.backoff import STABLE_AFTER, Backoff, BackoffTimes

TIMES = BackoffTimes(shortest=0.0, first_ceiling=2.0, last_ceiling=60.0)
STARTED = "This machine's node had ended: it was started again"
NOT_STARTED = "This machine's node does not run"


class NodeWatch:
    """`look` is called regularly, by whoever started the node."""

    def __init__(self, node: LocalNode, clock: Clock | None = None) -> None:
        self._node = node
        self._clock = clock or SystemClock()
        self._backoff = Backoff(times=TIMES)
        self._is_lost = False
        self._started_at = 0.0
        self._next = 0.0

    def look(self) -> str:
        """Start the node if it is gone and it is time for it; returns what to tell the user, "" for nothing."""
        now = self._clock.monotonic()
        try:
            if self._node.is_there():
                self._is_lost = False
                return ""
            self._lose(now)
            return self._start(now)
        except ConfigException as exc:
            if now < self._next:
                return ""
            self._wait(now)
            return f"{NOT_STARTED}: {exc}"

    def _lose(self, now: float) -> None:
        if self._is_lost:
            return
        self._is_lost = True
        if now - self._started_at >= STABLE_AFTER:
            self._backoff = Backoff(times=TIMES)
        self._wait(now)

    def _start(self, now: float) -> str:
        if now < self._next:
            return ""
        self._node.start()
        self._started_at = now
        self._wait(now)
        return STARTED

    def _wait(self, now: float) -> None:
        self._next = now + self._backoff.next_delay()
