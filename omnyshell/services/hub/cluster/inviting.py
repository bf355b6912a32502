"""Changes who is a member, by a command beside a hub that is one, and asks the engine for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from omnyshell.services.hub.cluster.members.author import Author
from omnyshell.services.hub.cluster.members.identity import ClusterFiles, Standing
from omnyshell.services.hub.cluster.members.signing import digest
from omnyshell.services.hub.cluster.nats.connection import Credential, EngineConnection
from omnyshell.services.hub.cluster.nats.streams import Client, copies_of, truth_stream
from omnyshell.services.hub.cluster.order.order import EngineAwayException, MisplacedException, Place
from omnyshell.services.hub.ground.cluster_settings import ClusterSettings
from omnyshell.services.hub.truth.changes import together
from omnyshell.services.hub.truth.member_changes import RemoveMember

TIMEOUT = 15.0
"""Seconds within which it is written, or was not."""


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


async def change_members(state_dir: Path, settings: ClusterSettings, change: RemoveMember) -> None:
    """Write a change of the members as the hub of a state directory. Raises `EngineAwayException`."""
    standing = ClusterFiles(state_dir).read()
    author = Author(standing.identity.generation, standing.identity.hub, standing.key)
    try:
        async with asyncio.timeout(TIMEOUT), _connection(standing, settings) as (connection, client):
            while True:
                stream = truth_stream(author.generation)
                last = (await copies_of(client, stream)).last
                before = await connection.next_of(stream, last) if last else None
                after = digest(before.data) if before is not None else b""
                raw = author.signed(last + 1, together(change).encode(), after)
                try:
                    await connection.publish(author.subject, raw, Place(last=last))
                except MisplacedException:
                    continue
                return
    except TimeoutError as exc:
        raise EngineAwayException("the engine does not answer: is it running, and has the first hub founded?") from exc


@asynccontextmanager
async def _connection(
    standing: Standing, settings: ClusterSettings, token: str = "", problems: dict[str, str] | None = None
) -> AsyncIterator[tuple[EngineConnection, Client]]:
    credential = Credential(token or standing.engine_token, standing.engine_key)
    own = standing.identity
    connection = EngineConnection(settings.engine or own.engine, credential, own.hub, settings.engine_ca)
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
