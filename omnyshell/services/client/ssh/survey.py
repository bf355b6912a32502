"""What many nodes answer to a question about ssh, asked at once."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from omnyshell.errors import OmnyShellException

MOST_AT_ONCE = 32
"""Nodes that are asked at a time."""

ASK_TIMEOUT = 10.0
"""Seconds in which a node answers."""

T = TypeVar("T")


async def ask_each(nodes: Iterable[str], ask: Callable[[str], Awaitable[T]]) -> dict[str, T | OmnyShellException]:
    """Ask nodes, and return what each answers, or why it does not; in their order."""
    room = asyncio.Semaphore(MOST_AT_ONCE)

    async def answer(node: str) -> T | OmnyShellException:
        try:
            async with room, asyncio.timeout(ASK_TIMEOUT):
                return await ask(node)
        except TimeoutError:
            return OmnyShellException("it does not answer")
        except OmnyShellException as exc:
            return exc

    asked = list(nodes)
    return dict(zip(asked, await asyncio.gather(*map(answer, asked)), strict=True))
