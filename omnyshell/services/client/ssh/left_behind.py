"""What killed proxies have left at nodes, for the next one of this machine to end.

A node keeps the session of a client that it lost, as who was cut off comes back. Who was killed does not: an rsync of
theirs would wait at the node for a minute, and then put its part of a file in the place of what was copied meanwhile.
"""

import asyncio
import fcntl
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from omnyshell.errors import NodeUnavailableException, OmnyShellException, OmnyShellTimeoutException, TransportException
from omnyshell.security.files import make_private_directory
from omnyshell.services.client.client import OmnyShellClient

MOST_NOTES = 256
"""Notes that are looked at; each proxy that runs has one."""

PATIENCE = 3.0
"""Seconds for which the end of what was left is waited for."""

LOOK_AGAIN = 0.2

TOO_OLD = 7 * 24 * 3600.0
"""Seconds after which a note is removed: of a node that nobody has come to again, or of another machine."""

_NOT_NOW = (NodeUnavailableException, TransportException, OmnyShellTimeoutException, TimeoutError)
_BEGINNING = "open."
_MOST_BYTES = 4096


class _Note(NamedTuple):
    path: Path
    node_id: str
    session_id: str


@contextmanager
def noted(directory: Path, node_id: str, session_id: str) -> Iterator[None]:
    """Have a session noted in a directory, by a file that is locked for as long as this process lives.

    The note stays where the session ends with an `OmnyShellException`, as it may go on at the node. Where no file
    can be written or locked, nothing is noted.
    """
    descriptor, path = _written(directory, f"{socket.gethostname()}\n{node_id}\n{session_id}")
    goes_on = False
    try:
        yield
    except OmnyShellException:
        goes_on = True
        raise
    finally:
        if not goes_on:
            _remove(path)
        if descriptor >= 0:
            os.close(descriptor)


async def end_what_was_left(client: OmnyShellClient, directory: Path, node_id: str) -> None:
    """End the sessions at a node that are noted in a directory by proxies of this machine which live no more."""
    for descriptor, note in _left(directory, node_id.casefold()):
        try:
            await _end(client, note)
        finally:
            os.close(descriptor)


async def _end(client: OmnyShellClient, note: _Note) -> None:
    """End a session, and wait until it is over. What cannot be ended now is left to the next proxy."""
    was_told = False
    try:
        async with asyncio.timeout(PATIENCE):
            while True:
                await client.kill_session(note.node_id, note.session_id)
                was_told = True
                await asyncio.sleep(LOOK_AGAIN)
    except _NOT_NOW:
        # Where it was told to end, it takes its time.
        is_left = not was_told
    except OmnyShellException:
        is_left = False
    if not is_left:
        _remove(note.path)


def _written(directory: Path, text: str) -> tuple[int, Path]:
    """Return the descriptor of a note that is locked before anybody sees it, -1 where there can be none."""
    name = os.urandom(8).hex()
    path, unseen = directory / f"{_BEGINNING}{name}", directory / f".{name}.tmp"
    try:
        make_private_directory(directory)
        descriptor = os.open(unseen, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError:
        return -1, path
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.write(descriptor, text.encode())
        unseen.rename(path)
    except OSError:
        _remove(unseen)
    return descriptor, path


def _left(directory: Path, node_id: str) -> Iterator[tuple[int, _Note]]:
    """Yield the notes about a node whose proxies live no more, each locked by a descriptor that is the caller's."""
    for _, path in zip(range(MOST_NOTES), directory.glob(f"{_BEGINNING}*"), strict=False):
        with suppress(OSError):
            descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            note = _read(descriptor, path) if _is_claimed(descriptor) else None
            if note is not None and note.node_id.casefold() == node_id:
                yield descriptor, note
            else:
                os.close(descriptor)


def _is_claimed(descriptor: int) -> bool:
    """Tell whether a note is locked here now; it is not where its proxy lives."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _read(descriptor: int, path: Path) -> _Note | None:
    """Return what a note of this machine says. One that is too old for anybody is removed, whatever it says."""
    if time.time() - os.fstat(descriptor).st_mtime > TOO_OLD:
        _remove(path)
    try:
        host, node_id, session_id = os.read(descriptor, _MOST_BYTES).decode().split("\n")
    except (OSError, ValueError):
        return None
    # Several machines may have one home, and locks of their own.
    return _Note(path, node_id, session_id) if host == socket.gethostname() else None


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()
