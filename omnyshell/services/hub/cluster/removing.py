"""Has a hub be no member any more, by a command beside another one."""

import asyncio
from pathlib import Path

from omnyshell.services.hub.cluster.members.author import Author
from omnyshell.services.hub.cluster.members.identity import ClusterFiles
from omnyshell.services.hub.cluster.members.signing import digest
from omnyshell.services.hub.cluster.nats.beside_a_hub import connected
from omnyshell.services.hub.cluster.nats.streams import copies_of, truth_stream
from omnyshell.services.hub.cluster.order.order import EngineAwayException, MisplacedException, Place
from omnyshell.services.hub.ground.cluster_settings import ClusterSettings
from omnyshell.services.hub.truth.changes import together
from omnyshell.services.hub.truth.member_changes import RemoveMember

TIMEOUT = 15.0
"""Seconds within which it is written, or was not."""


async def remove_member(state_dir: Path, settings: ClusterSettings, hub: str) -> None:
    """Write that a hub is no member any more, as the hub of a state directory. Raises `EngineAwayException`."""
    change = together(RemoveMember(hub))
    standing = ClusterFiles(state_dir).read()
    author = Author(standing.identity.generation, standing.identity.hub, standing.key)
    try:
        async with asyncio.timeout(TIMEOUT), connected(standing, settings) as (connection, client):
            while True:
                stream = truth_stream(author.generation)
                last = (await copies_of(client, stream)).last
                before = await connection.next_of(stream, last) if last else None
                after = digest(before.data) if before is not None else b""
                raw = author.signed(last + 1, change.encode(), after)
                try:
                    await connection.publish(author.subject, raw, Place(last=last))
                except MisplacedException:
                    continue
                return
    except TimeoutError as exc:
        raise EngineAwayException("the engine does not answer: is it running, and has the first hub founded?") from exc
