"""Starts what is asked for in the mode `forward`: permissions, and connections to targets."""

import logging
import os
from collections.abc import Awaitable, Collection, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from omnyshell.errors import ConfigException, ErrorCodes, SessionRejectedException
from omnyshell.model.sessions import SessionMode
from omnyshell.model.targets import Target
from omnyshell.protocol.byte_text import from_wire
from omnyshell.protocol.messages import NodeSessionOpen
from omnyshell.services.exposer.dialing import DialException, dial
from omnyshell.services.exposer.exposer import DIAL_FAILED, FORBIDDEN
from omnyshell.services.exposer.targets import TargetPolicy
from omnyshell.services.node.backend import OutputSink, ShellSession
from omnyshell.services.node.forwards.connection import ForwardedConnection
from omnyshell.services.node.forwards.permission import Permission

logger = logging.getLogger("omnyshell.node")

# Most connections lead where others did before.
_parsed = lru_cache(maxsize=256)(Target.parse)


class Forwards:
    """Judges targets by the node's own policy, whatever the hub allows, for each connection anew."""

    def __init__(self, policy: TargetPolicy, private: Collection[Path] = ()) -> None:
        """Nobody is led below the directories in `private`: there the node is known by its user alone."""
        self._policy = policy
        self._private = private

    def start(self, request: NodeSessionOpen, sink: OutputSink) -> ShellSession | Awaitable[ShellSession]:
        """Start what a request asks for, as `ShellBackend.start` says.

        A permission names the targets that will be asked for in its arguments, as far as they are known. Raises
        `SessionRejectedException`, with the code `forbidden` or `dial_failed`.
        """
        if request.target is not None:
            return self._connect(self._allowed(request, request.target), sink)
        for text in request.args:
            self._allowed(request, text)
        return Permission(sink)

    def check(self, request: NodeSessionOpen) -> None:
        """Raise `SessionRejectedException` where what is asked for ahead is no connection, or would be refused now."""
        if request.mode is not SessionMode.FORWARD or request.target is None:
            raise SessionRejectedException("Connections alone are asked for ahead", code=ErrorCodes.BAD_REQUEST)
        self._allowed(request, request.target)

    def _allowed(self, request: NodeSessionOpen, text: str) -> Target:
        try:
            target = _parsed(from_wire(text))
        except ConfigException as exc:
            raise SessionRejectedException(str(exc), code=ErrorCodes.BAD_REQUEST) from exc
        if not self._policy.allows(request.session_id, target.host, target.port):
            logger.warning("forward of %r to %r refused: not allowed here", request.principal, text)
            why = f"{target} is not among the targets that this node allows"
            raise SessionRejectedException(why, code=FORBIDDEN)
        return target

    @contextmanager
    def _pinned(self, target: Target) -> Iterator[Target]:
        """Yield what is to be dialled: of a path the very socket that was judged, whoever changes a link meanwhile.

        Raises `SessionRejectedException` where the path leads to one that is not allowed, or to this node's keeper.
        """
        if not target.is_path:
            yield target
            return
        with _opened(target.host) as (place, there):
            is_private = any(there.is_relative_to(directory) for directory in self._private)
            if is_private or not self._policy.allows("", str(there), 0):
                raise SessionRejectedException(f"{target} leads to what this node does not allow", code=FORBIDDEN)
            yield Target(place, 0)

    async def _connect(self, target: Target, sink: OutputSink) -> ShellSession:
        connection = ForwardedConnection(sink)
        try:
            with self._pinned(target) as place:
                await dial(connection.stream, place)
        except DialException as exc:
            raise SessionRejectedException(f"cannot connect to {target}: {exc.message}", code=DIAL_FAILED) from exc
        except BaseException:
            connection.kill_now()
            raise
        return connection


@contextmanager
def _opened(path: str) -> Iterator[tuple[str, Path]]:
    """Yield by which name to dial what a path leads to now, and what that is. Raises `DialException`.

    Where a system cannot hold it open, it is dialled by the name without links.
    """
    if not hasattr(os, "O_PATH"):
        there = Path(path).resolve()
        yield str(there), there
        return
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError as exc:
        raise DialException(exc.strerror or str(exc)) from exc
    try:
        name = f"/proc/self/fd/{fd}"
        yield name, Path(name).readlink()
    finally:
        os.close(fd)
