"""`-A` of `connect` and `exec`, which is said for one session on the command line: nothing saves or configures it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from omnyshell.services.client.client import OmnyShellClient


@asynccontextmanager
async def with_agent(client: OmnyShellClient, node: str, user: str, *, wanted: bool) -> AsyncIterator[dict[str, str]]:
    """Forward the user's agent meanwhile, where that is wanted; yields the variables that lead to it."""
    if not wanted:
        yield {}
        return
    # Imported by those that use it: the commands start fast without.
    from omnyshell.services.client.agent_forwarding import forwarded_agent

    async with forwarded_agent(client, node, user) as variables:
        yield variables
