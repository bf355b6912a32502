"""Detects connections whose other end is gone; only a timeout reveals a half-open one."""

import asyncio

import msgspec

from omnyshell.transport.link import WebSocketLink


class KeepaliveTimes(msgspec.Struct, frozen=True):
    """Seconds of silence after which a link is pinged, and seconds for the answer.

    With a check every third of the shorter one, their sum is below the 30 s in which a hub has to detect a lost node.
    An idle node, whose heartbeats are 10 s apart, needs no ping.
    """

    interval: float = 12.0
    timeout: float = 10.0


class Keepalive:
    """Pings silent links and aborts those that stay silent. One timer serves all links of its owner."""

    def __init__(self, times: KeepaliveTimes) -> None:
        self._times = times
        self._loop = asyncio.get_running_loop()
        self._pinged: dict[WebSocketLink, float | None] = {}
        self._period = min(times.interval, times.timeout) / 3
        self._expected = self._loop.time() + self._period
        self._timer = self._loop.call_at(self._expected, self._sweep)

    def watch(self, link: WebSocketLink) -> None:
        """Begin to watch a link; `forget` it when it has closed."""
        self._pinged[link] = None

    def forget(self, link: WebSocketLink) -> None:
        """Stop watching a link. Idempotent."""
        self._pinged.pop(link, None)

    def close(self) -> None:
        """Stop watching altogether. Idempotent."""
        self._timer.cancel()
        self._pinged.clear()

    def _sweep(self) -> None:
        now = self._loop.time()
        # If the event loop itself was blocked, input may be unread, so judge only the next time.
        stalled = now - self._expected > self._period
        for link, pinged_at in list(self._pinged.items()):
            if now - link.last_heard < self._times.interval:
                self._pinged[link] = None
            elif pinged_at is None or stalled:
                self._pinged[link] = now
                link.ping()
            elif now - pinged_at >= self._times.timeout:
                link.abort()
        self._expected = now + self._period
        self._timer = self._loop.call_at(self._expected, self._sweep)
