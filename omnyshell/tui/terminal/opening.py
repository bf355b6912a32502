"""The specification of a terminal's session: how it is opened or resumed."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from omnyshell.errors import ErrorCodes, OmnyShellException, SessionRejectedException
from omnyshell.ids import short_id
from omnyshell.model.sessions import PtySpec, SessionMode
from omnyshell.services.client.client import OmnyShellClient
from omnyshell.services.client.session import RemoteSession
from omnyshell.tui.terminal.counting import WIDTHS

TERM = "xterm-256color"
ASKING = 2.0
"""Seconds to wait for where another session is; the new one is more urgent."""

COLOURS = {"COLORTERM": "truecolor"}
"""Variables beside TERM that tell programs what this terminal supports."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSpec:
    """A session to open or resume on a node.

    Without `command` and `session_ref` it is a login shell. A command has a terminal unless `pty` is False.
    """

    node_id: str
    command: str = ""
    session_ref: str = ""
    owner: str = ""
    """Whose session it is; "" for the user's own."""

    user: str = ""
    """The user of the node's machine whose it is to be; empty for the first that one may be."""

    cwd: str = ""
    beside: str = ""
    """A session of the user's own on the node, in whose present directory it starts; it starts at home without one."""

    env: Mapping[str, str] = field(default_factory=dict)
    pty: bool = True
    known_as: str = ""
    """What ran in the session when it was left."""

    @property
    def name(self) -> str:
        """The name of a tab until its program sets a title."""
        if self.session_ref:
            return f"{self.node_id}: {self.what}"
        return f"{self.node_id}: {self.command}" if self.command else self.node_id

    @property
    def what(self) -> str:
        """What was opened, without its node."""
        return self.known_as or self.command or (short_id(self.session_ref) if self.session_ref else "shell")

    @property
    def has_terminal(self) -> bool:
        """Whether the program has a PTY."""
        return self.pty or not self.command

    async def open(self, client: OmnyShellClient, size: PtySpec) -> RemoteSession:
        """Open it. Raises what `OmnyShellClient.open_session` and `resume` raise."""
        pty = PtySpec(term=TERM, cols=size.cols, rows=size.rows, widths=WIDTHS)
        if self.session_ref:
            return await client.resume(self.node_id, self.session_ref, pty=pty, owner=self.owner)
        if not self.beside:
            return await self._open_in(client, pty, self.cwd)
        there = await _directory_of(client, self.node_id, self.beside)
        try:
            return await self._open_in(client, pty, there)
        except SessionRejectedException as exc:
            # It may be gone, or one that this user may not enter.
            if not there or exc.code != ErrorCodes.BAD_REQUEST:
                raise
        return await self._open_in(client, pty, "")

    async def _open_in(self, client: OmnyShellClient, pty: PtySpec, directory: str) -> RemoteSession:
        cwd, user = directory or None, self.user
        if not self.command:
            return await client.open_shell(self.node_id, pty=pty, env={**COLOURS, **self.env}, cwd=cwd, user=user)
        if self.pty:
            env = {**COLOURS, **self.env}
            return await client.open_session(
                self.node_id, mode=SessionMode.SHELL, command=self.command, env=env, cwd=cwd, pty=pty, user=user
            )
        return await client.open_session(self.node_id, command=self.command, env=self.env, cwd=cwd, user=user)


async def _directory_of(client: OmnyShellClient, node_id: str, session_id: str) -> str:
    """Return the directory of what runs in the foreground of a session; empty where it cannot be known."""
    try:
        async with asyncio.timeout(ASKING):
            sessions = await client.list_sessions(node_id)
    except (OmnyShellException, TimeoutError):
        return ""
    return next((each.current_cwd or "" for each in sessions if each.session_id == session_id), "")
