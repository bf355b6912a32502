"""Reads a session's output until something shows."""

import asyncio

from support.deadline import DEADLINE

from omnyshell import RemoteSession


class Screen:
    """Reads a session until something shows."""

    def __init__(self, session: RemoteSession) -> None:
        self.text = b""
        self._chunks = aiter(session)

    async def shows(self, expected: bytes) -> bytes:
        """Wait until the text has been printed since the last call; returns what came before it."""
        async with asyncio.timeout(DEADLINE):
            while expected not in self.text:
                self.text += (await anext(self._chunks)).data
        before, _, self.text = self.text.partition(expected)
        return before

    async def rest(self) -> bytes:
        """Read to the end."""
        async with asyncio.timeout(DEADLINE):
            async for chunk in self._chunks:
                self.text += chunk.data
        return self.text
