"""Connections end without leaving garbage that only Python's collector would find: it has to look at all there is."""

import gc
import weakref
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from support.raw_peer import RawPeer, logged_in, open_session, registered, stranger
from support.stack import Certificates, until

from omnyshell import OmnyShellHub
from omnyshell.services.hub.peers.hub_peer import HubPeer
from omnyshell.services.hub.sessions.route import SessionRoute
from omnyshell.transport.server_link import ServerLink

KINDS = (HubPeer, ServerLink)


@contextmanager
def no_collections() -> Iterator[None]:
    """Python looks for no garbage meanwhile."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def alive() -> list[Any]:
    return [each for each in gc.get_objects() if type(each) in KINDS]


def are_gone(seen: list["weakref.ref[Any]"]) -> bool:
    return all(each() is None for each in seen)


def routes() -> int:
    return sum(type(each) is SessionRoute for each in gc.get_objects())


async def test_whatever_ends_a_connection_all_of_it_is_freed(certificates: Certificates, hub: OmnyShellHub) -> None:
    async def refused(peer: RawPeer) -> None:
        await peer.greet("client")
        await peer.say("auth.request", {"method": "token", "principal": "dev", "token": "wrong"})
        await peer.hear_close()

    async def breaks_off(peer: RawPeer) -> None:
        peer.ws.transport.abort()

    async def nothing(_peer: RawPeer) -> None:
        pass

    ends: dict[str, tuple[Callable[[], Any], Callable[[RawPeer], Awaitable[None]]]] = {
        "a login that is refused": (lambda: stranger(certificates, hub.port), refused),
        "a stranger that goes": (lambda: stranger(certificates, hub.port), nothing),
        "a client that goes": (lambda: logged_in(certificates, hub.port, "client", "dev"), nothing),
        "a client that breaks off": (lambda: logged_in(certificates, hub.port, "client", "dev"), breaks_off),
        "a node that goes": (lambda: registered(certificates, hub.port), nothing),
        "a node that breaks off": (lambda: registered(certificates, hub.port), breaks_off),
    }
    for name, (connect, end) in ends.items():
        with no_collections():
            async with connect() as peer:
                seen = [weakref.ref(each) for each in alive()]
                await end(peer)
            await until(lambda: not hub.connections)
            assert seen, name
            # The transport forgets its protocol behind the call in which that says that the connection is gone.
            await until(partial(are_gone, seen))


async def test_a_session_that_ends_is_freed_too(certificates: Certificates, hub: OmnyShellHub) -> None:
    async with registered(certificates, hub.port, labels={"allow-roles": "developer"}) as node:
        with no_collections():
            async with logged_in(certificates, hub.port, "client", "dev") as client:
                channel = await open_session(client, node, command="true")
                assert routes() == 1
                await node.say("channel.exit", {"exitCode": 0}, channel)
                await node.say("channel.close", {}, channel)
                await client.hear("channel.exit")
                await client.hear("channel.close")
                await until(lambda: not routes())
                await open_session(client, node, 2, command="true")
                assert routes() == 1
            await until(lambda: hub.connections == 1)
            assert not routes()
