"""TLS on the hub's side: by `aiofastnet`, a transport in C, if it is installed, else by the event loop or our own.

`aiofastnet` is optional (`pip install 'omnyshell[fast]'`), and takes less processor time. Only the hub uses it: for a
short command its import would cost more than it gains.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from types import ModuleType
from typing import Any

from omnyshell.transport.room_below import leave_room_below
from omnyshell.transport.tls_client import connect_tls, untrusted

_fast: ModuleType | None = None
with suppress(ImportError):
    import aiofastnet as _fast

RECEIVE_SIZE = 256 * 1024
"""Bytes of ciphertext that `aiofastnet` reads with one system call. A connection that was busy once keeps a buffer of
that size."""

SEND_SIZE = 128 * 1024
"""Bytes of ciphertext that it collects for one write: as many as the link lets it hold."""


_SIZES = {"ssl_incoming_bio_size": RECEIVE_SIZE, "ssl_outgoing_bio_size": SEND_SIZE}


class _QuietLoop:
    """The running loop, without its exception handler.

    aiofastnet 1.2 logs a peer that closes during the TLS handshake as an error of this program, with a traceback. The
    awaiting caller gets the error anyway. To be removed once it passes an exception there instead of a class.
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
    """Do the TLS handshake as the server on an accepted connection.

    Raises `OSError`, which includes `ssl.SSLError` and `TimeoutError`.
    """
    loop = asyncio.get_running_loop()
    options = _options(tls, handshake_timeout, shutdown_timeout)
    if _fast is None:
        await loop.connect_accepted_socket(protocol, sock, **options)
    else:
        leave_room_below(loop)
        await _fast.connect_accepted_socket(_QuietLoop(loop), protocol, sock, **options, **_SIZES)


async def dial_tls(
    protocol: asyncio.BufferedProtocol,
    host: str,
    port: int,
    tls: ssl.SSLContext,
    *,
    handshake_timeout: float,
    shutdown_timeout: float,
) -> None:
    """Connect to another hub, and do the TLS handshake.

    Raises `UntrustedHubException` for a certificate that is not accepted, `OSError`, which includes `ssl.SSLError` and
    `TimeoutError`, and `UnicodeError` for an invalid host name.
    """
    if _fast is None:
        await connect_tls(protocol, host, port, tls)
        return
    loop, options = asyncio.get_running_loop(), _options(tls, handshake_timeout, shutdown_timeout)
    try:
        await _fast.create_connection(_QuietLoop(loop), lambda: protocol, host, port, **options, **_SIZES)
    except ssl.SSLCertVerificationError as exc:
        raise untrusted(host, port, exc) from exc


def _options(tls: ssl.SSLContext, handshake_timeout: float, shutdown_timeout: float) -> dict[str, Any]:
    return {"ssl": tls, "ssl_handshake_timeout": handshake_timeout, "ssl_shutdown_timeout": shutdown_timeout}
