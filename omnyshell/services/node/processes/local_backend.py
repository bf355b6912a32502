"""The backend of this machine: terminals and pipes."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path

from omnyshell.errors import ErrorCodes, SessionRejectedException
from omnyshell.model.sessions import PtySpec, SessionMode
from omnyshell.services.node.as_root import AS_SAID, Whose
from omnyshell.services.node.backend import Launch, OutputSink, ShellRequest
from omnyshell.services.node.environment import find_shells, inherited_variables, own_user, why_not_own
from omnyshell.services.node.processes.commands import prepare, prepare_for_login
from omnyshell.services.node.processes.ledger import ChildLedger
from omnyshell.services.node.processes.own_children import start_on_pipes, start_on_terminal
from omnyshell.services.node.processes.process import ProcessSession
from omnyshell.services.node.restriction.policy import CommandPolicy

logger = logging.getLogger("omnyshell.node")


class LocalBackend:
    """Starts processes on this machine; see `ShellBackend`."""

    def __init__(
        self,
        state_dir: Path,
        policy: CommandPolicy,
        refused_variables: Sequence[str],
        drain_limit: float | None = None,
        whose: Whose = AS_SAID,
    ) -> None:
        """`state_dir` holds the ledger of children; requests may not set variables that match `refused_variables`.

        After `drain_limit` seconds of silence the output of a command is given up that has ended, while a descendant
        keeps it open; None for never. `whose` says whether anything is started as our own user.

        Raises `ConfigException` for a directory that cannot be used.
        """
        self._ledger = ChildLedger(state_dir / "children")
        self._policy = policy
        self._refused_variables = refused_variables
        self._whose = whose
        self.drain_limit = drain_limit
        self._inherited = inherited_variables(os.environ)
        own_user()

    async def begin(self) -> Sequence[str]:
        """End processes that a killed node left behind, and log what may run; return the shells that work."""
        count = await self._ledger.end_leftovers()
        if count:
            logger.warning("ended %d sessions that an earlier run of this node left behind", count)
        if self._whose.warning:
            logger.warning("%s", self._whose.warning)
        logger.info("%s", self._policy)
        for warning in self._policy.warnings():
            logger.warning("%s", warning)
        return () if self._policy.is_restricted else await find_shells()

    async def aclose(self) -> None:
        """End all remaining processes of the children's sessions. Takes about 2 s at most."""
        await self._ledger.close()

    def start(self, request: ShellRequest, sink: OutputSink) -> ProcessSession:
        """Start a process. Raises `SessionRejectedException` as `ShellBackend.start` says."""
        launch = self.prepared(request)
        if request.wants_pty:
            size = request.pty or PtySpec()
            return start_on_terminal(launch, size, sink, self._ledger, echo=not is_quiet_shell(request))
        return start_on_pipes(launch, sink, self._ledger, drain_limit=self.drain_limit, leader_only=request.leader_only)

    def prepared(self, request: ShellRequest) -> Launch:
        """Return what a request would start. Raises `SessionRejectedException`."""
        _check_mode(request)
        if self._whose.refusal:
            raise SessionRejectedException(self._whose.refusal, code=ErrorCodes.NOT_AUTHORIZED)
        _check_own_user(request)
        return prepare(request, self._policy, self._inherited, self._refused_variables)

    def prepared_for_login(self, request: ShellRequest) -> Launch:
        """Return what a request would start as a user of whom the keeper knows. Raises `SessionRejectedException`."""
        _check_mode(request)
        return prepare_for_login(request, self._policy, self._refused_variables)


_SERVED = (SessionMode.EXEC, SessionMode.SHELL, SessionMode.SSH, SessionMode.SFTP, SessionMode.AGENT)


def _check_mode(request: ShellRequest) -> None:
    if request.mode not in _SERVED:
        raise SessionRejectedException(f"This node does not serve mode '{request.mode}'", code="bad_request")


def _check_own_user(request: ShellRequest) -> None:
    """Refuse to be another user than the node's. Raises `SessionRejectedException`."""
    if why := why_not_own(request.user, request.logins):
        raise SessionRejectedException(why, code=ErrorCodes.NOT_AUTHORIZED)


def is_quiet_shell(request: ShellRequest) -> bool:
    """Whether this is the original's shell without prompt and echo (docs/protocol.md#sessions)."""
    return request.mode is SessionMode.SHELL and not (request.interactive or request.command or request.args)
