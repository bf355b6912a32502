"""Shared by `top` and `events`: a feed for the duration of a command, and descriptions of live items."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from omnyshell.hosts import host_and_port
from omnyshell.model.live import LiveSession, LiveTunnel, Part
from omnyshell.services.client.live.feed import LiveFeed
from omnyshell.services.client.live.state import HubState, Link, Source
from omnyshell.services.dial import HubAccess

_UNITS = ("B", "K", "M", "G", "T", "P")


@asynccontextmanager
async def live_state(access: HubAccess, parts: Iterable[Part]) -> AsyncIterator[tuple[HubState, LiveFeed]]:
    """Yield a state, still empty, that is kept up to date within the context."""
    state = HubState()
    feed = LiveFeed(access, state, parts=tuple(parts))
    running = asyncio.create_task(feed.run())
    try:
        yield state, feed
    finally:
        await feed.aclose()
        await asyncio.gather(running, return_exceptions=True)


async def first_time(state: HubState, feed: LiveFeed) -> None:
    """Wait until the hub has sent its whole state. Raises if it cannot be reached, or refuses."""
    failed = asyncio.Event()
    end = state.subscribe(lambda _: failed.set() if state.link in (Link.LOST, Link.REFUSED) else None)
    waits = [asyncio.ensure_future(feed.complete.wait()), asyncio.ensure_future(failed.wait())]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        end()
        for wait in waits:
            wait.cancel()
    if not feed.complete.is_set() and feed.error is not None:
        raise feed.error


def check_refused(state: HubState, feed: LiveFeed) -> None:
    """Raise if the feed has given the hub up."""
    if state.link is Link.REFUSED and feed.error is not None:
        raise feed.error


def unknown_parts(state: HubState, parts: Iterable[Part]) -> list[Part]:
    """Return the parts that this hub does not report, or not to this principal."""
    return [part for part in parts if state.source(part) is Source.UNKNOWN]


def size(count: float) -> str:
    """Return a number of bytes in at most five characters: `0`, `512B`, `1.5K`, `20M`."""
    if not count:
        return "0"
    for unit in _UNITS:
        if count < 999.5:
            return f"{count:.1f}{unit}" if count < 9.95 and unit != "B" else f"{count:.0f}{unit}"
        count /= 1024
    return f"{count:.0f}E"


def target(tunnel: LiveTunnel) -> str:
    """Return a tunnel's target as text."""
    return host_and_port(tunnel.target_host, tunnel.target_port)


def public(tunnel: LiveTunnel) -> str:
    """Return a tunnel's public address as text."""
    place = host_and_port(tunnel.public_host or "*", tunnel.public_port)
    return f"{place}/{tunnel.protocol}{'+tls' if tunnel.secure else ''}"


def doing(session: LiveSession) -> str:
    """Return what runs in a session, and where."""
    return f"{session.command} ({session.cwd})" if session.cwd else session.command
