"""The console of one page: a process of its own, which ends with the page."""

import asyncio
import os
from asyncio.subprocess import PIPE, Process
from contextlib import suppress
from typing import Final

from aiohttp import WSMsgType, web
from textual_serve.app_service import AppService
from textual_serve.download_manager import DownloadManager

ENVIRONMENT: Final = {
    # The console replaces this driver by its own.
    "TEXTUAL_DRIVER": "textual.drivers.web_driver:WebDriver",
    "TEXTUAL_FPS": "60",
    "TEXTUAL_COLOR_SYSTEM": "truecolor",
    # Not the terminal in which the web server was started.
    "TERM": "xterm-256color",
    "COLORTERM": "truecolor",
    "NO_COLOR": "",
    "TERM_PROGRAM": "textual",
}
"""Environment variables for Textual in a page's console."""

MAX_CELLS: Final = 1_000
"""The most columns and lines that a page may request."""

LEAVE_TIMEOUT: Final = 8.0
"""Seconds for a console to detach its sessions and end, before it is killed."""


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
        # Started without a shell, so that the known process is the console itself.
        process = await asyncio.create_subprocess_exec(*self._words, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=env)
        self._process, self._stdin = process, process.stdin
        return process

    async def set_terminal_size(self, width: int, height: int) -> None:
        """Tell the console the page's size."""
        await super().set_terminal_size(_bounded(width), _bounded(height))

    async def stop(self) -> None:
        """Ask the console to end, and kill it if it does not. Returns when it is gone. Idempotent."""
        if self._process is not None:
            if self._ending is None:
                self._ending = asyncio.create_task(self._end(self._process))
            # The waiter may be cancelled; the console is ended all the same.
            await asyncio.shield(self._ending)

    async def follow(self, socket: web.WebSocketResponse) -> None:
        """Pass the page's messages to the console, until the page is gone.

        Raises `LookupError`, `TypeError`, `ValueError` or `AttributeError` for messages that no page of ours sends.
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
