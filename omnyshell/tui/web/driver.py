"""The console's end of the pipe to the web server: receives keys, and sends the screen."""

import asyncio
import json
import os
import selectors
import signal
import struct
from codecs import getincrementaldecoder
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from textual.drivers.web_driver import WebDriver

from omnyshell.tui.driver import ESCAPE_SECONDS, IDLE_SECONDS, READ_SIZE, ConsoleParser, hurry_escape

_HEAD: Final = struct.Struct(">cI")


class Packets:
    """Splits a stream into packets."""

    KEYS: Final = b"D"
    """Typed input; other packets are JSON about the page."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield the kind and the payload of each packet that is whole now."""
        rest = self._rest
        rest += data
        while len(rest) >= _HEAD.size:
            kind, size = _HEAD.unpack_from(rest)
            end = _HEAD.size + size
            if len(rest) < end:
                return
            payload = bytes(rest[_HEAD.size : end])
            del rest[:end]
            yield kind, payload


if TYPE_CHECKING:
    from omnyshell.tui.app import ConsoleApp

_STDIN: Final = 0


class ConsoleWebDriver(WebDriver):
    """Textual's driver, but it reads keys as `ConsoleDriver` does, and ends in order when page or server is gone.

    Textual 8.2.8 exits at once when the page is closed or a signal comes, so that nothing is detached, and goes on for
    ever when the server is gone.
    """

    def __init__(self, app: "ConsoleApp", **options: Any) -> None:
        super().__init__(app, **options)
        self._console = app
        self._write = partial(self._write_all)
        self._own_loop = asyncio.get_running_loop()
        self._is_leaving = False

    def start_application_mode(self) -> None:
        """Begin to paint and to read."""
        super().start_application_mode()
        for number in (signal.SIGINT, signal.SIGTERM):
            self._own_loop.add_signal_handler(number, self._leave)

    def run_input_thread(self) -> None:
        """Read what the server sends until the console has ended, or the server has."""
        hurry_escape()
        try:
            self._read()
        finally:
            self._leave_soon()

    def _read(self) -> None:
        decode = getincrementaldecoder("utf-8")("replace").decode
        packets, parser = Packets(), ConsoleParser()
        with selectors.DefaultSelector() as selector:
            selector.register(_STDIN, selectors.EVENT_READ)
            while not self.exit_event.is_set():
                if selector.select(ESCAPE_SECONDS if parser.is_waiting else IDLE_SECONDS):
                    data = os.read(_STDIN, READ_SIZE)
                    if not data:
                        return
                    for kind, payload in packets.feed(data):
                        if kind == Packets.KEYS:
                            for event in parser.feed(decode(payload)):
                                self.process_message(event)
                        else:
                            said = json.loads(payload)
                            self.on_meta(said["type"], said)
                for event in parser.tick():
                    self.process_message(event)

    def on_meta(self, packet_type: str, payload: dict[str, Any]) -> None:
        """Take what is not a key: `quit` when the page was closed."""
        if packet_type == "quit":
            self._leave_soon()
        else:
            super().on_meta(packet_type, payload)

    def _leave_soon(self) -> None:
        """Request the end, from the reading thread."""
        with suppress(RuntimeError):  # the loop may have ended
            self._own_loop.call_soon_threadsafe(self._leave)

    def _leave(self) -> None:
        if not self._is_leaving:
            self._is_leaving = True
            self._console.action_quit_console()

    def _write_all(self, data: bytes) -> int:
        """Write to the server; drop the data if it is gone."""
        rest = memoryview(data)
        with suppress(OSError):
            while rest:
                rest = rest[os.write(self.fileno, rest) :]
        return len(data)
