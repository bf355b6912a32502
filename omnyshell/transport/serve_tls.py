"""How the hub serves TLS: by `aiofastnet`, a transport in C, where it is installed, else by the event loop.

It is optional (`pip install 'omnyshell[fast]'`): the same bytes take less processor time with it. Only the hub uses it;
a command that starts and ends would lose more by its import than it gains.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from types import ModuleType
from typing import Any

_fast: ModuleType | None = None
with suppress(ImportError):
    import aiofastnet as _fast

RECEIVE_SIZE = 256 * 1024
"""Bytes of ciphertext that `aiofastnet` takes with one system call. A connection that was busy once keeps so many."""

SEND_SIZE = 128 * 1024
"""Bytes of ciphertext that it gathers for one: as many as the link has it hold."""


class _QuietLoop:
    """The running loop, without its exception handler.

    aiofastnet 1.2 reports a peer that leaves in the middle of the TLS handshake as a failure of this program, with a
    traceback. Whoever awaits the handshake is told of it anyway. To be removed once it hands over an exception there
    instead of a class.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if isinstance(context.get("exception"), BaseException):
            self._loop.call_exception_handler(context)


async def serve_tls(
    protocol: Callable[[], asyncio.BaseProtocol],
    sock: socket.socket,
    tls: ssl.SSLContext,
    *,
    handshake_timeout: float,
    shutdown_timeout: float,
) -> None:
    """Do TLS as the server of an accepted connection.

    Raises `OSError`, `ssl.SSLError` and `TimeoutError` among it.
    """
    loop = asyncio.get_running_loop()
    options: dict[str, Any] = {
        "ssl": tls,
        "ssl_handshake_timeout": handshake_timeout,
        "ssl_shutdown_timeout": shutdown_timeout,
    }
    if _fast is None:
        await loop.connect_accepted_socket(protocol, sock, **options)
    else:
        sizes = {"ssl_incoming_bio_size": RECEIVE_SIZE, "ssl_outgoing_bio_size": SEND_SIZE}
        await _fast.connect_accepted_socket(_QuietLoop(loop), protocol, sock, **options, **sizes)
