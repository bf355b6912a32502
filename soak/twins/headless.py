"""A second opinion: terminals of `@xterm/headless`, whose parser and screen have nothing in common with ours."""

import asyncio
import base64
import itertools
import json
import os
import shutil
from pathlib import Path
from typing import Any

_SCRIPT = Path(__file__).with_name("headless.js")
_LONGEST_LINE = 16 * 1024 * 1024


class Headless:
    """One process with many terminals. `close` it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._numbers = itertools.count(1)
        self._asking = asyncio.Lock()

    @classmethod
    async def started(cls) -> "Headless | None":
        """Start it, where node and the packages are found (NODE_PATH)."""
        node = shutil.which("node")
        path = os.environ.get("NODE_PATH", "")
        if node is None or not any((Path(place) / "@xterm/headless").exists() for place in path.split(":") if place):
            return None
        pipe = asyncio.subprocess.PIPE
        return cls(await asyncio.create_subprocess_exec(node, _SCRIPT, stdin=pipe, stdout=pipe, limit=_LONGEST_LINE))

    def terminal(self, columns: int, lines: int) -> "HeadlessTerminal":
        """Make a terminal."""
        made = HeadlessTerminal(self, next(self._numbers))
        made.resize(columns, lines)
        return made

    def order(self, **order: object) -> None:
        """Have something done, in order."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")

    async def ask(self, number: int) -> dict[str, Any]:
        """Return what a terminal shows."""
        async with self._asking:
            self.order(id=number, look=True)
            assert self._process.stdout is not None
            found: dict[str, Any] = json.loads(await self._process.stdout.readline())
            return found

    async def close(self) -> None:
        """End the process."""
        self._process.kill()
        await self._process.wait()


class HeadlessTerminal:
    """One of its terminals."""

    def __init__(self, owner: Headless, number: int) -> None:
        self._owner = owner
        self._number = number

    def resize(self, columns: int, lines: int) -> None:
        self._owner.order(id=self._number, columns=columns, lines=lines)

    def feed(self, data: bytes) -> None:
        if data:
            self._owner.order(id=self._number, data=base64.b64encode(data).decode())

    async def look(self) -> dict[str, Any]:
        return await self._owner.ask(self._number)

    def close(self) -> None:
        self._owner.order(id=self._number, gone=True)
