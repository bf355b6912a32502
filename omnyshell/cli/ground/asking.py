"""Commands that ask a hub one thing."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from omnyshell.services.client.client import OmnyShellClient
from omnyshell.services.client.config import ClientConfig
from omnyshell.services.dial import HubAccess

T = TypeVar("T")


def ask(access: HubAccess, question: Callable[[OmnyShellClient], Awaitable[T]]) -> T:
    """Connect, ask, and return the answer. Raises as `OmnyShellClient.connect` and the question do."""
    return asyncio.run(_ask(access, question))


async def _ask(access: HubAccess, question: Callable[[OmnyShellClient], Awaitable[T]]) -> T:
    async with OmnyShellClient(ClientConfig(access=access)) as client:
        return await question(client)
