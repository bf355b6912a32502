"""Every message type, as declared, from every role and in every state: refused or defined, never a failure."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

import pytest
from support.message_samples import declarations, sample
from support.raw_peer import RawPeer, logged_in, open_session, registered, stranger
from support.stack import Certificates, hub_config

from omnyshell import OmnyShellHub
from omnyshell.protocol.messages import ControlMessage
from omnyshell.security.login_limit import LoginLimit

OPENING = {"hello", "auth.request", "join.request"}
Connect = Callable[[], AbstractAsyncContextManager[RawPeer]]


@pytest.fixture
async def hub(certificates: Certificates) -> AsyncIterator[OmnyShellHub]:
    problems: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: problems.append(context))
    async with OmnyShellHub(hub_config(certificates, login_limit=LoginLimit.parse("0"))) as started:
        yield started
    assert problems == []


async def say(peer: RawPeer, declared: type[ControlMessage], channel: int, *, every_field: bool) -> None:
    # A ping is what `still_there` sends.
    if declared.TYPE != "ping":
        await peer.say(declared.TYPE, sample(declared, every_field=every_field), channel if declared.SCOPED else None)


async def fatal_code(peer: RawPeer) -> tuple[str, int]:
    """The code of the fatal error, and that of the close behind it."""
    message = await peer.hear("error")
    assert message["d"]["fatal"] is True
    return str(message["d"]["code"]), (await peer.hear_close())[0]


@pytest.mark.parametrize("greeted", [False, True])
async def test_before_login(certificates: Certificates, hub: OmnyShellHub, greeted: bool) -> None:
    for declared in declarations():
        if declared.TYPE in (*OPENING, "ping"):
            continue
        async with stranger(certificates, hub.port) as peer:
            if greeted:
                await peer.greet("client")
            await say(peer, declared, 1, every_field=True)
            assert await fatal_code(peer) == ("not_authenticated", 4400), declared.TYPE


async def test_a_role_that_may_only_ping(certificates: Certificates, hub: OmnyShellHub) -> None:
    for declared in declarations():
        async with logged_in(certificates, hub.port, "observer", "dev") as peer:
            await say(peer, declared, 1, every_field=True)
            if declared.TYPE in ("hello", "auth.request", "ping"):
                await peer.still_there()
            else:
                assert await fatal_code(peer) == ("protocol_error", 4400), declared.TYPE


@pytest.mark.parametrize("who", ["admin", "developer", "node", "registered node"])
async def test_after_login(certificates: Certificates, hub: OmnyShellHub, who: str) -> None:
    connects: dict[str, Connect] = {
        "admin": lambda: logged_in(certificates, hub.port, "client", "admin", ("admin", "resume-offset")),
        "developer": lambda: logged_in(certificates, hub.port, "client", "dev"),
        "node": lambda: logged_in(certificates, hub.port, "node", "box"),
        "registered node": lambda: registered(certificates, hub.port),
    }
    async with connects[who]() as peer:
        for declared in declarations():
            for every_field in (False, True):
                await say(peer, declared, 1, every_field=every_field)
                await peer.still_there()
    assert len(hub.sessions) == 0


@asynccontextmanager
async def session(certificates: Certificates, hub: OmnyShellHub) -> AsyncIterator[tuple[RawPeer, RawPeer, int]]:
    """A client, a node, and the node's channel of a session between them; both ends count offsets."""
    features = ("resume-offset",)
    async with AsyncExitStack() as stack:
        node = await stack.enter_async_context(registered(certificates, hub.port, features=features))
        client = await stack.enter_async_context(logged_in(certificates, hub.port, "client", "admin", features))
        yield client, node, await open_session(client, node, offsets=True)


@pytest.mark.parametrize("end", ["client", "node"])
async def test_on_the_channel_of_an_open_session(certificates: Certificates, hub: OmnyShellHub, end: str) -> None:
    async with session(certificates, hub) as (client, node, channel):
        number, next_channel = channel, 1
        for declared in declarations():
            peer, own_channel = (client, next_channel) if end == "client" else (node, number)
            await say(peer, declared, own_channel, every_field=True)
            await client.still_there()
            await node.still_there()
            if not len(hub.sessions):
                # The message ended it: another one for the next.
                next_channel += 1
                if hub.nodes.find("n1") is None:
                    await node.say("node.register", {"nodeId": "n1", "platform": {"os": "linux", "arch": "x64"}})
                    await node.hear("node.registered")
                number = await open_session(client, node, next_channel)
    assert len(hub.sessions) == 0
