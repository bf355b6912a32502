"""Starts what is asked for in the mode `forward`: permissions, and connections to targets."""

import logging
from collections.abc import Awaitable

from omnyshell.errors import ConfigException, ErrorCodes, SessionRejectedException
from omnyshell.model.targets import Target
from omnyshell.protocol.messages import NodeSessionOpen
from omnyshell.services.exposer.dialing import DialException, dial
from omnyshell.services.exposer.exposer import DIAL_FAILED, FORBIDDEN
from omnyshell.services.exposer.targets import TargetPolicy
from omnyshell.services.node.backend import OutputSink, ShellSession
from omnyshell.services.node.forwards.connection import ForwardedConnection
from omnyshell.services.node.forwards.permission import Permission

logger = logging.getLogger("omnyshell.node")


class Forwards:
    """Judges targets by the node's own policy, whatever the hub allows, for each connection anew."""

    def __init__(self, policy: TargetPolicy) -> None:
        self._policy = policy

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

    def _allowed(self, request: NodeSessionOpen, text: str) -> Target:
        try:
            target = Target.parse(text)
        except ConfigException as exc:
            raise SessionRejectedException(str(exc), code=ErrorCodes.BAD_REQUEST) from exc
        if not self._policy.allows(request.session_id, target.host, target.port):
            logger.warning("forward of %r to %r refused: not allowed here", request.principal, text)
            why = f"{target} is not among the targets that this node allows"
            raise SessionRejectedException(why, code=FORBIDDEN)
        return target

    async def _connect(self, target: Target, sink: OutputSink) -> ShellSession:
        connection = ForwardedConnection(sink)
        try:
            await dial(connection.stream, target)
        except DialException as exc:
            raise SessionRejectedException(f"cannot connect to {target}: {exc.message}", code=DIAL_FAILED) from exc
        except BaseException:
            connection.kill_now()
            raise
        return connection
