"""Connects a stream to a target."""

import asyncio
import os
import socket

from omnyshell.errors import TransportException
from omnyshell.hosts import LOCALHOST
from omnyshell.model.targets import Target
from omnyshell.transport.tcp_stream import TcpStream

DIAL_TIMEOUT = 10.0
"""Seconds that a target has to answer."""

_LOOPBACK = ("127.0.0.1", "::1")


class DialException(TransportException):
    """A target cannot be connected to; the message says why, without naming it."""


async def dial(stream: TcpStream, target: Target) -> None:
    """Connect a stream. Raises `DialException`.

    `localhost` is the loopback of either family, whatever a name server says of it.
    """
    try:
        async with asyncio.timeout(DIAL_TIMEOUT):
            await _connect(stream, target)
    except TimeoutError as exc:
        raise DialException(f"no answer within {DIAL_TIMEOUT:g} s") from exc
    except (OSError, UnicodeError, ValueError, OverflowError) as exc:
        raise DialException(_reason(exc)) from exc


async def _connect(stream: TcpStream, target: Target) -> None:
    loop = asyncio.get_running_loop()
    if target.is_path:
        await loop.create_unix_connection(lambda: stream, target.host)
        return
    problem: OSError | None = None
    for candidate in _LOOPBACK if target.host.lower() == LOCALHOST else (target.host,):
        try:
            await loop.create_connection(lambda: stream, candidate, target.port)
        except OSError as exc:
            problem = problem or exc
        else:
            return
    if problem is not None:
        raise problem


def _reason(exc: Exception) -> str:
    if isinstance(exc, socket.gaierror):
        return exc.strerror or "the host is unknown"
    if isinstance(exc, OSError) and exc.errno is not None:
        return os.strerror(exc.errno)
    return "the address is not valid"
