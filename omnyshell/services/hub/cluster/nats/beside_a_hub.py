"""Connections with the engine in the name of a hub, for it and for commands beside it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from omnyshell.services.hub.cluster.members.identity import Standing
from omnyshell.services.hub.cluster.nats.connection import Credential, EngineConnection
from omnyshell.services.hub.cluster.nats.streams import Client
from omnyshell.services.hub.ground.cluster_settings import ClusterSettings


def connection_of(standing: Standing, settings: ClusterSettings, token: str = "") -> EngineConnection:
    """Return a connection that is still to be started, with a hub's credential or another `token` for its key.

    Raises `ConfigException` if the authorities cannot be used.
    """
    own, credential = standing.identity, Credential(token or standing.engine_token, standing.engine_key)
    return EngineConnection(settings.engine or own.engine, credential, own.hub, settings.engine_ca)


@asynccontextmanager
async def connected(
    standing: Standing, settings: ClusterSettings, problems: dict[str, str] | None = None
) -> AsyncIterator[tuple[EngineConnection, Client]]:
    """Yield a connection with the engine, as this hub, and the library's client below it.

    Why servers could not be reached is entered in `problems`.
    """
    async with _connection(standing, settings, problems=problems) as both:
        yield both


@asynccontextmanager
async def watching(standing: Standing, settings: ClusterSettings) -> AsyncIterator[Client]:
    """Yield a connection with the engine on which nothing but its servers' storage can be asked."""
    async with _connection(standing, settings, standing.watch_token) as (_, client):
        yield client


@asynccontextmanager
async def _connection(
    standing: Standing, settings: ClusterSettings, token: str = "", problems: dict[str, str] | None = None
) -> AsyncIterator[tuple[EngineConnection, Client]]:
    connection = connection_of(standing, settings, token)
    if problems is not None:
        connection.problems = problems
    got: asyncio.Future[Client] = asyncio.get_running_loop().create_future()

    async def use(client: Client) -> None:
        if not got.done():
            got.set_result(client)
        await asyncio.Event().wait()

    connection.on_connected.append(use)
    connection.start()
    try:
        yield connection, await got
    finally:
        await connection.aclose()
