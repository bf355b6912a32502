"""How the engine's servers store what they acknowledge, as each of them says."""

import asyncio
from typing import NamedTuple

import msgspec

from omnyshell.extras import needs
from omnyshell.services.hub.cluster.members.engine_access import HOW_SERVERS_STORE
from omnyshell.services.hub.cluster.order.order import EngineAwayException

with needs("cluster"):
    import nats.errors
    from nats.aio.client import Client

ANSWER_TIMEOUT = 1.0
"""Seconds in which the servers answer; one that is away does not."""

MOST_SERVERS = 100

OFF = "its JetStream is off, as after its disk was full. Make room there, and start it again"


class ServerSays(NamedTuple):
    """What a server says of itself."""

    name: str
    version: str
    is_synced: bool
    """Whether what it acknowledges is on its disk: `sync_interval: always`."""

    is_off: bool = False
    """Whether it stores nothing, as after its disk was full: it goes on once it is started again."""


class _Server(msgspec.Struct):
    name: str
    ver: str


class _Storage(msgspec.Struct):
    sync_always: bool = False


class _Data(msgspec.Struct):
    disabled: bool = False
    config: _Storage = msgspec.field(default_factory=_Storage)


class _Answer(msgspec.Struct):
    server: _Server
    data: _Data


async def servers_of(client: Client, most: int = MOST_SERVERS) -> tuple[ServerSays, ...]:
    """Ask all servers, over a connection of the account of servers, until `most` of them have answered.

    Returns those that did, by name. Raises `EngineAwayException`.
    """
    found: dict[str, ServerSays] = {}
    try:
        inbox = client.new_inbox()
        answers = await client.subscribe(inbox)
        await client.publish(HOW_SERVERS_STORE, b"", reply=inbox)
        async with asyncio.timeout(ANSWER_TIMEOUT):
            while len(found) < most:
                message = await answers.next_msg(timeout=None)
                answer = msgspec.json.decode(message.data, type=_Answer)
                name = answer.server.name
                told = answer.data
                found[name] = ServerSays(name, answer.server.ver, told.config.sync_always, told.disabled)
    except TimeoutError:
        pass
    except (nats.errors.Error, msgspec.MsgspecError, OSError) as exc:
        raise EngineAwayException(f"the engine's servers do not say how they store: {exc}") from exc
    return tuple(found[name] for name in sorted(found))
