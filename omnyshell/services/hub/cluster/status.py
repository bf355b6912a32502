"""How a hub stands among others, as its files and the engine say."""

import asyncio
from pathlib import Path
from typing import NamedTuple

from omnyshell.services.hub.cluster.inviting import connected
from omnyshell.services.hub.cluster.members.identity import ClusterFiles, Identity
from omnyshell.services.hub.cluster.members.members import Members
from omnyshell.services.hub.cluster.nats.streams import Copies, copies_of, truth_stream
from omnyshell.services.hub.cluster.order.order import EngineAwayException
from omnyshell.services.hub.ground.cluster_settings import ClusterSettings
from omnyshell.services.hub.ground.state_file import StateFile
from omnyshell.services.hub.truth.log import SqliteLog


class Status(NamedTuple):
    """What was found."""

    identity: Identity
    members: tuple[str, ...]
    applied: int
    """How many changes of the hubs' log this hub has applied."""

    engine: Copies | None
    """Of the log; None where the engine does not answer."""


async def status(state_dir: Path, file: StateFile, settings: ClusterSettings) -> Status:
    """Ask the engine, and look into the state file of a hub, which may run. Raises `ConfigException`."""
    standing = ClusterFiles(state_dir).read()
    own = standing.identity
    members, applied = Members(file, standing.founder).hubs(), SqliteLog(file, own.generation).applied_seq
    try:
        async with asyncio.timeout(5), connected(standing, settings) as client:
            return Status(own, members, applied, await copies_of(client, truth_stream(own.generation)))
    except (TimeoutError, EngineAwayException):
        return Status(own, members, applied, None)
