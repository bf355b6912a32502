"""A console that a page shows: a process of its own, which ends with the page."""

import asyncio
import os
from asyncio.subprocess import PIPE, Process
from contextlib import suppress
from typing import Final

from aiohttp import WSMsgType, web
from textual_serve.app_service import AppService
from textual_serve.download_manager import DownloadManager

ENVIRONMENT: Final = {
    # In its place the console takes its own.
    "TEXTUAL_DRIVER": "textual.drivers.web_driver:WebDriver",
    "TEXTUAL_FPS": "60",
    "TEXTUAL_COLOR_SYSTEM": "truecolor",
    "TERM_PROGRAM": "textual",
}
"""What Textual is told of a page."""

MAX_CELLS: Final = 1_000
"""Columns and lines that a page may ask for."""

LEAVE_TIMEOUT: Final = 8.0
"""Seconds that a console gets to detach its sessions and end, before it is ended."""


class ServedConsole(AppService):
    """Runs `words` for a page. `start` it, then `stop` it, which leaves no process."""

    def __init__(self, words: list[str], socket: web.WebSocketResponse, downloads: DownloadManager) -> None:
        super().__init__(
            "", write_bytes=self._send_bytes, write_str=self._send_text, close=self._close, download_manager=downloads
        )
        self._words = words
        self._socket = socket
        self._ending: asyncio.Task[None] | None = None

    async def _open_app_process(self, width: int = 80, height: int = 24) -> Process:
        size = {"COLUMNS": str(_bounded(width)), "ROWS": str(_bounded(height))}
        env = os.environ | ENVIRONMENT | size
        # Not by a shell, so that the process that is known is the console.
        process = await asyncio.create_subprocess_exec(*self._words, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=env)
        self._process, self._stdin = process, process.stdin
        return process

    async def set_terminal_size(self, width: int, height: int) -> None:
        """Tell the console the page's size."""
        await super().set_terminal_size(_bounded(width), _bounded(height))

    async def stop(self) -> None:
        """Have the console leave, and end it where it does not. Returns when it is gone. Idempotent."""
        if self._process is not None:
            if self._ending is None:
                self._ending = asyncio.create_task(self._end(self._process))
            # Whoever waits may be cancelled; the console ends all the same.
            await asyncio.shield(self._ending)

    async def follow(self, socket: web.WebSocketResponse) -> None:
        """Tell the console what its page says, until that is gone.

        Raises `LookupError`, `TypeError`, `ValueError` and `AttributeError` for what no page of ours says.
        """
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                continue
            match message.json():
                case ["stdin", text]:
                    await self.send_bytes(text.encode())
                case ["resize", size]:
                    await self.set_terminal_size(size["width"], size["height"])
                case ["ping", said]:
                    await socket.send_json(["pong", said])
                case ["blur", *_]:
                    await self.blur()
                case ["focus", *_]:
                    await self.focus()
                case other:
                    raise ValueError(type(other))

    async def _end(self, process: Process) -> None:
        try:
            async with asyncio.timeout(LEAVE_TIMEOUT):
                await super().stop()
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
        await process.wait()

    # What a console paints after its page is gone is read all the same: it could not end otherwise.

    async def _send_bytes(self, data: bytes) -> None:
        with suppress(ConnectionError, RuntimeError):
            await self._socket.send_bytes(data)

    async def _send_text(self, text: str) -> None:
        with suppress(ConnectionError, RuntimeError):
            await self._socket.send_str(text)

    async def _close(self) -> None:
        await self._socket.close()


def _bounded(cells: int) -> int:
    return max(1, min(int(cells), MAX_CELLS))
