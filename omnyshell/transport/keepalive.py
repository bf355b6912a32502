"""Detects connections whose other end is gone; only a timeout reveals a half-open one."""

import asyncio
from collections.abc import Iterator

import msgspec

from omnyshell.transport.link import WebSocketLink

SILENT_A_TURN = 64
"""Silent links that are pinged or aborted in one turn of the loop: what follows from an end takes a third of a ms."""


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
        # If the event loop itself was blocked, input may be unread, so judge later: after half of the time for an
        # answer, as all of it anew leaves a lost hub unnoticed for up to 39 s on a busy machine.
        stalled = now - self._expected > self._period
        self._expected = now + self._period
        self._timer = self._loop.call_at(self._expected, self._sweep)
        self._look(iter(tuple(self._pinged)), now, stalled)

    def _look(self, links: Iterator[WebSocketLink], now: float, stalled: bool) -> None:
        """Judge links; where many of them are silent, a few in each turn of the loop."""
        left = SILENT_A_TURN
        for link in links:
            left -= self._judge(link, now, stalled)
            if not left:
                self._loop.call_soon(self._look, links, now, stalled)
                return

    def _judge(self, link: WebSocketLink, now: float, stalled: bool) -> bool:
        """Ping a silent link, or abort one that stays silent; return whether it is one of these."""
        if link not in self._pinged:
            return False
        if now - link.last_heard < self._times.interval:
            self._pinged[link] = None
            return False
        pinged_at = self._pinged[link]
        if pinged_at is None:
            self._pinged[link] = now
            link.ping()
        elif stalled:
            self._pinged[link] = max(pinged_at, now - self._times.timeout / 2)
        elif now - pinged_at >= self._times.timeout:
            link.abort()
        return True
