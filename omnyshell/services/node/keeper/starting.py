"""Starting a keeper of the node's own user, which outlives the node."""

import asyncio
import os
from pathlib import Path

from omnyshell.security.files import make_private_directory
from omnyshell.services.node.environment import inherited_variables
from omnyshell.services.node.keeper.place import (
    REFUSED,
    RUNS_ALREADY,
    NoKeeperException,
    NoneServesHereException,
    keeper_command,
    own_directory,
)

IDLE = 5.0
"""Seconds after which a keeper ends that a node has started, and that is of no use to anybody."""


async def start_own(state_dir: Path, file: Path | None = None) -> None:
    """Start a keeper of our own user's, which outlives us.

    Raises `NoKeeperException` where it does not start, as `NoneServesHereException` where another attempt is of no use.
    """
    directory = own_directory(state_dir)
    try:
        make_private_directory(directory)
        starting = await asyncio.create_subprocess_exec(
            *keeper_command(directory, user=os.geteuid(), idle=IDLE, detach=True, users_file=file),
            env=inherited_variables(os.environ),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as exc:
        raise NoKeeperException(f"no keeper can be started in {directory}: {exc.strerror}") from exc
    _, said = await starting.communicate()
    if starting.returncode not in (0, RUNS_ALREADY):
        kind = NoneServesHereException if starting.returncode == REFUSED else NoKeeperException
        raise kind(said.decode(errors="replace").strip() or "the keeper does not start")
